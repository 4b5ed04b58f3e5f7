"""Rules over the claims of a new pod: row 45. How a claim is bound its StorageClass says, which no job may read; what
the scheduler writes on pod and claim tells as much."""

import re
from collections.abc import Iterable, Sequence

from deployer.health.limits import Limits
from deployer.health.objects import condition, happened, name, of_object, status
from deployer.health.symptom import Symptom, of_pod
from deployer.health.verdict import Object

_UNBOUND = re.compile(r"unbound immediate PersistentVolumeClaim|didn't find available persistent volumes", re.I)
_CHOSEN = "volume.kubernetes.io/selected-node"
_PROVISIONERS = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_TELLING = ("ProvisioningFailed", "FailedBinding", "ExternalProvisioning")


def names(pod: Object) -> tuple[str, ...]:
    """The claims that a pod mounts, spec.volumes[].persistentVolumeClaim; those made with it, `ephemeral`, as well."""
    found = []
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            found.append(str(volume["persistentVolumeClaim"]["claimName"]))
        elif "ephemeral" in volume:
            found.append(f"{name(pod)}-{volume['name']}")
    return tuple(found)


def of(pod: Object, claims: Iterable[Object]) -> list[Object]:
    """Those claims that a pod mounts, by name."""
    wanted = set(names(pod))
    return sorted((claim for claim in claims if name(claim) in wanted), key=name)


def claim_lost(pod: Object, claims: Sequence[Object]) -> Symptom | None:
    """[45] PersistentVolumeClaim status.phase=Lost: the volume it was bound to is gone (core/v1 ClaimLost; krane)."""
    lost = next((claim for claim in of(pod, claims) if status(claim).get("phase") == "Lost"), None)
    if lost is None:
        return None
    volume = lost["spec"].get("volumeName") or "it was bound to"
    return of_pod(
        pod,
        "claim_lost",
        "Lost",
        f"claim {name(lost)} has lost its volume: {volume} does not exist any more",
        0,
        hint=f"restore the volume, or delete the claim and its data: kubectl delete pvc {name(lost)}",
    )


def claim_unbound(pod: Object, claims: Sequence[Object], events: Sequence[Object], limits: Limits) -> Symptom | None:
    """[45] PersistentVolumeClaim status.phase=Pending, and the pod cannot be placed for it (argo-cd#12840, #29201).

    A claim bound at once keeps the pod unschedulable, as condition PodScheduled says. One with WaitForFirstConsumer
    waits for the pod instead, and is none of ours until the scheduler has chosen a node for it (annotation
    selected-node) or found no volume for it.
    """
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "True" or not names(pod):
        return None
    text = str(placed.get("message") or "").partition(" no new claims")[0].partition(" preemption:")[0].strip()
    pending = [claim for claim in of(pod, claims) if status(claim).get("phase", "Pending") == "Pending"]
    chosen = [claim for claim in pending if _CHOSEN in _annotations(claim)]
    if not (_UNBOUND.search(text) if text else chosen):
        return None
    claim = next(iter((*chosen, *pending)), None)
    about = of_object(events, claim) if claim else []
    told = max((one for one in about if one.get("reason") in _TELLING), key=happened, default={})
    why = str(told.get("message") or text or "nobody has made its volume").strip()
    making = claim is not None and any(key in _annotations(claim) for key in _PROVISIONERS)
    which = f"claim {name(claim)}" if claim else "a claim"
    return of_pod(
        pod,
        "claim_unbound",
        str(told.get("reason") or "Pending"),
        f"{which} is not bound: {why}",
        limits.volume_attach if making and told.get("reason") != "ProvisioningFailed" else limits.claim,
        hint="mend the claim's storageClassName, or make a volume for it",
        timer="making" if making else "",
    )


def _annotations(claim: Object) -> dict[str, str]:
    return claim["metadata"].get("annotations") or {}
