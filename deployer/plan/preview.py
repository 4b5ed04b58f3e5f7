"""What a release would change: values, objects field by field, and the pods that roll for it. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deployer.mask import MASK
from deployer.model import Values
from deployer.values.compare import ABSENT, changes, dotted

Object = Mapping[str, Any]

WIDTH = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Origin:
    """Where a value comes from."""

    layer: str = ""  # empty: from nowhere any more
    place: str = ""  # "environments/dev.yaml:12"
    secret: bool = False


@dataclass(frozen=True)
class ValueChange:
    """A value that differs from the released one. A secret is `***` on both sides."""

    path: str
    old: str | None  # None: there was none
    new: str | None  # None: there is none any more
    layer: str = ""
    place: str = ""


@dataclass(frozen=True)
class FieldChange:
    """A field of an object that would change. What may tell a secret is `***` on both sides."""

    field: str  # "spec.template.spec.containers[web].image"
    old: str | None
    new: str | None
    drift: bool = False  # the release did not change it, the cluster did: it is put right


@dataclass(frozen=True)
class ObjectChange:
    """An object that would be made, changed or deleted."""

    object: str  # "deployment/web"
    action: Literal["create", "change", "delete"]
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class Roll:
    """A workload whose pods are made anew, and why."""

    workload: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class Foreseen:
    """One object of the new manifest. `made`: what it would become, None where the API server does not say."""

    wanted: Object
    before: Object | None  # as the released manifest has it
    live: Object | None
    made: Object | None
    problem: str = ""


@dataclass(frozen=True)
class Preview:
    """Everything that a release would change."""

    values: tuple[ValueChange, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    rolls: tuple[Roll, ...] = ()
    problems: tuple[str, ...] = ()  # what the API server would not take, or would not tell


def values_changed(
    released: Values, wanted: Values, origin: Callable[[tuple[str, ...]], Origin], hidden: Callable[[str], bool]
) -> tuple[ValueChange, ...]:
    """The values that differ; `hidden` says of a path whether the released value was a secret."""
    found = []
    for one in changes(released, wanted):
        path, source = dotted(one.keys), Origin() if one.new is ABSENT else origin(one.keys)
        show = _secret if source.secret or hidden(path) else _shown
        found.append(ValueChange(path, show(one.old), show(one.new), source.layer, source.place))
    return tuple(found)


def preview(foreseen: Sequence[Foreseen], before: Sequence[Object], values: tuple[ValueChange, ...]) -> Preview:
    """The whole picture. `before`: the objects of the released manifest."""
    objects = [change for one in foreseen if (change := _object(one))]
    kept = {name(one.wanted) for one in foreseen}
    gone = [
        ObjectChange(name(one), "delete")
        for one in before
        if name(one) not in kept and _annotations(one).get("helm.sh/resource-policy") != "keep"
    ]
    rolls = [roll for one in foreseen if (roll := _roll(one, objects))]
    problems = tuple(f"{name(one.wanted)}: {one.problem}" for one in foreseen if one.problem)
    return Preview(values, (*objects, *gone), tuple(rolls), problems)


def name(item: Object) -> str:
    """`deployment/web`, as kubectl says it."""
    return f"{str(item.get('kind', '')).lower()}/{(item.get('metadata') or {}).get('name', '')}"


def _object(one: Foreseen) -> ObjectChange | None:
    if one.live is None and not (one.problem and one.made is None and one.before):
        return ObjectChange(name(one.wanted), "create")
    fields = _fields(one)
    return ObjectChange(name(one.wanted), "change", fields) if fields else None


def _fields(one: Foreseen) -> tuple[FieldChange, ...]:
    """Live against foreseen; where the API server tells nothing, manifest against manifest."""
    wanted, before = dict(_leaves(one.wanted)), dict(_leaves(one.before or {}))
    live = dict(_leaves(one.live or {}))
    if one.made is not None:
        old, new = live, dict(_leaves(one.made))
        if not _applied(
            one.live or {}
        ):  # helm 3 patches away what left the manifest, and a dry run knows nothing of it
            new = {path: value for path, value in new.items() if path in wanted or path not in before}
    else:
        old, new = before, wanted
    secret = one.wanted.get("kind") == "Secret"
    found = []
    for path in dict.fromkeys((*new, *old)):
        if old.get(path, ABSENT) == new.get(path, ABSENT) and (path in old) == (path in new):
            continue
        drift = path in before and path in wanted and before[path] == wanted[path]
        hide = (secret and path.partition(".")[0].partition("[")[0] in ("data", "stringData")) or "checksum" in path
        show = _secret if hide else _shown
        found.append(FieldChange(path, show(old.get(path, ABSENT)), show(new.get(path, ABSENT)), drift))
    return tuple(found)


def _roll(one: Foreseen, objects: Sequence[ObjectChange]) -> Roll | None:
    """Pods are made anew where their template changes."""
    change = next((change for change in objects if change.object == name(one.wanted)), None)
    if change is None or change.action != "change" or "template" not in (one.wanted.get("spec") or {}):
        return None
    why = [_why(field.field, one.wanted, objects) for field in change.fields if field.field.startswith(TEMPLATE)]
    return Roll(change.object, tuple(dict.fromkeys(why))) if why else None


TEMPLATE = "spec.template."


def _why(field: str, workload: Object, objects: Sequence[ObjectChange]) -> str:
    """A field in short, or the object that a checksum stands for."""
    short = field.removeprefix(TEMPLATE).removeprefix("spec.")
    if "checksum" not in field:
        return short
    changed = [one for one in objects if one.object.partition("/")[0] in ("configmap", "secret")]
    kinds = [kind for kind in ("config", "secret") if kind in field.rpartition("checksum")[2].lower()]
    of_kind = [one for one in changed if not kinds or one.object.startswith(kinds[0])]
    words = set(_words(workload["spec"]["template"]))
    used = [one.object for one in of_kind if one.object.partition("/")[2] in words]
    named = used or [one.object for one in of_kind]
    return f"{', '.join(named)} changed" if named else short


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, str):
        yield value


_SERVERS = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "namespace"}
)
"""Metadata that the API server writes."""

_RECORDS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
"""Annotations that tools and controllers keep for themselves."""

_KEYS = ("name", "mountPath", "devicePath", "containerPort", "port", "ip", "topologyKey", "key", "host")
"""What an element of a list is told by, where that is unique in it; else by its place."""


def _leaves(item: Object) -> Iterator[tuple[str, Any]]:
    """Every scalar, list of scalars and empty map by its path, without what is the server's own."""
    for part, value in item.items():
        if part == "metadata":
            kept = {key: inner for key, inner in value.items() if key not in _SERVERS}
            notes = kept.get("annotations") or {}
            kept["annotations"] = {key: note for key, note in notes.items() if key not in _RECORDS}
            kept["labels"] = kept.get("labels") or {}
            yield from _below(part, {key: inner for key, inner in kept.items() if inner != {}})
        elif part not in ("status", "apiVersion", "kind"):
            yield from _below(part, value)


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            plain = key.replace("_", "").replace("-", "").isalnum()
            yield from _below(f"{path}.{key}" if plain else f"{path}[{key}]", inner)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        key, labels = _labels(value)
        for label, inner in zip(labels, value, strict=True):
            rest = {name: part for name, part in inner.items() if name != key}
            yield from _below(f"{path}[{label}]", rest or inner)
    elif value is not None:
        yield path, value


def _labels(items: Sequence[Object]) -> tuple[str, Sequence[str]]:
    """What tells the elements apart, and what it says of each."""
    for key in _KEYS:
        found = [str(one[key]) for one in items if one.get(key) is not None]
        if len(found) == len(items) == len(set(found)):
            return key, found
    return "", [str(number) for number in range(len(items))]


def _applied(live: Object) -> bool:
    """Whether helm has applied it on the server, which then knows what helm has dropped."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return any(entry.get("manager") == "helm" and entry.get("operation") == "Apply" for entry in entries)


def _annotations(item: Object) -> Mapping[str, Any]:
    return (item.get("metadata") or {}).get("annotations") or {}


def _secret(value: Any) -> str | None:
    return None if value is ABSENT else MASK


def _shown(value: Any) -> str | None:
    if value is ABSENT:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text.replace("\n", "⏎")
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
