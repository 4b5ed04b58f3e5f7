"""The objects of a manifest as the cluster has them, of whatever kind: discovery says where a kind lives."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.cluster.api import Cluster
from deployer.cluster.errors import Forbidden, NotFound
from deployer.cluster.kinds import Json

AT_ONCE = 8


@dataclass(frozen=True)
class Live:
    """What was found. A manifest's object is in `pairs`, or told in `unreadable`."""

    pairs: tuple[tuple[Json, Json | None], ...]  # as the manifest has it, as the cluster has it; None: it is not there
    unreadable: tuple[str, ...] = ()  # "ingress/web: ingresses.networking.k8s.io is forbidden …"


def fetch(cluster: Cluster, namespace: str, manifest: Sequence[Json]) -> Live:
    """Get every object that has a name, some side by side. Raises Unreachable where the API does not answer."""
    wanted = [item for item in manifest if (item.get("metadata") or {}).get("name")]
    versions = dict.fromkeys(str(item["apiVersion"]) for item in wanted)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        known = dict(zip(versions, threads.map(lambda version: _kinds(cluster, version), versions), strict=True))
        found = list(threads.map(lambda item: _get(cluster, namespace, item, known[str(item["apiVersion"])]), wanted))
    pairs, unreadable = [], []
    for item, live in zip(wanted, found, strict=True):
        if isinstance(live, str):
            unreadable.append(f"{item['kind'].lower()}/{item['metadata']['name']}: {live}")
        else:
            pairs.append((item, live))
    return Live(tuple(pairs), tuple(unreadable))


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


def _get(cluster: Cluster, namespace: str, item: Json, kinds: dict[str, tuple[str, bool]]) -> Json | str | None:
    version, kind, metadata = str(item["apiVersion"]), str(item["kind"]), item["metadata"]
    if kind not in kinds:
        return f"the cluster does not serve {kind} of {version}"
    resource, namespaced = kinds[kind]
    scope = f"/namespaces/{metadata.get('namespace') or namespace}" if namespaced else ""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    try:
        return cluster.get(f"{root}{scope}/{resource}/{metadata['name']}")
    except NotFound:
        return None
    except Forbidden as error:
        return error.message
