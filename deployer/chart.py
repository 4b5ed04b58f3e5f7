"""Read a chart's folder: its defaults with their lines, and which values its templates name. No helm is asked."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import PreflightError, UsageError
from deployer.values import layers as stack
from deployer.values.document import Document, parse, scalar
from deployer.values.interpolate import Filled
from deployer.values.layers import Layer
from deployer.values.reads import Reads

_NAMED = re.compile(r"\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
_INDEXED = re.compile(r"index\s+\$?\.Values((?:\s+\"[^\"]+\")+)")
_COMPUTED = re.compile(r"(?:get|index)\s+\$?\.Values\s+[$(]")
_LIST = re.compile(r"\blist((?:\s+\"[^\"]+\")+)")
_WORD = re.compile(r"\"([^\"]+)\"")


@dataclass(frozen=True)
class Chart:
    """A chart in a folder, with the charts in it by the key that their values lie under."""

    defaults: Layer
    mentioned: frozenset[tuple[str, ...]]  # key paths in its templates, and in the conditions of its charts
    charts: Mapping[str, "Chart | None"]  # None: packed, so nobody looked inside
    conditions: Mapping[str, tuple[tuple[str, ...], ...]]

    def layers(self, values: Mapping[str, Any]) -> tuple[Layer, ...]:
        """All defaults, weakest first, as these values leave them: a chart that they switch off has none."""
        given = stack.merged([self.defaults, stack.everywhere("", values, "")])
        found: list[Layer] = []
        for name, chart in self.charts.items():
            if chart and not any(_at(given, condition) is False for condition in self.conditions.get(name, ())):
                inner = given.get(name)
                found += [one.under(name) for one in chart.layers(inner if isinstance(inner, Mapping) else {})]
        return (*found, self.defaults)

    def reads(self) -> Reads:
        """Which values the chart can have a use for."""
        charts = {name: chart.reads() if chart else None for name, chart in self.charts.items()}
        return Reads(self.defaults.data, self.mentioned, charts)


def read(project: Path, folder: Path) -> Chart:
    """The chart at a folder relative to the project. Raises PreflightError where there is none."""
    if not (project / folder / "Chart.yaml").is_file():
        raise PreflightError(f"there is no chart at {folder} (release.chart)")
    return _chart(project, folder)


def files(folder: Path) -> tuple[tuple[str, Path], ...]:
    """What helm reads of a chart, sorted: name below the folder, and file; linked folders too, and none of git's.

    Empty where there is no such folder.
    """
    found = (Path(place) / name for place, _, names in os.walk(folder, followlinks=True) for name in names)
    named = ((path.relative_to(folder), path) for path in found if path.is_file())
    return tuple(sorted((name.as_posix(), path) for name, path in named if ".git" not in name.parts))


def digest(folder: Path) -> str:
    """SHA-256 (hex) over what helm packs, names and contents, charts/*.tgz included. Modes and times do not count.

    Empty where there is no such folder.
    """
    found, packed = hashlib.sha256(), files(folder)
    for name, path in packed:
        content = path.read_bytes()
        found.update(f"{len(name.encode())}:{name}{len(content)}:".encode())
        found.update(content)
    return found.hexdigest() if packed else ""


def _chart(project: Path, folder: Path) -> Chart:
    about = _document(project, folder / "Chart.yaml").data
    listed = about.get("dependencies")
    wanted = {
        str(one.get("alias") or one["name"]): one
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping) and one.get("name")
    }
    there = {one.name: folder / "charts" / one.name for one in _folders(project / folder / "charts")}
    named = {str(one["name"]) for one in wanted.values()}
    keys = {key: str(one["name"]) for key, one in wanted.items()} | {name: name for name in there if name not in named}
    conditions = {
        key: tuple(tuple(path.strip().split(".")) for path in str(one["condition"]).split(","))
        for key, one in wanted.items()
        if one.get("condition")
    }
    defaults = _document(project, folder / "values.yaml")
    templates = "\n".join(_texts(project / folder / "templates"))
    return Chart(
        stack.document(stack.CHART, defaults, Filled(defaults.data)),
        frozenset({*_mentions(templates), *(path for paths in conditions.values() for path in paths)}),
        {key: _chart(project, there[name]) if name in there else None for key, name in keys.items()},
        conditions,
    )


def _document(project: Path, path: Path) -> Document:
    """A file of the chart: empty where it is not there, without lines where it is more YAML than a profile may be."""
    try:
        text = (project / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Document(path, {})
    try:
        return parse(path, text)
    except UsageError:  # a merge key, a number as a key: helm takes more than we do
        pass
    try:
        data = scalar(text)
    except UsageError:  # helm will say so
        data = None
    return Document(path, data if isinstance(data, Mapping) else {})


def _folders(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(one for one in place.iterdir() if (one / "Chart.yaml").is_file())


def _texts(place: Path) -> Iterator[str]:
    for file in sorted(place.rglob("*")):
        if file.is_file():
            yield file.read_text(encoding="utf-8", errors="replace")


def _mentions(text: str) -> Iterator[tuple[str, ...]]:
    for match in _NAMED.finditer(text):
        yield tuple(match[1].split(".")[1:])
    for match in _INDEXED.finditer(text):
        yield tuple(_WORD.findall(match[1]))
    if _COMPUTED.search(text):  # `range $key := list "a" "b"` and then `get $.Values $key`
        for match in _LIST.finditer(text):
            yield from ((name,) for name in _WORD.findall(match[1]))


def _at(data: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
