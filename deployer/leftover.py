"""What a canary has left in the cluster that helm does not know to remove: its run was killed at a bad moment.

helm removes what the revision before had, and the new one does not. A revision that was cut off is not always that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer import storage
from deployer.cluster import Cluster
from deployer.cluster.manifest import fetch, remove
from deployer.storage import Stored
from deployer.values.document import objects

Object = Mapping[str, Any]

OWNER = "meta.helm.sh/release-name"
POLICY = "helm.sh/resource-policy"


@dataclass(frozen=True)
class Cleared:
    """What was there of it."""

    gone: tuple[str, ...]  # deployment/web-canary
    refused: tuple[str, ...] = ()  # "deployment/web-canary: deployments.apps is forbidden …"


def clear(cluster: Cluster, namespace: str, release: str) -> Cleared:
    """Remove it. Only objects that helm has made for this release, and no more has. Raises ClusterError."""
    found = fetch(cluster, namespace, suspects(storage.history(cluster, namespace, release))).pairs
    left = [item for item, live in found if live and _annotations(live).get(OWNER) == release and not kept(live)]
    names = [f"{item['kind'].lower()}/{item['metadata']['name']}" for item in left]
    answers = tuple(zip(names, remove(cluster, namespace, left), strict=True))
    return Cleared(
        tuple(name for name, why in answers if not why), tuple(f"{name}: {why}" for name, why in answers if why)
    )


def suspects(history: Sequence[Stored]) -> list[dict[str, Any]]:
    """What revisions of a canary brought: neither the newest revision has it, nor the one of a single version before.

    What that one had is the stable version's, and helm's to remove or to keep.
    """
    if not history or history[-1].revision.canary:
        return []
    before = [one for one in history[:-1] if not one.revision.canary]
    others = {_key(item) for one in (history[-1], *before[-1:]) for item in objects(one.manifest)}
    brought = {_key(item): item for one in history if one.revision.canary for item in objects(one.manifest)}
    return [item for key, item in brought.items() if item.get("kind") and key not in others and not kept(item)]


def kept(item: Object) -> bool:
    """Whether helm is told never to remove it."""
    return bool(_annotations(item).get(POLICY) == "keep")


def _annotations(item: Object) -> Mapping[str, Any]:
    return (item.get("metadata") or {}).get("annotations") or {}


def _key(item: Object) -> tuple[str, str, str]:
    metadata = item.get("metadata") or {}
    return str(item.get("apiVersion")).partition("/")[0], str(item.get("kind")), str(metadata.get("name"))
