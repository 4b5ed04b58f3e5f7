"""YAML text to data that remembers its lines. The only PyYAML import."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployer.errors import UsageError

Keys = tuple[str | int, ...]
"""Where a value stands in a document: ("image", "buildArgs", "GO_IMAGE")."""


@dataclass(frozen=True)
class Document:
    """One YAML file: its data, and for each key path the line it stands on."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Keys, int] = field(default_factory=dict)
    quoted: frozenset[Keys] = frozenset()  # scalars written in quotes: these stay strings

    def line(self, keys: Keys) -> int | None:
        """The line of a key path, or of its nearest ancestor in this document."""
        while keys:
            if keys in self.lines:
                return self.lines[keys]
            keys = keys[:-1]
        return None


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as Helm reads it, but a date stays the string it is in JSON."""


class _Fast(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two classes
    """The same in C, for what helm has made: it is long, and nobody asks for its lines."""


_Loader.yaml_implicit_resolvers = _Fast.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

_JSON = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}


def scalar(text: str) -> Any:
    """What YAML makes of a value given as text: `3` is a number, `[a, b]` a list, `{}` a map.

    Raises UsageError where it is no YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # _Loader is a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: `0x_` looks like a number
        raise UsageError(f"`{text}` is not a YAML value: {_problem(error)}") from None


def objects(manifest: str) -> list[dict[str, Any]]:
    """The Kubernetes objects of a rendered manifest; those of a List one by one."""
    return list(_flat(yaml.load_all(manifest, Loader=_Fast)))


def _flat(items: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for item in items:
        if isinstance(item, dict) and item.get("kind") == "List":
            yield from _flat(item.get("items") or ())
        elif isinstance(item, dict):
            yield item


def parse(path: Path, text: str) -> Document:
    """One YAML mapping with its lines. Raises UsageError that names file and line."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageError(f"{where}: not valid YAML: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {_problem(error)}") from None
    if node is None:
        return Document(path, {})
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{path}:{node.start_mark.line + 1}: a mapping is expected here, not a {_kind(node)}")
    lines: dict[Keys, int] = {}
    quoted: set[Keys] = set()
    _walk(path, node, (), lines, quoted, ())
    try:
        data = _Loader("").construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: not valid YAML: {_problem(error)}") from None
    return Document(path, data, lines, frozenset(quoted))


def _walk(
    path: Path, node: yaml.Node, keys: Keys, lines: dict[Keys, int], quoted: set[Keys], above: tuple[int, ...]
) -> None:
    if id(node) in above:
        raise UsageError(f"{path}:{node.start_mark.line + 1}: an alias refers to itself")
    if node.tag not in _JSON:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise UsageError(f"{path}:{node.start_mark.line + 1}: not valid YAML: values are what JSON knows, not `{tag}`")
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise UsageError(f"{path}:{line}: merge keys (<<) are not read; write the keys out")
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                raise UsageError(f"{path}:{line}: a key must be a string; put it in quotes")
            if key_node.value in seen:
                raise UsageError(f"{path}:{line}: key `{key_node.value}` stands here twice")
            seen.add(key_node.value)
            lines[(*keys, key_node.value)] = line
            _walk(path, value_node, (*keys, key_node.value), lines, quoted, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*keys, index)] = item.start_mark.line + 1
            _walk(path, item, (*keys, index), lines, quoted, above)
    elif isinstance(node, yaml.ScalarNode) and node.style is not None:
        quoted.add(keys)


def _kind(node: yaml.Node) -> str:
    return "list" if isinstance(node, yaml.SequenceNode) else "single value"


def _problem(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    return f"{context}: {problem}" if context else str(problem)
