"""The objects of a manifest as the cluster has them, of whatever kind: discovery says where a kind lives."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from deployer.cluster.api import Cluster
from deployer.cluster.errors import ClusterError, Forbidden, NotFound, Unreachable
from deployer.cluster.kinds import Json

Kinds = Mapping[str, tuple[str, bool]]
"""Kinds of one API version: the name of the resource, and whether it lives in namespaces."""

Answer = TypeVar("Answer")

AT_ONCE = 8

HELM = "helm"
"""What helm calls itself where it applies."""


@dataclass(frozen=True)
class Live:
    """What was found. A manifest's object is in `pairs`, or told in `unreadable`."""

    pairs: tuple[tuple[Json, Json | None], ...]  # as the manifest has it, as the cluster has it; None: it is not there
    unreadable: tuple[str, ...] = ()  # "ingress/web: ingresses.networking.k8s.io is forbidden …"


@dataclass(frozen=True)
class Foreseen:
    """An object of a manifest, before helm applies it."""

    wanted: Json
    live: Json | None  # None: the cluster does not have it
    made: Json | None  # what it would become; None where the API server does not say
    problem: str = ""  # why not


def fetch(cluster: Cluster, namespace: str, manifest: Sequence[Json]) -> Live:
    """Get every object that has a name, some side by side. Raises Unreachable where the API does not answer."""
    wanted, found = _each(cluster, manifest, lambda item, kinds: _get(cluster, namespace, item, kinds))
    pairs, unreadable = [], []
    for item, live in zip(wanted, found, strict=True):
        if isinstance(live, str):
            unreadable.append(f"{item['kind'].lower()}/{item['metadata']['name']}: {live}")
        else:
            pairs.append((item, live))
    return Live(tuple(pairs), tuple(unreadable))


def foresee(cluster: Cluster, namespace: str, manifest: Sequence[Json]) -> tuple[Foreseen, ...]:
    """What the API server would make of each object that has a name: a dry run of helm's apply. Nothing is changed.

    Raises Unreachable where the API does not answer.
    """

    def look(item: Json, kinds: Kinds) -> Foreseen:
        live = _get(cluster, namespace, item, kinds)
        if isinstance(live, str):
            return Foreseen(item, None, None, live)
        try:
            place = _place(namespace, item, kinds)
            assert place is not None
            return Foreseen(item, live, cluster.apply(place, item, dry_run=True, manager=HELM))
        except Unreachable:
            raise
        except ClusterError as error:
            return Foreseen(item, live, None, error.message)

    return tuple(_each(cluster, manifest, look)[1])


def remove(cluster: Cluster, namespace: str, manifest: Sequence[Json]) -> tuple[str, ...]:
    """Delete every object that is there; why each is still there that may not be deleted, or nothing.

    One answer for each that has a name. Raises ClusterError for anything but a right that is missing.
    """

    def take(item: Json, kinds: Kinds) -> str:
        place = _place(namespace, item, kinds)
        if place is not None:
            try:
                cluster.delete(place)
            except NotFound:
                pass
            except Forbidden as error:
                return error.message
        return ""

    return tuple(_each(cluster, manifest, take)[1])


def _each(
    cluster: Cluster, manifest: Sequence[Json], ask: Callable[[Json, Kinds], Answer]
) -> tuple[list[Json], list[Answer]]:
    wanted = [item for item in manifest if (item.get("metadata") or {}).get("name")]
    versions = dict.fromkeys(str(item["apiVersion"]) for item in wanted)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        known = dict(zip(versions, threads.map(lambda version: _kinds(cluster, version), versions), strict=True))
        return wanted, list(threads.map(lambda item: ask(item, known[str(item["apiVersion"])]), wanted))


def _kinds(cluster: Cluster, version: str) -> dict[str, tuple[str, bool]]:
    """Each kind of an API version: the name of its resource, and whether it lives in namespaces."""
    try:
        answer = cluster.get(f"/apis/{version}" if "/" in version else f"/api/{version}")
    except NotFound:
        return {}
    return {
        one["kind"]: (one["name"], bool(one.get("namespaced")))
        for one in answer.get("resources") or ()
        if "/" not in one["name"]
    }


def _get(cluster: Cluster, namespace: str, item: Json, kinds: Kinds) -> Json | str | None:
    place = _place(namespace, item, kinds)
    if place is None:
        return f"the cluster does not serve {item['kind']} of {item['apiVersion']}"
    try:
        return cluster.get(place)
    except NotFound:
        return None
    except Forbidden as error:
        return error.message


def _place(namespace: str, item: Json, kinds: Kinds) -> str | None:
    version, metadata = str(item["apiVersion"]), item["metadata"]
    if item["kind"] not in kinds:
        return None
    resource, namespaced = kinds[item["kind"]]
    scope = f"/namespaces/{metadata.get('namespace') or namespace}" if namespaced else ""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}{scope}/{resource}/{metadata['name']}"
