"""docs/environments.md holds every key of the profile: `python tests/profile/test_docs.py` prints the table anew."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from deployer.health.limits import Limits
from deployer.profile import Profile
from deployer.profile.schema import Share

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"


def rows(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for field in section.model_fields.values():
        key = f"{prefix}{field.alias}"
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from rows(kind, f"{key}.")
        elif dataclasses.is_dataclass(kind):
            for one in dataclasses.fields(Limits):
                unit = "seconds or 90s, 5m" if one.type is float else "count"
                yield f"| {key}.{to_camel(one.name)} | {unit} | {one.default} | see docs/health.md |"
        else:
            default = "required" if field.is_required() else field.get_default(call_default_factory=True)
            yield f"| {key} | {_kind(kind)} | {_default(default)} | {field.description or ''} |"


def _default(value: Any) -> str:
    return "" if value in (None, {}, ()) else str(value)


def _kind(kind: Any) -> str:
    if getattr(kind, "__origin__", None) is tuple:
        return "list"
    inner = [one for one in get_args(kind) if one is not type(None)]
    if inner == [Share]:
        return "share"
    if len(inner) == 1 and getattr(inner[0], "__origin__", None) is Literal:
        return _kind(inner[0])
    if getattr(kind, "__origin__", None) is dict:
        return "map"
    if inner and all(isinstance(one, str) for one in inner):
        return ", ".join(inner)
    return {"Path": "path", "str": "text", "bool": "true, false", "int": "number", "float": "duration"}.get(
        getattr(inner[0] if inner else kind, "__name__", "text"), "text"
    )


def table() -> str:
    return "\n".join(("| key | type | default | meaning |", "|---|---|---|---|", *rows(Profile)))


def test_the_table_is_true() -> None:
    assert table() in PAGE.read_text(), "run: python tests/profile/test_docs.py > table, and put it into the page"


if __name__ == "__main__":
    print(table())
