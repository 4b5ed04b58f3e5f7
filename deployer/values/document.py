"""YAML text to data that remembers its lines. The only PyYAML import."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

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


_BOOLS = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


class _Loader(yaml.SafeLoader):
    """YAML as helm reads it, which is go-yaml's mixture of 1.1 and 1.2; a date stays the string it is in JSON."""

    bool_values: ClassVar = _BOOLS


class _Fast(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two classes
    """The same in C, for what helm has made: it is long, and nobody asks for its lines."""

    bool_values: ClassVar = _BOOLS

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """A key is a string, as in JSON: `y:` is "true" to helm."""
        found = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else json.dumps(key): value for key, value in found.items()}


_INT = re.compile(
    r"[-+]?_*(?:0_*(?:[bB]_*[01][01_]*|[oO]_*[0-7][0-7_]*|[xX]_*[\da-fA-F][\da-fA-F_]*|[0-7_]*)|[1-9][\d_]*)$", re.ASCII
)
_FLOAT = re.compile(
    r"[-+]?_*(?:\._*\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE]_*[-+]?_*\d[\d_]*)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
    re.ASCII,
)


def _is_float(text: str) -> bool:
    """What is too large for one is no number to go-yaml."""
    return bool(_FLOAT.match(text)) and ("n" in text.lower() or math.isfinite(float(text.replace("_", ""))))


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    plain = loader.construct_scalar(node).replace("_", "")
    return int(plain, 8 if re.match(r"[-+]?0\d", plain) else 0)


_PLAIN = {
    "bool": ("yYnNtTfFoO", re.compile("|".join(f"{word}$|{word.title()}$|{word.upper()}$" for word in _BOOLS))),
    "int": ("-+0123456789", _INT),
    "float": ("-+.0123456789", SimpleNamespace(match=_is_float)),
}
"""What a scalar without quotes is by its looks: its first characters, and the whole. No number has a base of 60."""

for _either in (_Loader, _Fast):
    _either.yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0].rpartition(":")[2] in ("null", "merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for _name, (_first, _pattern) in _PLAIN.items():
        _either.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, list(_first))
    _either.add_constructor("tag:yaml.org,2002:int", _int)

_JSON = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}


def scalar(text: str) -> Any:
    """What YAML makes of a value given as text: `3` is a number, `[a, b]` a list, `{}` a map.

    Raises UsageError where it is no YAML, or something that JSON does not know.
    """
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # _Loader is a SafeLoader
        json.dumps(value)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise UsageError(f"`{text}` is not a YAML value: {_problem(error)}") from None
    return value


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
            if key_node.value in ("y", "Y", "n", "N"):  # a letter: the files of people have it as a name
                key_node.tag = "tag:yaml.org,2002:str"
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
