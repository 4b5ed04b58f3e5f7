"""What a canary has left in the cluster that helm does not know to remove: its run was killed at a bad moment.

helm removes what the revision before had, and the new one does not. A revision that was cut off is not always that one.
"""

from typing import Any

from deployer import storage
from deployer.cluster import Cluster
from deployer.cluster.manifest import fetch, remove
from deployer.values.document import objects

OWNER = "meta.helm.sh/release-name"


def clear(cluster: Cluster, namespace: str, release: str) -> tuple[str, ...]:
    """Remove it; the names of what was there. Only objects that helm has made for this release, and no more has."""
    history = storage.history(cluster, namespace, release)
    if not history or history[-1].revision.canary:
        return ()
    mine = {_key(item) for item in objects(history[-1].manifest)}
    of_canaries = {
        _key(item): item for one in history if one.revision.canary for item in objects(one.manifest) if item.get("kind")
    }
    suspects = [item for key, item in of_canaries.items() if key not in mine]
    left = [
        item
        for item, live in fetch(cluster, namespace, suspects).pairs
        if live and (live["metadata"].get("annotations") or {}).get(OWNER) == release
    ]
    remove(cluster, namespace, left)
    return tuple(f"{item['kind'].lower()}/{item['metadata']['name']}" for item in left)


def _key(item: dict[str, Any]) -> tuple[str, str, str]:
    metadata = item.get("metadata") or {}
    return str(item.get("apiVersion")).partition("/")[0], str(item.get("kind")), str(metadata.get("name"))
