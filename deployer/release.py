"""Ask helm what is deployed, and read what it answers."""

import json
from collections.abc import Iterable
from typing import Any

from deployer.commands.helm import Helm
from deployer.errors import DeployError
from deployer.health.verdict import Workload
from deployer.model import Revision
from deployer.process import ProgramFailed, Programs
from deployer.values.document import objects

JUDGED = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def history(programs: Programs, helm: Helm) -> tuple[Revision, ...]:
    """All revisions helm keeps, oldest first; empty where there is no release."""
    try:
        answer = programs.read(helm.history())
    except ProgramFailed as error:
        if any("release: not found" in line for line in error.detail):
            return ()
        raise
    return tuple(
        Revision(
            number=int(item["revision"]),
            status=item["status"],
            updated=item.get("updated", ""),
            chart=item.get("chart", ""),
            description=item.get("description", ""),
        )
        for item in sorted(json.loads(answer), key=lambda item: int(item["revision"]))
    )


def upgraded(answer: str) -> tuple[int, str]:
    """The revision number and the manifest in the JSON that `helm upgrade` answers with."""
    try:
        release = json.loads(answer[answer.index("{") :])
        return int(release["version"]), release["manifest"]
    except (ValueError, KeyError):
        raise DeployError("helm upgrade gave an answer that is no release; see its output with --verbose") from None


def workloads(manifest: str) -> tuple[Workload, ...]:
    """What rolls out in a release, in the manifest's order."""
    return tuple(
        Workload(item["kind"], item["metadata"]["name"])
        for item in _flat(objects(manifest))
        if item.get("kind") in JUDGED
    )


def _flat(items: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for item in items:
        if item.get("kind") == "List":
            yield from _flat(item.get("items") or ())
        else:
            yield item
