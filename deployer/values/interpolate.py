"""`${VAR}` and `${VAR:default}` in profiles, filled from the job's environment."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deployer.errors import UsageError
from deployer.values.document import Keys, scalar

REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<colon>:(?P<default>[^}]*))?\}")


def interpolate(
    data: Any, variables: Mapping[str, str], *, quoted: Callable[[Keys], bool], keys: Keys = ()
) -> tuple[Any, list[tuple[Keys, str]]]:
    """Fill every reference in every string; return the data and the variables that are missing, with their places.

    `${VAR}` must be set (an empty value counts as set), `${VAR:default}` need not be, `$${VAR}` stays as `${VAR}`.
    A plain (unquoted) scalar that is one reference and nothing else is read as YAML, so `${REPLICAS:3}` is a number.
    """
    if isinstance(data, Mapping):
        filled = {key: interpolate(value, variables, quoted=quoted, keys=(*keys, key)) for key, value in data.items()}
        return {key: value for key, (value, _) in filled.items()}, [
            m for _, missing in filled.values() for m in missing
        ]
    if isinstance(data, list):
        items = [interpolate(v, variables, quoted=quoted, keys=(*keys, i)) for i, v in enumerate(data)]
        return [value for value, _ in items], [m for _, missing in items for m in missing]
    if not isinstance(data, str) or "${" not in data:
        return data, []
    missing = [(keys, name) for name in _required(data) if name not in variables]
    if missing:
        return data, missing
    whole = REFERENCE.fullmatch(data)
    text = REFERENCE.sub(lambda match: _value(match, variables), data)
    if whole and not whole["escape"] and not quoted(keys):
        return _typed(text), []
    return text, []


def _typed(text: str) -> Any:
    try:
        value = scalar(text)
    except UsageError:  # whatever a job's variable holds is at least a string
        return text
    return text if isinstance(value, list | dict) else value


def _required(text: str) -> Iterator[str]:
    for match in REFERENCE.finditer(text):
        if not match["escape"] and match["colon"] is None:
            yield match["name"]


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escape"]:
        return match[0][1:]
    return variables.get(match["name"], match["default"] or "")
