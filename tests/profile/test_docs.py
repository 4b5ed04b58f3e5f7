"""docs/environments.md holds every key of the profile: `python tests/profile/test_docs.py` writes its table anew."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from deployer.health.limits import Limits
from deployer.profile import Profile
from deployer.profile.schema import Share

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "environments.md"
TABLE = re.compile(r"^\| key \| type \|.*\n(?:\|.*\n)+", re.MULTILINE)
Keys = tuple[str, ...]


def rows(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every setting."""
    for field in section.model_fields.values():
        key = f"{prefix}{field.alias}"
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from rows(kind, f"{key}.")
        elif dataclasses.is_dataclass(kind):
            for one in dataclasses.fields(Limits):
                unit = "seconds or 90s, 5m" if one.type is float else "count"
                yield f"{key}.{to_camel(one.name)}", unit, str(one.default), "see docs/health.md"
        else:
            default = "required" if field.is_required() else field.get_default(call_default_factory=True)
            shown = "" if default in (None, {}, ()) else str(default)
            yield key, _kind(kind), shown, field.description or ""


def _kind(kind: Any) -> str:
    if getattr(kind, "__origin__", None) is dict:
        return "map"
    if getattr(kind, "__origin__", None) in (list, tuple):
        return "list"
    if Share in get_args(kind):
        return "share"
    inner = [one for part in get_args(kind) if part is not type(None) for one in get_args(part) or (part,)]
    if inner and all(isinstance(one, str) for one in inner):
        return ", ".join(inner)
    return {"Path": "path", "str": "text", "bool": "true, false", "int": "number", "float": "duration"}.get(
        getattr(inner[0] if inner else kind, "__name__", "text"), "text"
    )


class Reads(ast.NodeVisitor):
    """The settings that a module reads: `profile.target.context`, or through a name given to a section of it."""

    ROOTS: ClassVar[dict[str, Keys]] = {"profile": (), "limits": ("health",), "guards": ("guards",)}
    SECTIONS: ClassVar[dict[str, Keys]] = {  # the type of a parameter
        "Window": ("guards", "window"),
        "Metrics": ("metrics",),
    }

    def __init__(self) -> None:
        self.names: dict[str, Keys] = dict(self.ROOTS)
        self.found: set[Keys] = set()

    def chain(self, node: ast.AST) -> Keys | None:
        """The key path that an expression means, in Python's spelling; None for what is no setting."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            above = self.chain(node.value)
            return self.ROOTS.get(node.attr) if above is None else (*above, node.attr)
        return None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = dict(self.names)
        for one in node.args.args:
            if isinstance(one.annotation, ast.Name) and one.annotation.id in self.SECTIONS:
                self.names[one.arg] = self.SECTIONS[one.annotation.id]
        self.generic_visit(node)
        self.names = before

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    keys = self.chain(value)
                    self.names.pop(name.id, None)
                    meant = self.ROOTS.get(name.id) if keys is None else keys
                    if meant is not None:
                        self.names[name.id] = meant
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """The longest chain alone: `profile.target.context` does not read all of `target`."""
        keys = self.chain(node)
        if keys:
            self.found.add(keys)
        if keys is None:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """`….get("valueFiles")`, where the profile is not yet one."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value == "valueFiles":
                self.found.add(("valueFiles",))
        self.generic_visit(node)


def readers() -> dict[str, set[str]]:
    """The modules that read each setting."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "deployer").rglob("*.py")):
        reads = Reads()
        reads.visit(ast.parse(file.read_text()))
        module = str(file.relative_to(ROOT / "deployer").with_suffix("")).removesuffix("/__init__")
        for keys in reads.found:
            found.setdefault(".".join(spelled(keys)), set()).add(module)
    return found


def spelled(keys: Keys) -> Iterator[str]:
    """A key path as profiles write it: `clean_tree` is `cleanTree`, and `closed` of a window is `not`."""
    section: Any = Profile
    for key in keys:
        field = getattr(section, "model_fields", {}).get(key)
        yield field.alias if field else to_camel(key)
        section = field.annotation if field else None


def table() -> str:
    """The table of the page."""
    found = readers()

    def read(key: str) -> str:
        # `secrets.items` and `registry.url.partition` read `secrets` and `registry.url`.
        return ", ".join(sorted({m for one, ms in found.items() if f"{one}.".startswith(f"{key}.") for m in ms}))

    lines = [
        f"| {key} | {kind} | {default} | {read(key)} | {meaning} |" for key, kind, default, meaning in rows(Profile)
    ]
    return "\n".join(("| key | type | default | read in | meaning |", "|---|---|---|---|---|", *lines, ""))


def test_the_table_is_true() -> None:
    found = TABLE.search(PAGE.read_text())
    assert found
    assert found[0] == table(), "run: python tests/profile/test_docs.py"


def test_every_setting_is_read_somewhere() -> None:
    unread = [line for line in table().splitlines() if not line.split("|")[4].strip()]
    assert unread == [], "a setting that nothing reads promises what does not happen"


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda match: table(), PAGE.read_text(), count=1))
