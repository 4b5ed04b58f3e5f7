"""What helm answers, and what a chart makes, as our nouns. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from deployer.errors import DeployError
from deployer.health.verdict import Workload
from deployer.model import Rendered
from deployer.values.document import objects

JUDGED = ("Deployment", "StatefulSet", "DaemonSet", "Job")


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
        Workload(item["kind"], item["metadata"]["name"]) for item in objects(manifest) if item.get("kind") in JUDGED
    )


def rendered(manifest: Iterable[dict[str, Any]], *, first: bool) -> Rendered:
    """What a rendered chart makes that somebody waits for; `first`: it is an install, so install hooks run."""
    moments = {"pre-install", "post-install"} if first else {"pre-upgrade", "post-upgrade"}
    plain, hooks, waits = [], [], False
    selectors: list[dict[str, str]] = []
    for item in manifest:
        kind = item.get("kind")
        when = set(str((item.get("metadata", {}).get("annotations") or {}).get("helm.sh/hook", "")).split(","))
        if when & moments:
            waits |= any(moment.startswith("post-") for moment in when & moments)
            if kind in ("Job", "Pod"):
                hooks.append(Workload(kind, item["metadata"]["name"]))
        elif kind in JUDGED and not any(when):
            plain.append(Workload(kind, item["metadata"]["name"]))
            selectors.append((item["spec"].get("selector") or {}).get("matchLabels") or {})
    common = set.intersection(*(set(one.items()) for one in selectors)) if selectors else set()
    labels = ",".join(f"{key}={value}" for key, value in sorted(common))
    return Rendered(tuple(plain), tuple(hooks), waits, labels)
