"""`deploy verify`."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from deployer import cluster, evidence, release, rollout, storage
from deployer.cli import jobs, options
from deployer.cli.jobs import Reports
from deployer.cli.session import answering, echo, limit, teller
from deployer.cli.streams import answer, hide
from deployer.errors import DeployError, ExitCode, UsageError
from deployer.health.limits import Limits
from deployer.health.verdict import Verdict, Workload
from deployer.mask import Mask
from deployer.report import document, words
from deployer.result import Diagnosed, Notice, Severity

KINDS = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), "Deployment"),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), "StatefulSet"),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), "DaemonSet"),
    **dict.fromkeys(("job", "jobs"), "Job"),
    **dict.fromkeys(("pod", "pods", "po"), "Pod"),
}
"""As kubectl spells them."""

GROUPS = {"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch"}
"""The API group that may stand after a dot, as `kubectl get -o name` prints it; a Pod has none."""

CODES = {
    Verdict.HEALTHY: ExitCode.OK,
    Verdict.FAILED: ExitCode.UNHEALTHY,
    Verdict.PROGRESSING: ExitCode.DEADLINE,
    Verdict.PAUSED: ExitCode.PAUSED,
    Verdict.INDETERMINATE: ExitCode.INDETERMINATE,
}


def verify(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(help="What rolls out: deployment/web, sts/db, deployment.apps/web …", metavar="KIND/NAME"),
    ] = None,
    named: Annotated[
        str | None, typer.Option("--release", help="All workloads of a helm release.", show_default=False)
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace.")] = "default",
    context: Annotated[str, typer.Option("--context", help="Context of the kubeconfig; never the current one.")] = ...,  # type: ignore[assignment]
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="[default: KUBECONFIG, or ~/.kube/config]", show_default=False)
    ] = None,
    timeout: options.Timeout = "5m",
    junit: options.Junit = None,
    output: options.Format = options.Output.TEXT,
) -> int:
    """Judge any rollout, and explain it when it fails: a `kubectl rollout status` that stops when there is no hope."""
    mask, reports, began = Mask(), Reports(junit=junit), time.monotonic()
    with answering("verify", None, output, reports), teller(mask, output, verbose=False) as screen:
        longest = limit(timeout)
        file = kubeconfig or Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube/config")
        door = cluster.connect(file, context)
        held = evidence.secrets(door, namespace)
        mask.learn(held.texts)
        hide(held.texts)
        if held.warning:
            screen.tell(Notice(held.warning, Severity.WARNING))
        since = door.server_time()
        wanted = _wanted(door, namespace, workloads or [], named)
        try:
            found = rollout.follow(
                door, namespace, wanted, since=since, timeout=longest, limits=Limits(), tell=screen.tell
            )
        except cluster.NotFound as error:
            raise DeployError(error.message) from None
        if found.diagnosis:
            screen.tell(Diagnosed(found.diagnosis))
    code = CODES[found.verdict]
    jobs.verified(found, code, time.monotonic() - began, mask, reports)
    if output is options.Output.JSON:
        answer(document.verify(found, code), mask)
    else:
        echo(f"{found.verdict}: {found.headline if code else '; '.join(map(words.judgement, found.judgements))}", mask)
    return int(code)


def _wanted(door: cluster.Cluster, namespace: str, given: list[str], named: str | None) -> list[Workload]:
    if named and not given:
        history = storage.history(door, namespace, named)
        if not history:
            raise UsageError(f"there is no release {named} in {namespace}")
        return list(release.workloads(history[-1].manifest))
    if not given or named:
        raise UsageError(
            "name what to verify: KIND/NAME, or --release NAME", hint="deploy verify deployment/web -n shop"
        )
    return [_workload(text) for text in given]


def _workload(text: str) -> Workload:
    """deployment/web, or deployment.apps/web; UsageError for anything else."""
    resource, _, name = text.lower().partition("/")
    spelt, dot, group = resource.partition(".")
    kind = KINDS.get(spelt)
    if not name or kind is None or (dot and group.removeprefix("v1.") != GROUPS.get(kind)):
        raise UsageError(f"`{text}` is not KIND/NAME", hint="kinds: deployment, statefulset, daemonset, job, pod")
    return Workload(kind, text.partition("/")[2])
