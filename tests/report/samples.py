"""A plan, results and a diagnosis to report on."""

from pathlib import Path
from typing import Any

from deployer.commands import docker
from deployer.errors import ExitCode
from deployer.health.diagnosis import Diagnosis, Happening, LogTail
from deployer.health.verdict import Cause, Counts, Judgement, Verdict, Workload
from deployer.metrics.judge import Reading, Sample, State
from deployer.model import Image, Revision, Target
from deployer.plan.rollback import steps as back
from deployer.plan.steps import Pin, Plan, PullSecret, Run, Step, Upgrade, Verify
from deployer.result import Result, Stage

DIGEST = "sha256:" + "a" * 64
IMAGE = Image("registry.lab", "web", "1.2.3")
WEB = Workload("Deployment", "web")
CAUSE = Cause(
    "crash", "CrashLoopBackOff", "container web: exit 1, 2 restarts", "pod/web-1", "web", pods=("web-1", "web-2")
)
OTHER = Cause("image", "ErrImagePull", "no such tag", "pod/db-1", pods=("db-1",))
MOVING = Judgement(WEB, Verdict.PROGRESSING, "1 of 2 updated pods available", Counts(2, 2, 1, 1))
FAILED = Judgement(WEB, Verdict.FAILED, "0 of 2 updated pods available", Counts(2, 2, 0, 0, 1), (CAUSE, OTHER))
HEALTHY = Judgement(WEB, Verdict.HEALTHY, "2 of 2 updated pods available", Counts(2, 2, 2, 2))

PLAN = Plan(
    verb="up",
    environment="dev",
    target=Target(Path("/k"), "lab", "shop"),
    release="web",
    steps=(
        Step("build", Run(docker.login("docker", "registry.lab", "deploy", "s3cret"), "no login")),
        Step("push", Run(docker.push("docker", IMAGE), "no push")),
        Step("push", Pin(IMAGE)),
        Step("release", PullSecret("registry")),
        Step("release", Upgrade({"token": "s3cret"})),
        Step("rollout", Verify()),
    ),
    image=IMAGE,
    recovery=back(Revision(3, "superseded", "", "web-1"), ()),
    previous=4,
    notes=("something was decided",),
)

DIAGNOSIS = Diagnosis(
    workload="deployment/web",
    verdict="failed",
    headline="pod/web-1: container web: exit 1 (2 of 2 new pods)",
    counts=Counts(2, 2, 0, 0),
    causes=(CAUSE, OTHER),
    events=(Happening(1_760_000_000.0, "pod/web-1", "BackOff", "restarting", 7),),
    logs=(LogTail("web-1", "web", True, ("panic: no file",)), LogTail("web-2", "web", False, ())),
    facts=("image registry.lab/web:1.2.3",),
    hint="look into the log",
    missing=("events may not be read",),
)


def result(**other: Any) -> Result:
    """A run that went well, but for what is given."""
    image = Image(IMAGE.registry, IMAGE.repository, IMAGE.tag, DIGEST)
    stages = (Stage("build", 12.34567, True), Stage("rollout", 3.0, True, "healthy"))
    facts: dict[str, Any] = {
        "plan": PLAN,
        "exit_code": ExitCode.OK,
        "message": "web in dev is healthy at revision 5",
        "seconds": 17.04567,
        "stages": stages,
        "image": image,
        "revision": 5,
        "judgements": (HEALTHY,),
        "changed": True,
    }
    return Result(**(facts | other))


UNHEALTHY = result(
    exit_code=ExitCode.UNHEALTHY,
    message="deployment/web: container web exits 1",
    judgements=(FAILED,),
    metrics=(Reading("errorRatio", "errors", State.BREACHED, 0.05, "", "at most 0.01", samples=(Sample(2.0, 0.05),)),),
    diagnosis=DIAGNOSIS,
    restored=3,
    hint="mend it",
    detail=("a line",),
    warnings=("slow",),
)
