"""The files of an environment as layers: base, environment, value files; references filled in, nothing judged yet."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.values import layers as stack
from deployer.values.document import Document, Keys, parse
from deployer.values.interpolate import interpolate
from deployer.values.layers import Layer

FOLDER = "environments"
BASE = "base"
VALUES = "values"
"""The section of the profile that a value file lies in."""

TARGETS = "targets"
"""The one key of environments/<env>.targets.yaml."""


@dataclass(frozen=True)
class Lack:
    """A place that needs a variable which is not set."""

    place: str
    keys: Keys
    name: str
    message: str  # what `${VAR:?message}` says of it, or nothing

    def __str__(self) -> str:
        return f"{self.place}: {dotted(self.keys)} needs ${{{self.name}}}" + (f": {self.message}" * bool(self.message))


@dataclass(frozen=True)
class File:
    """A file of an environment, and the section of the profile that it lies in."""

    layer: str
    section: tuple[str, ...]
    document: Document


@dataclass(frozen=True)
class Sources:
    """The layers of one environment, weakest first, all in the profile's keys; and the variables they lack."""

    files: tuple["File", ...]
    layers: tuple[Layer, ...]
    lacks: tuple[Lack, ...]

    def filled(self, variables: Mapping[str, str]) -> "Sources":
        """The same files with other variables."""
        return _filled(self.files, variables)

    def written(self, keys: Keys, value: Any) -> Any:
        """A value as people may see it: one that a variable filled in is shown as it is written, `${NAME}`."""
        layer = stack.owner(self.layers, keys)
        file = next(one for one, its in zip(self.files, self.layers, strict=True) if its is layer)
        if not any(path[: len(keys)] == keys for path in layer.variables):
            return value
        return _at(file.document.data, keys[len(file.section) :])

    def place(self, keys: Keys) -> str:
        """`file:line` of the layer whose word counts at a key path."""
        return stack.owner(self.layers, keys).place(keys)


def environments(project: Path) -> tuple[str, ...]:
    """Names of the environments of a project: its profiles but for the base."""
    return tuple(sorted(p.stem for p in (project / FOLDER).glob("*.yaml") if p.stem != BASE and "." not in p.stem))


def sources(project: Path, environment: str, variables: Mapping[str, str]) -> Sources:
    """The layers of an environment. Raises UsageError for one that is not there, and for what is no YAML."""
    names = environments(project)
    if environment not in names:
        raise UsageError(
            f"unknown environment `{environment}`{nearest(environment, names)}",
            hint=f"environments here: {', '.join(names)}"
            if names
            else f"there is no {FOLDER}/<name>.yaml in {project}; -C names the project folder",
        )
    profiles = tuple(
        File(layer, (), _read(project, path))
        for layer, name in ((stack.BASE, BASE), (stack.ENVIRONMENT, environment))
        if (project / (path := Path(FOLDER) / f"{name}.yaml")).exists()
    )
    profiles = (*profiles, *_targets(project, environment, profiles))
    found = _filled(profiles, variables)
    return _filled((*profiles, *_value_files(project, found)), variables)


def nearest(word: str, words: Iterator[str] | tuple[str, ...]) -> str:
    """`; did you mean …?` where a word comes close to one of `words`, else nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def dotted(keys: Keys) -> str:
    """A key path as people write it."""
    return ".".join(map(str, keys))


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key]
    return data


def _filled(files: tuple[File, ...], variables: Mapping[str, str]) -> Sources:
    """Every reference filled in; one that a stronger layer hides is not missed."""
    filled = [interpolate(one.document.data, variables, quoted=one.document.quoted.__contains__) for one in files]
    layers = tuple(
        stack.document(one.layer, one.document, data).under(*one.section)
        for one, data in zip(files, filled, strict=True)
    )
    lacks = tuple(
        Lack(layers[index].place(keys), keys, one.name, one.message)
        for index, (file, data) in enumerate(zip(files, filled, strict=True))
        for one in data.missing
        if stack.counts(layers, index, keys := (*file.section, *one.keys))
    )
    return Sources(files, layers, lacks)


def _targets(project: Path, environment: str, profiles: Sequence[File]) -> Iterator[File]:
    """The file of an environment's targets, where it has one."""
    path = Path(FOLDER) / f"{environment}.{TARGETS}.yaml"
    if not (project / path).exists():
        return
    found = _read(project, path)
    for key in found.data:
        if key != TARGETS:
            raise UsageError(
                f"{path}:{found.line((key,))}: unknown key `{key}`{nearest(key, (TARGETS,))}",
                hint=f"this file holds `{TARGETS}:` alone; everything else is in {FOLDER}/{environment}.yaml",
            )
    for one in profiles:
        if TARGETS in one.document.data:
            raise UsageError(
                f"{one.document.path}:{one.document.line((TARGETS,))}: {path} has the targets",
                hint="keep them in one of the two",
            )
    yield File(stack.ENVIRONMENT, (), found)


def _value_files(project: Path, profile: Sources) -> Iterator[File]:
    data: Any = stack.merged(profile.layers).get("valueFiles")
    lacking = {lack.keys for lack in profile.lacks}
    for index, name in enumerate(data if isinstance(data, list) else ()):
        keys = ("valueFiles", index)
        if not isinstance(name, str) or keys in lacking:
            continue  # told as a wrong type, or as a missing variable
        if not (project / name).is_file():
            raise UsageError(
                f"{profile.place(keys)}: there is no value file {profile.written(keys, name)}",
                hint=f"valueFiles are relative to the project folder {project}",
            )
        yield File(stack.FILE, (VALUES,), _read(project, Path(name)))


def _read(project: Path, path: Path) -> Document:
    try:
        return parse(path, (project / path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
