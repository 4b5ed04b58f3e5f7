"""A stack of named layers, laid over one another as helm does, where every value knows where it comes from. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from deployer.values.document import Document, Keys
from deployer.values.interpolate import Filled, Variable
from deployer.values.merge import merge

CHART, BASE, ENVIRONMENT, FILE = "chart", "base", "environment", "value file"
SOPS, SECRET, TARGET, IMAGE, SET, DEFAULT = "sops", "secret variable", "target", "image", "--set", "default"
"""The layers' names. Weakest first: default (of a setting) or chart (of a value), then as they stand here."""


@dataclass(frozen=True)
class Layer:
    """One source of settings. `place` tells where a key path is written: `file:line`, or a variable's name."""

    name: str
    data: Mapping[str, Any] = field(repr=False)
    place: Callable[[Keys], str] = field(repr=False)
    secret: bool = False  # nothing of it is ever shown
    variables: Mapping[Keys, tuple[Variable, ...]] = field(default_factory=dict)  # what its values were filled from

    def under(self, *keys: str) -> "Layer":
        """The same layer, one or more sections deeper."""
        depth, data = len(keys), self.data
        for key in reversed(keys):
            data = {key: data}
        variables = {(*keys, *path): names for path, names in self.variables.items()}
        return replace(self, data=data, place=lambda path: self.place(path[depth:]), variables=variables)

    def section(self, *keys: str) -> "Layer":
        """One section as a layer of its own; empty where the layer has none."""
        data: Any = self.data
        for key in keys:
            data = data.get(key) if isinstance(data, Mapping) else None
        found = data if isinstance(data, Mapping) else {}
        depth = len(keys)
        variables = {path[depth:]: names for path, names in self.variables.items() if path[:depth] == keys}
        return replace(self, data=found, place=lambda path: self.place((*keys, *path)), variables=variables)


@dataclass(frozen=True)
class Origin:
    """A value as one layer has it."""

    layer: str
    place: str
    value: Any = field(repr=False)
    secret: bool = False
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class Leaf:
    """An effective value: a scalar, a list (lists are replaced whole), a null, or a map with nothing in it."""

    keys: tuple[str, ...]
    origin: Origin
    overrode: tuple[Origin, ...] = ()  # what weaker layers say there, the strongest first

    @property
    def value(self) -> Any:
        """The value that counts."""
        return self.origin.value


def document(name: str, source: Document, filled: Filled) -> Layer:
    """A YAML file as a layer, with its references filled in."""

    def place(keys: Keys) -> str:
        line = source.line(keys)
        return f"{source.path}:{line}" if line else str(source.path)

    return Layer(name, filled.data, place, variables=filled.variables)


def everywhere(name: str, data: Mapping[str, Any], place: str) -> Layer:
    """A layer that has one place for all it says: a variable, an option."""
    return Layer(name, data, lambda keys: place)


def hidden(name: str, data: Mapping[str, Any], place: str) -> Layer:
    """The same for a secret."""
    return replace(everywhere(name, data, place), secret=True)


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """The layers' data, weakest first, as helm merges `-f a -f b`. A null stays: it deletes the chart's default."""
    data: Sequence[Mapping[str, Any]] = [layer.data for layer in layers]
    return reduce(merge, data, {})


def leaves(layers: Sequence[Layer], beneath: Sequence[Layer] = ()) -> tuple[Leaf, ...]:
    """Every effective value of the layers, weakest first, with where it comes from; in the merged data's order.

    `beneath` are defaults, under the layers as one: a default that one layer takes away with a null is back where a
    stronger one says something else there. That is how helm treats a chart's defaults.
    """
    above = merged(layers)
    everything = merge(merged(beneath), above)
    return tuple(leaf([*beneath, *layers] if has(above, keys) else beneath, keys) for keys in paths(everything))


def paths(data: Mapping[str, Any], keys: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The key path of every leaf."""
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from paths(value, (*keys, key))
        else:
            yield (*keys, key)


def owner(layers: Sequence[Layer], keys: Keys) -> Layer:
    """The layer whose word counts at a key path: the strongest that has it, or else its nearest ancestor."""
    while keys:
        for layer in reversed(layers):
            if has(layer.data, keys):
                return layer
        keys = keys[:-1]
    return layers[-1]


def counts(layers: Sequence[Layer], index: int, keys: Keys) -> bool:
    """Whether what a layer says at a key path is effective: no stronger layer says anything there."""
    until = next((depth for depth, key in enumerate(keys) if isinstance(key, int)), len(keys))
    path = tuple(str(key) for key in keys[:until])  # a list is replaced whole
    return not any(list(_said(layer, path)) for layer in layers[index + 1 :])


def has(data: Any, keys: Keys) -> bool:
    """Whether data has a value at a key path, a null too."""
    for key in keys:
        there = key in data if isinstance(data, Mapping) else isinstance(data, list) and key in range(len(data))
        if not there:
            return False
        data = data[key]
    return True


def leaf(layers: Sequence[Layer], keys: tuple[str, ...]) -> Leaf:
    """What counts at a key path that some layer has, and what it hides."""
    said = [origin for layer in reversed(layers) for origin in _said(layer, keys)]
    return Leaf(keys, said[0], tuple(said[1:]))


def _said(layer: Layer, keys: tuple[str, ...]) -> Iterator[Origin]:
    """What a layer has at a key path, or above it where that is no map."""
    value: Any = layer.data
    for depth, key in enumerate(keys, start=1):
        if key not in value:
            return
        value = value[key]
        if depth == len(keys) or not isinstance(value, Mapping):
            here = keys[:depth]
            names = tuple(name for path, all_ in layer.variables.items() if path[:depth] == here for name in all_)
            yield Origin(layer.name, layer.place(here), value, layer.secret, names)
            return
