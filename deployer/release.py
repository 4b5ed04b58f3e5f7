"""What helm answers, and what a chart makes, as our nouns. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from deployer.errors import DeployError
from deployer.health.services import matches
from deployer.health.verdict import Workload
from deployer.model import Rendered
from deployer.values.document import objects

JUDGED = ("Deployment", "StatefulSet", "DaemonSet", "Job")
SERVING = ("Deployment", "StatefulSet", "DaemonSet")
HOOK = "helm.sh/hook"
DATA = ("data", "stringData", "binaryData")
OWN_GROUPS = ("apps", "batch", "autoscaling", "policy")
"""API groups that no operator answers for; the others of Kubernetes itself end with .k8s.io."""


def upgraded(answer: str) -> tuple[int, str]:
    """The revision number and the manifest in the JSON that `helm upgrade` answers with."""
    try:
        release = json.loads(answer[answer.index("{") :])
        return int(release["version"]), release["manifest"]
    except (ValueError, KeyError):
        raise DeployError("helm upgrade gave an answer that is no release; see its output with --verbose") from None


def workloads(manifest: str) -> tuple[Workload, ...]:
    """What rolls out in a release, in the manifest's order, and what the release has beside it."""
    items = [item for item in objects(manifest) if item.get("kind")]
    return tuple(_workload(item, items) for item in items if item["kind"] in JUDGED)


def _workload(item: dict[str, Any], items: Sequence[dict[str, Any]]) -> Workload:
    expires = item["kind"] == "Job" and (item.get("spec") or {}).get("ttlSecondsAfterFinished") is not None
    return Workload(item["kind"], item["metadata"]["name"], _beside(item, items), expires)


def _beside(workload: dict[str, Any], items: Sequence[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """(kind, name) of the Services, autoscalers and disruption budgets of a workload."""
    if workload["kind"] not in SERVING:
        return ()
    found, serving = [], [item for item in items if item["kind"] in SERVING]
    alone = all(_of_kubernetes(item) for item in items)
    for item in items:
        spec = item.get("spec") or {}
        match item["kind"]:
            case "Service":
                theirs = _leads_to(spec.get("selector") or {}, serving, alone=alone)
            case "HorizontalPodAutoscaler":
                target = spec.get("scaleTargetRef") or {}
                theirs = [
                    one for one in serving if (one["kind"], _name(one)) == (target.get("kind"), target.get("name"))
                ]
            case "PodDisruptionBudget":
                labels = (spec.get("selector") or {}).get("matchLabels") or {}
                theirs = [one for one in serving if matches(labels, _labels(one))]
            case _:
                continue
        if any(one is workload for one in theirs):
            found.append((item["kind"], _name(item)))
    return tuple(found)


def _leads_to(selector: dict[str, str], serving: Sequence[dict[str, Any]], *, alone: bool) -> list[dict[str, Any]]:
    """The workloads whose pods a Service selects. Where it selects none, the one that it nearly does.

    But not where its pods may be somebody else's: an operator's (the release is not `alone`), or such as get a label of
    the selector only while they run, as the leader of a database does.
    """
    found = [one for one in serving if matches(selector, _labels(one))]
    if found or not selector or not alone or not all(_contradicts(selector, _labels(one)) for one in serving):
        return found
    return [max(serving, key=lambda one: len(selector.items() & _labels(one).items()))]


def _contradicts(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return set(selector) <= set(labels) and not matches(selector, labels)


def _labels(workload: dict[str, Any]) -> dict[str, str]:
    template = (workload.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _of_kubernetes(item: dict[str, Any]) -> bool:
    group = str(item.get("apiVersion", "v1")).rpartition("/")[0]
    return not group or group in OWN_GROUPS or group.endswith(".k8s.io")


def pods(manifest: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """What the pods of a release run: the template of each workload, the data of what a template names. Hooks aside."""
    items = [
        item for item in manifest if item.get("kind") and not (item["metadata"].get("annotations") or {}).get(HOOK)
    ]
    templates = {(item["kind"], _name(item)): item["spec"].get("template") for item in items if item["kind"] in JUDGED}
    named = json.dumps(list(templates.values()))
    read = [item for item in items if item["kind"] in ("ConfigMap", "Secret") and json.dumps(_name(item)) in named]
    return templates | {(item["kind"], _name(item)): [item.get(key) for key in DATA] for item in read}


def rendered(manifest: Iterable[dict[str, Any]], *, first: bool) -> Rendered:
    """What a rendered chart makes that somebody waits for; `first`: it is an install, so install hooks run."""
    items = [item for item in manifest if item.get("kind")]
    moments = {"pre-install", "post-install"} if first else {"pre-upgrade", "post-upgrade"}
    plain, hooks, waits = [], [], False
    selectors: list[dict[str, str]] = []
    for item in items:
        kind = item["kind"]
        when = set(str((item.get("metadata", {}).get("annotations") or {}).get(HOOK, "")).split(","))
        if when & moments:
            waits |= any(moment.startswith("post-") for moment in when & moments)
            if kind in ("Job", "Pod"):
                hooks.append(Workload(kind, item["metadata"]["name"]))
        elif kind in JUDGED and not any(when):
            plain.append(_workload(item, items))
            selectors.append((item["spec"].get("selector") or {}).get("matchLabels") or {})
    common = set.intersection(*(set(one.items()) for one in selectors)) if selectors else set()
    labels = ",".join(f"{key}={value}" for key, value in sorted(common))
    return Rendered(tuple(plain), tuple(hooks), waits, labels)
