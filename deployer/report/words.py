"""Sentences that every form of output shares. No colour here: words must do without it."""

from collections.abc import Iterator

from deployer.errors import DeployError
from deployer.health.verdict import Judgement
from deployer.plan.init import Service
from deployer.plan.steps import Deed, Pin, Plan, Promotion, PullSecret, Rollback, Run, Upgrade, Verify
from deployer.result import Result
from deployer.scaffold import Written
from deployer.status import Status


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def judgement(found: Judgement) -> str:
    """A workload's state in one line, with the first suspect."""
    suspect = f" — {found.causes[0].object}: {found.causes[0].message}" if found.causes else ""
    return f"{found.workload}: {found.summary}{suspect}"


def error(problem: DeployError) -> Iterator[str]:
    """An error, its detail, and what to do next."""
    yield f"error: {problem.message}"
    for line in problem.detail:
        yield f"  {line}"
    if problem.hint:
        yield f"hint: {problem.hint}"


def plan(made: Plan) -> Iterator[str]:
    """What would be done, a line a deed."""
    where = f"{made.release} in {made.target.namespace} (context {made.target.context})"
    yield f"plan: {made.verb} {made.environment}: {where}"
    yield from (f"  {note}" for note in made.notes)
    if made.promotion:
        yield from (f"  {line}" for line in differences(made.promotion, made.environment))
    yield from (f"  would {deed(step.deed, made)}" for step in made.steps)
    for step in made.recovery[:1]:
        yield f"  if the rollout fails, would {deed(step.deed, made)}"
    yield "nothing was touched"


def differences(promotion: Promotion, environment: str) -> Iterator[str]:
    """What of the configuration is another where it goes."""
    if not promotion.differences:
        yield f"no value differs between {promotion.source} and {environment}"
        return
    yield f"values that differ, {promotion.source} → {environment}:"
    for one in promotion.differences:
        yield f"  {one.path}: {one.before or '(not set)'} → {one.after or '(not set)'}"


def deed(done: Deed, made: Plan) -> str:
    """One deed in words."""
    match done:
        case Run(command):
            return f"run {' '.join(command.argv)}"
        case Pin(image):
            return f"ask the registry for the digest of {image.tagged}"
        case PullSecret(name):
            return f"create or refresh the pull secret {name}"
        case Upgrade():
            before = f"over revision {made.previous}" if made.previous else "as the first revision"
            return f"release {made.image.reference if made.image else made.release} {before}"
        case Rollback(revision):
            return f"put revision {revision} back"
        case Verify():
            return "watch the rollout until it is judged"


def status(found: Status) -> Iterator[str]:
    """One environment."""
    where = f"{found.release} in {found.namespace} (context {found.context})"
    if found.revision is None:
        yield f"nothing released: {where}"
        return
    revision = found.revision
    yield f"{found.verdict}: {where}, revision {revision.number} {revision.status}, {revision.updated[:19]}"
    for judged in found.judgements:
        yield f"  {judgement(judged)}"
    for running in found.running:
        yield f"  {running.pods} × {running.image}" + ("" if running.digest else " (not running)")


def init(service: Service, done: Written) -> Iterator[str]:
    """What was written for a service, what was there already, and what is to be done next."""
    probed = f"probes {service.alive or 'the port'} and {service.ready or 'the port'}"
    yield f"{service.name}: Go module in {service.module}, port {service.port}, {probed}"
    yield f"registry: {service.registry or 'what the job says in REGISTRY_URL'}"
    yield from (f"  written  {path}" for path in done.written)
    yield from (f"  there    {path}" for path in done.same)
    yield from (f"  KEPT     {path}: exists and is another; compare it by hand" for path in done.kept)
    if "Makefile" in done.kept:
        yield "hint: add `include deploy.mk` to your Makefile; the pipeline does without"
    if ".gitignore" in done.kept:
        yield "hint: add .env to .gitignore: it may hold variables of your own, passwords too"
    yield "next: commit it, then `deploy doctor --env dev` says what is missing, and `deploy up --env dev` deploys"


def outcome(result: Result) -> Iterator[str]:
    """How a run ended."""
    mark = "ok" if result.exit_code == 0 else "failed"
    yield f"{mark}: {result.message} ({seconds(result.seconds)})"
    for line in result.detail:
        yield f"  {line}"
    if result.image and result.exit_code == 0:
        yield f"image: {result.image.reference}"
    if result.restored is not None:
        yield f"rolled back: revision {result.restored} serves again"
    for warning in result.warnings:
        yield f"warning: {warning}"
    if result.hint:
        yield f"hint: {result.hint}"
