"""`--set key.path=value`: one value over all layers."""

import re
from collections.abc import Sequence
from typing import Any

from deployer.errors import UsageError
from deployer.values.document import scalar


def assign(text: str) -> dict[str, Any]:
    r"""`a.b=3` as the layer {"a": {"b": 3}}. A dot in a key is written `\.`; the value is YAML, so lists and maps work.

    Raises UsageError where the form is wrong.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set `{text}`: the form is key.path=value", hint="for example --set replicaCount=2")
    names = keys(key)
    if not all(names):
        raise UsageError(f"--set `{text}`: a part of the key `{key}` is empty")
    if any("[" in name for name in names):
        raise UsageError(
            f"--set `{text}`: a list is replaced whole, not by index", hint="for example --set 'args=[--verbose]'"
        )
    layer: Any = scalar(value)
    for name in reversed(names):
        layer = {name: layer}
    return dict(layer)


def keys(path: str) -> list[str]:
    r"""The keys of a dotted path; a dot in a key is written `\.`."""
    return [name.replace(r"\.", ".") for name in re.split(r"(?<!\\)\.", path)]


def shown(path: Sequence[str]) -> str:
    r"""A key path as `--set` and `--explain` take it: a dot in a key is written `\.`."""
    return ".".join(key.replace(".", r"\.") for key in path)
