"""`${VAR}`, `${VAR:default}` and `${VAR:?message}` in profiles and value files, filled from the job's environment."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.errors import UsageError
from deployer.values.document import Keys, scalar

REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<colon>:(?P<default>[^}]*))?\}")


@dataclass(frozen=True)
class Variable:
    """A variable that a value was filled from. `defaulted`: it is not set, so the default written there counts."""

    name: str
    defaulted: bool


@dataclass(frozen=True)
class Missing:
    """A variable that a place needs and that is not set; `message` is what `${VAR:?message}` says of it."""

    keys: Keys
    name: str
    message: str = ""


@dataclass(frozen=True)
class Filled:
    """Data with its references filled in; one that is missing stays as it is written."""

    data: Any = field(repr=False)
    missing: tuple[Missing, ...] = ()
    variables: Mapping[Keys, tuple[Variable, ...]] = field(default_factory=dict)


def interpolate(data: Any, variables: Mapping[str, str], *, quoted: Callable[[Keys], bool]) -> Filled:
    """Fill every reference in every string.

    `${VAR}` must be set (an empty value counts as set), `${VAR:default}` need not be, `${VAR:?message}` must be set and
    not empty, `$${VAR}` stays as `${VAR}`. A plain (unquoted) scalar that is one reference and nothing else is read as
    YAML, so `${REPLICAS:3}` is a number.
    """
    missing: list[Missing] = []
    used: dict[Keys, tuple[Variable, ...]] = {}

    def fill(value: Any, keys: Keys) -> Any:
        if isinstance(value, Mapping):
            return {key: fill(one, (*keys, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [fill(one, (*keys, index)) for index, one in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        lacking = list(_lacking(value, variables, keys))
        if lacking:
            missing.extend(lacking)
            return value
        names = tuple(Variable(match["name"], match["name"] not in variables) for match in _references(value))
        if names:
            used[keys] = names
        text = REFERENCE.sub(lambda match: _value(match, variables), value)
        whole = REFERENCE.fullmatch(value)
        return _typed(text) if whole and not whole["escape"] and not quoted(keys) else text

    return Filled(fill(data, ()), tuple(missing), used)


def _typed(text: str) -> Any:
    """A number, a truth value or a null; in quotes a text without them. All else is the text that it is."""
    try:
        value = scalar(text)
    except UsageError:  # whatever a job's variable holds is at least a string
        return text
    quoted = isinstance(value, str) and text.lstrip()[:1] in ("'", '"')
    null = value is None and text.strip() in ("", "~", "null", "Null", "NULL")  # a comment is none
    return value if quoted or null or isinstance(value, int | float) else text


def _references(text: str) -> Iterator[re.Match[str]]:
    return (match for match in REFERENCE.finditer(text) if not match["escape"])


def _lacking(text: str, variables: Mapping[str, str], keys: Keys) -> Iterator[Missing]:
    for match in _references(text):
        name, default = match["name"], match["default"] or ""
        if default.startswith("?"):
            if not variables.get(name):
                yield Missing(keys, name, default[1:])
        elif match["colon"] is None and name not in variables:
            yield Missing(keys, name)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escape"]:
        return match[0][1:]
    return variables.get(match["name"], match["default"] or "")
