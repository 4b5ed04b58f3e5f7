"""Whose pods are the present revision's, and whose an earlier one's, as regular expressions of their names. Pure."""

from collections.abc import Callable, Iterable, Sequence

from deployer.health.objects import name, owned, uid
from deployer.health.verdict import Object, Workload

NOBODY = "nobody"
"""Matches no pod of a workload: their names have a hyphen."""

_REVISION = "deployment.kubernetes.io/revision"
_SUFFIX = {"StatefulSet": "[0-9]+", "DaemonSet": "[a-z0-9]{5}"}


def present(workloads: Iterable[Workload], deployments: Sequence[Object], replicasets: Sequence[Object]) -> str:
    """The pods of what the workloads are now."""
    return _pods(workloads, deployments, replicasets, lambda deployment, one: _revision(deployment) == _revision(one))


def earlier(workloads: Iterable[Workload], deployments: Sequence[Object], replicasets: Sequence[Object]) -> str:
    """The pods of what Deployments were before. A StatefulSet's keep their names: only the time tells them apart."""
    return _pods(workloads, deployments, replicasets, lambda deployment, one: _revision(deployment) != _revision(one))


def apart(workloads: Iterable[Workload], stable: Iterable[Workload]) -> tuple[tuple[Workload, ...], ...]:
    """What a revision of a canary runs of the new version alone, and what it runs of the stable one or for both.

    `stable`: the workloads of the stable version's own revision; what is not among them came with the canary.
    """
    known = frozenset(stable)
    found = tuple(workloads)
    return tuple(one for one in found if one not in known), tuple(one for one in found if one in known)


def _pods(
    workloads: Iterable[Workload],
    deployments: Sequence[Object],
    replicasets: Sequence[Object],
    wanted: Callable[[Object, Object], bool],
) -> str:
    found = []
    for workload in workloads:
        if workload.kind in _SUFFIX:
            found.append(f"{_base(workload.name)}{_SUFFIX[workload.kind]}")
        if workload.kind != "Deployment":
            continue
        for item in deployments:
            mine = owned(replicasets, uid(item)) if name(item) == workload.name else ()
            found += [f"{_base(name(one))}[a-z0-9]+" for one in mine if wanted(item, one)]
    return "|".join(found) or NOBODY


def _revision(item: Object) -> str | None:
    return (item["metadata"].get("annotations") or {}).get(_REVISION)


def _base(owner: str) -> str:
    """What Kubernetes puts before the random part of a pod's name, as an expression; a backslash would be PromQL's.

    It takes no more than 58 characters of it: two revisions of a Deployment whose name is that long are not told apart.
    """
    return f"{owner}-"[:58].replace(".", "[.]")
