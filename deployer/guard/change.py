"""How much of what is there a release may change at once."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from deployer.guard.facts import Change, Facts, Refusal
from deployer.profile.schema import Guards

SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
VERSION_LABELS = ("app.kubernetes.io/version", "helm.sh/chart")
"""What every release of another version changes, on every object."""

SHOWN = 10


def max_replicas_change(guards: Guards, facts: Facts) -> Refusal | None:
    """No workload gains or loses more than this share of its replicas."""
    assert guards.max_replicas_change is not None
    moved = facts.change.replicas if facts.change else {}
    large = {name: (now, then) for name, (now, then) in moved.items() if _share(now, then) > guards.max_replicas_change}
    if not large:
        return None
    lines = tuple(f"{name}: {now} → {then} replicas" for name, (now, then) in sorted(large.items()))
    return Refusal(
        "maxReplicasChange",
        f"{lines[0]}, a change of {_share(*large[min(large)]):.0%}; "
        f"{guards.max_replicas_change:.0%} are allowed at once",
        "scale in smaller steps",
        lines[1:SHOWN],
    )


def max_resources_change(guards: Guards, facts: Facts) -> Refusal | None:
    """No more than this share of the objects is changed or removed. New ones take nothing away."""
    assert guards.max_resources_change is not None
    found = facts.change
    if found is None or not found.objects:
        return None
    touched = len(found.changed) + len(found.removed)
    if touched / found.objects <= guards.max_resources_change:
        return None
    lines = (*(f"removed: {name}" for name in found.removed), *(f"changed: {name}" for name in found.changed))
    more = (f"… and {len(lines) - SHOWN} more",) if len(lines) > SHOWN else ()
    return Refusal(
        "maxResourcesChange",
        f"{touched} of {found.objects} objects ({touched / found.objects:.0%}) would be changed or removed; "
        f"{guards.max_resources_change:.0%} are allowed at once",
        "look at the difference (helm diff, or --dry-run), or release in smaller steps",
        lines[:SHOWN] + more,
    )


def change(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], namespace: str) -> Change:
    """What a release does: the objects that helm keeps, and those that the chart makes now. Hooks do not count.

    Image names and labels of the version do not count: every release changes them.
    """
    old, new = _named(before, namespace), _named(after, namespace)
    return Change(
        objects=len(old),
        changed=tuple(_told(key) for key in old if key in new and _plain(old[key]) != _plain(new[key])),
        removed=tuple(_told(key) for key in old if key not in new),
        replicas={
            _told(key): (now, then)
            for key, item in old.items()
            if key[1] in SCALED
            and (now := _replicas(item)) is not None
            and (then := _replicas(new[key]) if key in new else 0) is not None
        },
    )


_Key = tuple[str, str, str, str]  # API group, kind, namespace, name


def _named(items: Iterable[Mapping[str, Any]], namespace: str) -> dict[_Key, Mapping[str, Any]]:
    found: dict[_Key, Mapping[str, Any]] = {}
    for item in items:
        meta = item.get("metadata") or {}
        if "helm.sh/hook" not in (meta.get("annotations") or {}):
            group = str(item.get("apiVersion", "")).rpartition("/")[0]
            key = (group, str(item.get("kind")), meta.get("namespace") or namespace, str(meta.get("name")))
            found[key] = item
    return found


def _told(key: _Key) -> str:
    return f"{key[1].lower()}/{key[3]}"


def _plain(item: Any) -> str:
    """An object without what says which version it is, or where, in a form to compare."""

    def walk(part: Any, above: str) -> Any:
        if isinstance(part, Mapping):
            return {
                key: walk(value, str(key))
                for key, value in part.items()
                if not (above == "labels" and key in VERSION_LABELS)
                and not (above == "containers" and key == "image")
                and not (above == "metadata" and key == "namespace")  # it is in the object's name
            }
        if isinstance(part, list):
            return [walk(one, "containers" if above in ("containers", "initContainers") else above) for one in part]
        return part

    return json.dumps(walk(item, ""), sort_keys=True, default=str)


def _replicas(item: Mapping[str, Any]) -> int | None:
    """Replicas that a workload asks for; None where an autoscaler is left to."""
    count = (item.get("spec") or {}).get("replicas")
    return count if isinstance(count, int) else None


def _share(now: int, then: int) -> float:
    return abs(then - now) / now if now else 0.0
