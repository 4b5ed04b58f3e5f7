"""What a release needs to be allowed: questions for the API server. docs/permissions.md says the same for people."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from deployer.cluster import Access

RECORDS = tuple(Access(verb, "secrets") for verb in ("get", "list", "create", "update", "patch", "delete"))
"""Helm keeps its revisions in Secrets."""

LEASE = tuple(Access(verb, "leases", "coordination.k8s.io") for verb in ("get", "create", "update", "delete"))
"""One deploy at a time."""

WATCHING = (
    Access("list", "pods"),
    Access("watch", "pods"),
    Access("list", "deployments", "apps"),
    Access("watch", "deployments", "apps"),
    Access("list", "replicasets", "apps"),
    Access("watch", "replicasets", "apps"),
)
"""Without these a rollout cannot be judged. The rest of what is read (events, logs, claims, Services and their
EndpointSlices, autoscalers, disruption budgets) only makes a verdict or a diagnosis better: its lack is a notice."""


COMMITTED = tuple(Access(verb, "configmaps") for verb in ("get", "list", "create", "patch", "delete"))
"""What was judged of a commit, where Argo CD delivers: nobody but us removes it."""


def watching(namespace: str) -> tuple[Access, ...]:
    """Everything that a delivery by Argo CD takes in the namespace of the release: no object of it is ours to write."""
    return tuple(dataclasses.replace(access, namespace=namespace) for access in (*COMMITTED, *LEASE, *WATCHING))


def needed(manifest: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Access, ...]:
    """Everything that releasing these objects into a namespace takes."""
    kinds = {(item.get("apiVersion", "v1"), item.get("kind", ""), _hook(item)) for item in manifest}
    objects = (
        Access(verb, plural(kind), api.rpartition("/")[0])
        for api, kind, hook in sorted(kinds)
        for verb in ("get", "create", "delete" if hook else "patch")
    )
    wanted = dict.fromkeys((*RECORDS, *LEASE, *objects, *WATCHING))
    return tuple(dataclasses.replace(access, namespace=namespace) for access in wanted)


def removing(objects: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Access, ...]:
    """What it takes to remove these objects."""
    kinds = {(item.get("apiVersion", "v1"), item.get("kind", "")) for item in objects}
    return tuple(Access("delete", plural(kind), api.rpartition("/")[0], namespace) for api, kind in sorted(kinds))


def _hook(item: Mapping[str, Any]) -> bool:
    """Helm creates a hook anew and deletes it; it never changes one."""
    return "helm.sh/hook" in (item.get("metadata", {}).get("annotations") or {})


def plural(kind: str) -> str:
    """The resource name of a kind: Ingress → ingresses, NetworkPolicy → networkpolicies."""
    name = kind.lower()
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch")) else "s")
