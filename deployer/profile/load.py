"""environments/base.yaml under environments/<env>.yaml, filled in and checked; all problems at once."""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from deployer.errors import UsageError
from deployer.profile.schema import Profile
from deployer.values.document import Document, Keys, parse
from deployer.values.interpolate import interpolate
from deployer.values.merge import merge

FOLDER = "environments"
BASE = "base"


def environments(project: Path) -> tuple[str, ...]:
    """Names of the environments of a project: its profiles but for the base."""
    return tuple(sorted(p.stem for p in (project / FOLDER).glob("*.yaml") if p.stem != BASE and "." not in p.stem))


def load(project: Path, environment: str, variables: Mapping[str, str]) -> Profile:
    """The profile of an environment. Raises UsageError that lists every problem with file, line and key."""
    names = environments(project)
    if environment not in names:
        raise UsageError(
            f"unknown environment `{environment}`{nearest(environment, names)}",
            hint=f"environments here: {', '.join(names)}"
            if names
            else f"there is no {FOLDER}/<name>.yaml in {project}; -C names the project folder",
        )
    layers = [_read(project, name) for name in (BASE, environment) if (project / FOLDER / f"{name}.yaml").exists()]
    data: dict[str, Any] = {}
    for layer in layers:
        data = merge(data, layer.data)
    data, missing = interpolate(data, variables, quoted=lambda keys: keys in _owner(layers, keys).quoted)
    if missing:
        lines = tuple(f"{_place(layers, keys)}: {_dotted(keys)} needs ${{{name}}}" for keys, name in missing)
        unset = sorted({name for _, name in missing})
        raise UsageError(
            f"variable{'s' if len(unset) > 1 else ''} not set: {', '.join(unset)}",
            detail=lines,
            hint="set them in the job or in .env, or give a default: ${NAME:default}",
        )
    # x-…: a team's own notes. A null takes back what the base says; among the values it is helm's to understand.
    kept = {key: value for key, value in data.items() if value is not None and not key.startswith("x-")}
    data = {key: value if key == "values" else _without_nulls(value) for key, value in kept.items()}
    try:
        others = tuple(name for name in names if name != environment)
        return Profile.model_validate(data, context={"environments": others})
    except ValidationError as error:
        problems = tuple(_explain(layers, problem) for problem in error.errors())
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(problems[0] + more, detail=problems[1:]) from None


def nearest(word: str, words: Iterator[str] | tuple[str, ...]) -> str:
    """`; did you mean …?` where a word comes close to one of `words`, else nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def _read(project: Path, name: str) -> Document:
    path = Path(FOLDER) / f"{name}.yaml"
    try:
        return parse(path, (project / path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None


def _without_nulls(data: Any) -> Any:
    if not isinstance(data, Mapping):
        return data
    return {key: _without_nulls(value) for key, value in data.items() if value is not None}


def _owner(layers: list[Document], keys: Keys) -> Document:
    """The layer that a value comes from: the last that has it, or else the one with its nearest ancestor."""
    while keys:
        for layer in reversed(layers):
            if keys in layer.lines:
                return layer
        keys = keys[:-1]
    return layers[-1]


def _place(layers: list[Document], keys: Keys) -> str:
    layer = _owner(layers, keys)
    line = layer.line(keys)
    return f"{layer.path}:{line}" if line else str(layer.path)


def _dotted(keys: Keys) -> str:
    return ".".join(map(str, keys))


def _explain(layers: list[Document], problem: Any) -> str:
    keys: Keys = tuple(problem["loc"])
    place, dotted = _place(layers, keys), _dotted(keys)
    match problem["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            section = f" in {_dotted(keys[:-1])}" if keys[:-1] else ""
            return f"{place}: unknown key `{keys[-1]}`{section}{nearest(str(keys[-1]), tuple(_known(keys[:-1])))}"
        case "missing":
            return f"{place}: `{dotted}` is required and missing"
        case "literal_error":
            allowed = tuple(re.findall(r"'([^']+)'", problem["ctx"]["expected"]))
            wrong = problem["input"]
            return (
                f"{place}: {dotted} is `{wrong}`; it must be one of {', '.join(allowed)}{nearest(str(wrong), allowed)}"
            )
        case "string_pattern_mismatch" if (
            "a-z0-9" in problem["ctx"]["pattern"] and "_" not in problem["ctx"]["pattern"]
        ):
            return (
                f"{place}: {dotted} is `{problem['input']}`, which is not a DNS label: "
                "small letters, digits and hyphens, a letter or digit at both ends"
            )
        case "value_error":
            return f"{place}: {dotted}: {problem['ctx']['error']}"
        case _:
            message = problem["msg"].removeprefix("Input ").replace("Input ", "it ")
            shown = problem["input"]
            value = f" is `{shown}`" if isinstance(shown, str | int | float | bool) else ""
            return f"{place}: {dotted}{value}: {message}"


def _known(keys: Keys) -> Iterator[str]:
    """The keys that a section of the profile knows."""
    section: Any = Profile
    for key in keys:
        if isinstance(key, int):  # an item of the list that the section before is made of
            continue
        fields = getattr(section, "model_fields", {})
        found = next((field for field in fields.values() if field.alias == key), None)
        if found is None:
            return
        section = next(iter(get_args(found.annotation)), found.annotation)
    if isinstance(section, type) and issubclass(section, BaseModel):
        yield from (field.alias or name for name, field in section.model_fields.items())
    elif dataclasses.is_dataclass(section):
        yield from (to_camel(field.name) for field in dataclasses.fields(section))
