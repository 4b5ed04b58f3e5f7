"""Every limit and grace of the rules. The numbers in brackets are the rows of the table in docs/health.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds, but for counts. A grace is how long a state must last before it counts as failed."""

    crash_exits: int = 3  # [24] failed exits of one container: one or two may be a dependency that is late
    crash_grace: float = 8  # [24] after the last exit but one of these, to become ready
    image_pull: float = 3  # [16, 17] a pull that cannot succeed: no such tag, no right to it
    image_pull_transient: float = 90  # [18] a registry that does not answer may come back
    image_pull_unknown: float = 45  # [19] a pull that fails without saying why
    pull_secret: float = 25  # [17] the kubelet had not yet seen the pull secret: its next try counts
    config: float = 18  # [20] a missing Secret may be made a moment later; the kubelet looks again after 10 to 15 s
    config_cache: float = 60  # [21] the kubelet's cache is late
    start: float = 5  # [22] a command that cannot be started
    volume: float = 32  # [32] a volume that cannot be mounted: the kubelet tries after 15.5 and after 31.5 s
    volume_attach: float = 120  # [32] a disk that cannot be attached
    sandbox: float = 60  # [32] a pod that gets no network
    placement: float = 30  # [29] no node matches
    resources: float = 60  # [30] no node has room; without end while an autoscaler adds one
    claim: float = 60  # [45] a claim that nobody binds, while its pod waits
    endpoints: float = 10  # [47] a Service that leads to no ready pod once all are ready; 0: Services are not looked at
    readiness: float = 60  # [33] running and never ready; twice the probe's own budget where that is more
    trap: float = 60  # [40] a broken pod of another revision that a StatefulSet waits for; a rollback gives it 5 s
    trap_cap: float = 600  # [40] longest wait for one that its probes and init containers still allow; a rollback: none
    admission: float = 10  # [11] pods are refused: PodSecurity, webhook, invalid
    quota: float = 30  # [10] pods are refused for quota while nothing else moves
    admission_transient: float = 30  # [12] pods are refused for what may come: a priority class, a webhook's backend
    replicaset: float = 10  # [2] the ReplicaSet cannot be made
    stuck: float = 600  # [36] nothing at all moves; the workload's own progressDeadlineSeconds stands before the 600
    soak: float = 10  # [7] a container without a readiness probe must run for so long to count as healthy
    soak_cap: float = 15  # [7] longest soak for a liveness probe that has not proven itself
    evictions: int = 3  # [28] evicted pods before a warning
