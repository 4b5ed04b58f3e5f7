"""What a killed run has left of a release, and how it is put right before the next deed. Pure.

helm refuses to work on a release whose newest revision is `pending-…` (upgrade.go, "another operation is in progress"),
and finds no release to upgrade where one is `uninstalling`. Neither way of putting it right touches a pod:

- `pending-install`: the revision is removed, so that helm installs again, install hooks included. What the killed run
  had made already is of this release by its labels, so helm adopts it.
- `pending-upgrade`, `pending-rollback`, `uninstalling`: the revision is marked failed, as helm itself does when it is
  interrupted. The next revision is made from the last one that was deployed.
"""

from dataclasses import replace

from deployer.model import Revision
from deployer.plan.steps import Abandon, Step

INTERRUPTED = {"pending-install": "removed", "pending-upgrade": "failed", "pending-rollback": "failed"} | {
    "uninstalling": "failed"
}


def steps(history: tuple[Revision, ...]) -> tuple[Step, ...]:
    """What is to be done first. To be asked under the lease: without it, somebody may be at work."""
    return tuple(
        Step("repair", Abandon(revision.number, revision.status, removed=INTERRUPTED[revision.status] == "removed"))
        for revision in history
        if revision.status in INTERRUPTED
    )


def settled(history: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """The history as it is after these steps."""
    return tuple(
        replace(revision, status=INTERRUPTED.get(revision.status, revision.status))
        for revision in history
        if INTERRUPTED.get(revision.status) != "removed"
    )
