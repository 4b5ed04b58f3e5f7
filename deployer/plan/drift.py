"""Where a cluster has left its release: the live objects against the manifest, field by field. Pure.

Compared is what the manifest sets: what the API server adds as a default is no drift. Beyond that, what people add by
hand is: a key in the data of a ConfigMap, a variable, a container. Left out is what the cluster itself owns.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from deployer.mask import MASK

Object = Mapping[str, Any]
Pair = tuple[Object, Object | None]
"""An object as the manifest has it and as the cluster has it; None: the cluster does not have it."""

WIDTH = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Drift:
    """One field that is not as the release says."""

    object: str  # "deployment/web"
    field: str  # "spec.template.spec.containers[web].image"; empty: the object itself
    wanted: str | None  # None: the release does not have it, somebody added it
    found: str | None  # None: it is gone

    @property
    def added(self) -> bool:
        """Somebody's own, beside the release: helm leaves it alone."""
        return self.wanted is None


_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""What an element of a list is told by: the merge keys of the API (`patchMergeKey` in k8s.io/api)."""

_OWNED = frozenset(
    {"data", "binaryData", "selector", "matchLabels", "nodeSelector", "limits", "requests"}
    | {"containers", "initContainers", "env", "envFrom", "volumes", "volumeMounts", "command", "args", "ports"}
)
"""Maps and lists that the API server adds nothing to: more in there was added by somebody."""

_UNLESS_SET: Mapping[str, tuple[str, ...]] = {
    "container": ("env", "envFrom", "command", "args", "volumeMounts", "resources"),
    "pod": ("initContainers", "volumes", "nodeSelector"),
    "resources": ("limits", "requests"),
}
"""Fields without a default: where the manifest has none, there should be none."""

_TEXTS = frozenset({"data", "labels", "annotations", "value"})
"""Where an empty text is a value. Elsewhere the API server puts its default in place of it."""

_ASSIGNED = frozenset({"nodePort", "healthCheckNodePort", "clusterIP", "clusterIPs", "ipFamilies", "volumeName"})
"""Chosen by the cluster where the manifest leaves them empty."""

_INJECTED = frozenset({"caBundle"})
"""Written by a certificate controller, whatever the manifest says."""

_QUANTITIES = frozenset({"limits", "requests", "sizeLimit", "divisor", "averageValue", "hard", "capacity"})

_DATA = ("data", "binaryData")

_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


def drift(pairs: Iterable[Pair]) -> tuple[Drift, ...]:
    """Every difference, in the manifest's order."""
    known = tuple(pairs)
    scaled = {_target(wanted) for wanted, _ in known if wanted.get("kind") == "HorizontalPodAutoscaler"}
    return tuple(one for wanted, live in known for one in _object(wanted, live, scaled))


def name(item: Object) -> str:
    """`deployment/web`, as kubectl says it."""
    return f"{str(item.get('kind', '')).lower()}/{(item.get('metadata') or {}).get('name', '')}"


def _object(wanted: Object, live: Object | None, scaled: set[tuple[str, str]]) -> Iterator[Drift]:
    if live is None:
        yield Drift(name(wanted), "", "present", None)
        return
    skipped: set[tuple[str, ...]] = set()
    if (wanted["kind"], wanted["metadata"]["name"]) in scaled or _autoscaled(live):
        skipped.add(("spec", "replicas"))
    if wanted.get("aggregationRule"):
        skipped.add(("rules",))  # the controller fills them in
    if str(wanted["kind"]).endswith("WebhookConfiguration"):
        skipped.add(("webhooks", "failurePolicy"))  # a mesh closes it once it answers
    secret = wanted["kind"] == "Secret"
    token = secret and live.get("type") == "kubernetes.io/service-account-token"
    open_ended = token or wanted["kind"] == "Pod"  # admission adds tolerations, a token's volume, requests
    compare = _Comparison(name(wanted), frozenset(skipped), secret, open_ended)
    wanted, live = _plain(wanted), _plain(live)
    for part in ("labels", "annotations"):
        yield from compare.maps(
            ("metadata", part), wanted["metadata"].get(part) or {}, live["metadata"].get(part) or {}
        )
    # A ConfigMap or Secret that the chart leaves empty is there for somebody else to fill.
    filled = wanted["kind"] in ("ConfigMap", "Secret") and any(wanted.get(key) for key in _DATA)
    for key in dict.fromkeys((*wanted, *(_DATA if filled else ()))):
        if key not in ("apiVersion", "kind", "metadata", "status") and (filled or key not in _DATA):
            yield from compare.values((key,), wanted.get(key, {}), live.get(key))


def _plain(item: Object) -> Object:
    """A Secret's stringData in the form in which the API server keeps it."""
    if item.get("kind") != "Secret" or not item.get("stringData"):
        return item
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in item["stringData"].items()}
    rest = {key: value for key, value in item.items() if key != "stringData"}
    return {**rest, "data": {**(item.get("data") or {}), **encoded}}


def _target(autoscaler: Object) -> tuple[str, str]:
    reference = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    return str(reference.get("kind", "")), str(reference.get("name", ""))


def _autoscaled(live: Object) -> bool:
    """Whether an autoscaler that is not in the manifest set the replicas: the API keeps who wrote which field."""
    return live.get("kind") in _SCALED and any(
        entry.get("manager") == "kube-controller-manager"
        and entry.get("subresource") == "scale"
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in live["metadata"].get("managedFields") or ()
    )


@dataclass(frozen=True)
class _Comparison:
    """One object. A path is the names on the way; an element of a list is a name like `[web]`."""

    object: str
    skipped: frozenset[tuple[str, ...]]
    secret: bool
    open_ended: bool  # the cluster itself adds to it

    def values(self, path: tuple[str, ...], wanted: Any, live: Any) -> Iterator[Drift]:
        fields = tuple(part for part in path if not part.startswith("["))
        if wanted is None or fields in self.skipped or path[-1] in _INJECTED:
            return
        if live is None:
            if wanted not in ("", [], {}, 0, False):  # the API server drops what is empty
                yield self.drift(path, wanted, None)
        elif wanted in ([], {}) or (wanted == "" and not _TEXTS.intersection(path)):
            if path[-1] in _OWNED and not self.open_ended:
                yield from self.added(path, live)
        elif isinstance(wanted, Mapping) and isinstance(live, Mapping):
            yield from self.maps(path, wanted, live)
        elif isinstance(wanted, list) and isinstance(live, list):
            yield from self.lists(path, wanted, live)
        elif not wanted and path[-1] in _ASSIGNED:
            return
        elif not _same(wanted, live, quantity=bool(_QUANTITIES.intersection(path))):
            yield self.drift(path, wanted, live)

    def maps(self, path: tuple[str, ...], wanted: Object, live: Object) -> Iterator[Drift]:
        for key, value in wanted.items():
            yield from self.values((*path, key), value, live.get(key))
        if path[-1] in _OWNED and not self.open_ended and not _nested(path, wanted):
            yield from (self.drift((*path, key), None, live[key]) for key in live if key not in wanted)
        for key in () if self.open_ended else _UNLESS_SET.get(_part(path), ()):
            if key not in wanted and live.get(key):
                yield from self.added((*path, key), live[key])

    def lists(self, path: tuple[str, ...], wanted: list[Any], live: list[Any]) -> Iterator[Drift]:
        key = _key(path[-1], wanted, live)
        if key:
            left, right = ({_named(key, one): one for one in items} for items in (wanted, live))
            for label, one in left.items():
                if label in right:
                    yield from self.values((*path, f"[{label}]"), one, right[label])
                else:
                    yield self.drift((*path, f"[{label}]"), one, None)
            if path[-1] in _OWNED and not self.open_ended:
                yield from (
                    self.drift((*path, f"[{label}]"), None, one) for label, one in right.items() if label not in left
                )
        elif self.open_ended and self._in_any_order(path, wanted, live):
            return
        elif len(wanted) != len(live) or not all(isinstance(one, Mapping) for one in (*wanted, *live)):
            if wanted != live:
                yield self.drift(path, wanted, live)
        elif not self._in_any_order(path, wanted, live):
            for index, (one, other) in enumerate(zip(wanted, live, strict=True)):
                yield from self.values((*path, f"[{index}]"), one, other)

    def _in_any_order(self, path: tuple[str, ...], wanted: list[Any], live: list[Any]) -> bool:
        """Whether each element has its like; the API server may keep another order."""
        left = list(live)
        for one in wanted:
            like = next((other for other in left if not any(self.values((*path, "[]"), one, other))), None)
            if like is None:
                return False
            left.remove(like)
        return True

    def added(self, path: tuple[str, ...], live: Any) -> Iterator[Drift]:
        """What stands in a field that the manifest leaves empty."""
        if isinstance(live, Mapping):
            yield from (self.drift((*path, key), None, value) for key, value in live.items())
        elif key := _key(path[-1], [], live):
            yield from (self.drift((*path, f"[{_named(key, one)}]"), None, one) for one in live)
        else:
            yield self.drift(path, None, live)

    def drift(self, path: tuple[str, ...], wanted: Any, live: Any) -> Drift:
        if self.secret and path[0] in ("data", "stringData"):
            shown = None if wanted is None else MASK
            return Drift(self.object, _field(path), shown, None if live is None else "differs" if shown else MASK)
        left, right = _shown(wanted), _shown(live)
        if isinstance(wanted, str) and isinstance(live, str) and "\n" in wanted + live:
            left, right = _line(wanted, live)
        elif left == right:  # only beyond what is shown
            right = f"{right} (differs)"
        return Drift(self.object, _field(path), left, right)


def _part(path: tuple[str, ...]) -> str:
    """Which part of a pod template stands at a path."""
    if path[-2:] == ("template", "spec"):
        return "pod"
    inside = path[-1].startswith("[") and path[-2] in ("containers", "initContainers")
    return "container" if inside else path[-1]


def _nested(path: tuple[str, ...], wanted: Object) -> bool:
    """A selector of labels is a map of its own inside; `matchLabels` is what is owned then."""
    return path[-1] == "selector" and ("matchLabels" in wanted or "matchExpressions" in wanted)


def _key(field: str, wanted: Sequence[Any], live: Sequence[Any]) -> tuple[str, ...]:
    """What the elements of both lists are told by; nothing where that is not unique."""
    both = (*wanted, *live)
    if not both or not all(isinstance(one, Mapping) for one in both):
        return ()
    tried = [_KEYS[field]] if field in _KEYS else [("name",)]
    if field == "ports":
        tried = [("name",), ("containerPort", "protocol"), ("port", "protocol")]
    for key in tried:
        whole = all(one.get(part) is not None for one in both for part in key if part != "protocol")
        if whole and all(len({_named(key, one) for one in items}) == len(items) for items in (wanted, live)):
            return key
    return ()


def _named(key: tuple[str, ...], one: Object) -> str:
    return "/".join(str(one.get(part, "TCP")) for part in key)


def _same(wanted: Any, live: Any, *, quantity: bool) -> bool:
    if isinstance(wanted, bool) or isinstance(live, bool):
        return wanted is live
    if wanted == live:
        return True
    if not quantity:
        return False
    left, right = _amount(wanted), _amount(live)
    return left is not None and left == right


_SUFFIXES = {
    **{"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}


def _amount(value: Any) -> Decimal | None:
    """A quantity as a number: `0.5Gi`, `500m`, `1e3`; None where it is none."""
    text = str(value)
    digits = text.rstrip("nukmMGTPEKi")
    try:
        return Decimal(digits) * _SUFFIXES[text[len(digits) :]]
    except (InvalidOperation, KeyError):
        return None


def _field(path: tuple[str, ...]) -> str:
    text = ""
    for part in path:
        if part.startswith("["):
            text += part
        elif any(character in part for character in './[" '):
            text += f"[{json.dumps(part)}]"
        else:
            text += f".{part}" if text else part
    return text


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text.replace("\n", "⏎")
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _line(wanted: str, live: str) -> tuple[str, str]:
    """The first line in which two texts differ."""
    left, right = wanted.split("\n"), live.split("\n")
    at = next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(left), len(right)) if at is None else at
    return _at(left, at), _at(right, at)


def _at(lines: list[str], index: int) -> str:
    return f"line {index + 1}: {_shown(lines[index])}" if index < len(lines) else f"no line {index + 1}"
