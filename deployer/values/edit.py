"""A YAML file that people own, changed without losing a comment. The only ruamel.yaml import."""

import difflib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from deployer.errors import UsageError
from deployer.values.document import Keys, parse, scalar

WIDTH = 4096  # a long line stays one line


def edited(path: str, text: str, changes: dict[Keys, Any]) -> str:
    """The text with a value at each key path; sections that are missing are added at the end of the one above.

    Raises UsageError where the text is no YAML, or a section is no map.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        data = yaml.load(text)
    except YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        return text + _written(yaml, _laid(path, CommentedMap(), changes))
    before = _written(yaml, data)
    return _patched(text, before, _written(yaml, _laid(path, data, changes)))


def _laid(path: str, data: Any, changes: dict[Keys, Any]) -> Any:
    for keys, value in changes.items():
        section = data
        for key in keys[:-1]:
            if isinstance(section, CommentedMap) and section.get(key) is None:
                section[key] = CommentedMap()
            section = section[key] if isinstance(section, CommentedMap) else None
        if not isinstance(section, CommentedMap):
            raise UsageError(f"{path}: {'.'.join(map(str, keys[:-1]))} is no map")
        section[keys[-1]] = value
    return data


def _written(yaml: YAML, data: Any) -> str:
    written = io.StringIO()
    yaml.dump(data, written)
    return written.getvalue()


def _patched(text: str, before: str, after: str) -> str:
    """What differs between two writings, done to the text: its own spacing stays wherever nothing changed."""
    lines, old, new = (one.splitlines(keepends=True) for one in (text, before, after))
    if len(lines) != len(old):
        return after
    patched: list[str] = []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        patched += lines[start:end] if kind == "equal" else new[first:last]
    return "".join(patched)


def rewritten(path: str, text: str, values: Mapping[str, Any], head: str) -> str:
    """A file of values that is ours, made to hold exactly these.

    Comments of people, the order of keys and the writing of what did not change stay; a comment inside a value that is
    gone goes with it. `head` are the first lines of a file that is new. What cannot be altered in place (no YAML, or
    with anchors) is written anew, below its comments.
    """
    if text.strip():
        changed = _altered(path, text, values)
        if changed is not None and _same(_data(path, changed), values):
            return changed
        head = "".join(f"{line.strip()}\n" for line in text.splitlines() if line.lstrip().startswith("#"))
    return head + "".join(_entries(values, 0))


def _data(path: str, text: str) -> Mapping[str, Any] | None:
    try:
        return parse(Path(path), text).data
    except UsageError:
        return None


def _altered(path: str, text: str, values: Mapping[str, Any]) -> str | None:
    """The text with what differs replaced; None where that cannot be done in place."""
    data = _data(path, text)
    if not data or not values:
        return None
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return None
    text = text if text.endswith("\n") else f"{text}\n"
    edits = _Edits(text.splitlines(keepends=True))
    try:
        edits.map(node, data, values)
    except _Unalterable:
        return None
    return edits.text()


class _Unalterable(Exception):
    """It is written in a way that is replaced as a whole."""


class _Edits:
    """Lines to be replaced, found by walking what is there beside what is wanted."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._edits: list[tuple[int, int, list[str]]] = []  # from line, to line (not with it), by these

    def text(self) -> str:
        """The lines, edited. Where two edits are at one place, the one that was found first comes first."""
        done, at = [], 0
        for start, end, new in sorted(self._edits, key=lambda one: one[:2]):
            done += [*self._lines[at:start], *new]
            at = end
        return "".join([*done, *self._lines[at:]])

    def map(self, node: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """A mapping, key by key."""
        if not _block(node, "mapping"):
            raise _Unalterable
        column = node.start_mark.column
        for key, value in node.value:
            first, last = key.start_mark.line, self._end(value, column)
            before = self._lines[first][:column]
            name = key.value
            if key.start_mark.column != column or value.anchor:
                raise _Unalterable
            if name not in new:
                if before.strip():  # the dash of a list's item stands before it
                    raise _Unalterable
                self._edits.append((first, last, []))
            elif not _same(old[name], new[name]) and not self._inside(value, old[name], new[name]):
                lines = _entry(name, new[name], column)
                lines[0] = before + lines[0][column:]
                self._replace(first, last, lines, self._comment(key, value))
        added = {name: value for name, value in new.items() if name not in old}
        end = self._end(node, column)
        self._edits.append((end, end, list(_entries(added, column))))

    def _list(self, node: Any, old: Sequence[Any], new: Sequence[Any]) -> None:
        """A list, item by item; those that are the same stay, with what is said about them."""
        column = node.start_mark.column
        starts = [item.start_mark.line for item in node.value]
        ends = [self._end(item, column) for item in node.value]
        dashes = [self._lines[line][: column + 1] for line in starts]
        if any(item.anchor for item in node.value) or set(dashes) != {" " * column + "-"}:
            raise _Unalterable
        there, wished = ([_canonical(one) for one in items] for items in (old, new))
        for _, a, b, c, d in difflib.SequenceMatcher(None, there, wished, autojunk=False).get_opcodes():
            for index, wanted in zip(range(a, b), range(c, d), strict=False):
                if not _same(old[index], new[wanted]) and not self._inside(node.value[index], old[index], new[wanted]):
                    self._replace(starts[index], ends[index], _item(new[wanted], column), "")
            for index in range(a + (d - c), b):
                self._edits.append((starts[index], ends[index], []))
            more = [line for one in new[c + (b - a) : d] for line in _item(one, column)]
            at = ends[b - 1] if b else starts[0]
            self._edits.append((at, at, more))

    def _inside(self, node: Any, old: Any, new: Any) -> bool:
        """Alter what is inside a value, where it and what it becomes are alike; False where it is to be replaced."""
        before = list(self._edits)
        try:
            if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new and _block(node, "mapping"):
                self.map(node, old, new)
            elif isinstance(old, list) and isinstance(new, list) and old and new and _block(node, "sequence"):
                self._list(node, old, new)
            else:
                return False
        except _Unalterable:
            self._edits = before
            return False
        return True

    def _replace(self, first: int, last: int, lines: list[str], comment: str) -> None:
        if comment:
            lines[0] = f"{lines[0].rstrip()} {comment}\n"
        self._edits.append((first, last, lines))

    def _comment(self, key: Any, value: Any) -> str:
        """What is said behind a value, or behind the key of a longer one."""
        if value.id == "scalar" and value.style in ("|", ">"):
            rest = self._lines[value.start_mark.line][value.start_mark.column :]
        elif value.id == "scalar" or value.flow_style:
            rest = self._lines[value.end_mark.line][value.end_mark.column :]
        else:
            rest = self._lines[key.end_mark.line][key.end_mark.column :]
        found = re.match(r"(?:\s*:|[|>][-+\d]*)?\s*(#.*)", rest)
        return found[1].rstrip() if found else ""

    def _end(self, node: Any, column: int) -> int:
        """The line after a value, whose key or dash stands in this column."""
        if node.id == "scalar" and node.style in ("|", ">"):
            end = int(node.start_mark.line) + 1
            for number, line in enumerate(self._lines[end:], end + 1):
                if line.strip() and len(line) - len(line.lstrip(" ")) <= column:
                    break
                end = number if line.strip() else end
            return end
        if node.id == "scalar" or node.flow_style:
            return int(node.end_mark.line) + 1
        last = node.value[-1][1] if node.id == "mapping" else node.value[-1]
        return self._end(last, node.start_mark.column)


def _block(node: Any, kind: str) -> bool:
    return node.id == kind and not node.flow_style and bool(node.value)


def _entries(values: Mapping[str, Any], column: int) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(key, value, column)


def _entry(key: str, value: Any, column: int) -> list[str]:
    name = f"{' ' * column}{_scalar(key)}:"
    if isinstance(value, Mapping) and value:
        return [f"{name}\n", *_entries(value, column + 2)]
    if isinstance(value, list | tuple) and value:
        return [f"{name}\n", *(line for one in value for line in _item(one, column + 2))]
    return _long(name, value, column) or [f"{name} {_scalar(value)}\n"]


def _item(value: Any, column: int) -> list[str]:
    dash = f"{' ' * column}-"
    inner: list[str] = []
    if isinstance(value, Mapping) and value:
        inner = list(_entries(value, column + 2))
    elif isinstance(value, list | tuple) and value:
        inner = [line for one in value for line in _item(one, column + 2)]
    if inner:
        return [f"{dash} {inner[0].lstrip(' ')}", *inner[1:]]
    return _long(dash, value, column) or [f"{dash} {_scalar(value)}\n"]


def _long(before: str, value: Any, column: int) -> list[str]:
    """A text of some lines, as people write it; nothing where it is none, or has what such a text cannot show."""
    if not isinstance(value, str) or "\n" not in value or value.endswith("\n\n") or value[0].isspace():
        return []
    lines = value.removesuffix("\n").split("\n")
    if not all(line.isprintable() and line == line.rstrip() for line in lines):
        return []
    keep = "|" if value.endswith("\n") else "|-"
    indent = " " * (column + 2)
    return [f"{before} {keep}\n", *(f"{indent}{line}\n" if line else "\n" for line in lines)]


def _scalar(value: Any) -> str:
    """A scalar that YAML 1.1 and 1.2 read alike, or an empty collection."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*", value)
        if plain and value.lower() not in _WORDS and not re.match(r"[\d.+_-]+([eExXoO:].*)?$", value):
            with_yaml = scalar(value)
            if isinstance(with_yaml, str) and with_yaml == value:
                return value
        return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", _escaped, json.dumps(value, ensure_ascii=False))
    if isinstance(value, float):
        text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
        return text if "." in text else text.replace("e", ".0e")
    return "{}" if isinstance(value, Mapping) else json.dumps(value)


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "none"}


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=list)


def _same(one: Any, other: Any) -> bool:
    return _canonical(one) == _canonical(other)
