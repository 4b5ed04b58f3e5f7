"""The one loop where a plan becomes deeds: the only part that changes the world."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from deployer import beside, leftover, metricguard, pullsecret, record, refusal, release, rollout, routing, storage
from deployer.cluster import Cluster, ClusterError, Forbidden, Unreachable, path
from deployer.commands import docker
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.delivery import Delivery
from deployer.errors import (
    BuildError,
    DeadlineError,
    DeployError,
    ExitCode,
    IndeterminateError,
    Interrupted,
    PausedError,
    PreflightError,
    UnhealthyError,
)
from deployer.health.application import Seen
from deployer.health.diagnosis import Diagnosis
from deployer.health.limits import Limits
from deployer.health.rollouts import broken
from deployer.health.verdict import Judgement, Verdict, Workload
from deployer.lock import Lease
from deployer.mask import Mask
from deployer.metrics import pods
from deployer.metrics.judge import Guard, Reading
from deployer.metrics.query import Side
from deployer.model import Image, Record, Values
from deployer.plan import address, canary, gitops, values
from deployer.plan.steps import (
    Abandon,
    Clear,
    Commit,
    Hold,
    Observe,
    Pin,
    Plan,
    Portion,
    PullSecret,
    Revert,
    Rollback,
    Routed,
    Run,
    Step,
    Sync,
    Uninstall,
    Upgrade,
    Verify,
)
from deployer.process import Lifeline, ProgramFailed, Programs
from deployer.profile import Profile
from deployer.prometheus import Prometheus
from deployer.refusal import Refusal
from deployer.registry import Registry, RegistryError
from deployer.result import Diagnosed, Event, Finished, Line, Notice, Progress, Result, Severity, Stage, Started
from deployer.stop import Stop, signalled
from deployer.values.document import objects

if TYPE_CHECKING:
    from deployer.argocd import ByArgoCD
    from deployer.configrepo import Change

GLANCE = 15.0
"""Seconds for a look at the pods of a rollout that has failed by its metrics: they are only shown."""

ALIVE = 0.5
"""Seconds between looks at the pods, and whether the run is to end, while metrics are watched."""

TRAP = 5.0
"""Seconds that a broken pod of the version that failed has to become well, before a rollback deletes it."""

ROUTED = 60.0
"""Seconds for what implements the routes to take up a new state."""


@dataclass(frozen=True)
class Doors:
    """The outside worlds of a run."""

    programs: Programs
    cluster: Cluster | None  # None where it is not asked: an image is built
    registry: Registry
    helm: Helm | None = None  # None where nothing is released: then it was not asked for
    lease: Lease | None = None  # None where nothing is released
    login: Login | None = None
    mask: Mask = field(default_factory=Mask)  # for what the cluster is to keep
    delivery: Delivery | None = None  # None where nothing is released
    prometheus: Prometheus | None = None  # None where no metrics are watched


@dataclass
class _Run:
    """What is known while a plan runs, and grows with each deed."""

    plan: Plan
    profile: Profile
    project: Path
    doors: Doors
    tell: Callable[[Event], None]
    image: Image | None
    record: Record  # the facts of what is being released
    revision: int | None = None
    commit: str = ""  # of the configuration repository, where Argo CD delivers
    proposed: str = ""  # the branch of a merge request that was asked for
    manifest: str = ""
    unjudged: str = ""  # why nobody can say what the commit makes, though Argo CD may
    began: float = field(default_factory=time.monotonic)
    since: float = 0.0  # server time before helm started, or before the commit
    portion: Portion | None = None  # what a canary gets by the newest revision, helm's deed with it ended or not
    refused: bool = False  # helm could not make a revision of a canary, though the API server answers
    changed: bool = False
    rolled: bool = True
    stages: list[Stage] = field(default_factory=list)
    judgements: tuple[Judgement, ...] = ()
    metrics: tuple[Reading, ...] = ()
    diagnosis: Diagnosis | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def stop(self) -> Stop:
        """Where the run is to end, though no signal reaches its thread."""
        return self.doors.programs.stop or Stop()

    @property
    def cluster(self) -> Cluster:
        """For a deed in the cluster."""
        assert self.doors.cluster is not None
        return self.doors.cluster

    @property
    def in_steps(self) -> bool:
        """Whether a canary is released."""
        return any(isinstance(step.deed, Upgrade) and step.deed.portion for step in self.plan.steps)

    @property
    def pulled(self) -> "ByArgoCD":
        """For a deed in the configuration repository, or with Argo CD."""
        assert self.profile.delivery == "argocd"
        return cast("ByArgoCD", self.doors.delivery)


def execute(
    plan: Plan,
    profile: Profile,
    project: Path,
    doors: Doors,
    tell: Callable[[Event], None],
    began: float | None = None,
) -> Result:
    """Do a plan's steps in order; when the rollout is judged failed, its recovery. Never raises DeployError.

    `began`: when the first check did, in time.monotonic()'s terms; else the run begins now.
    """
    run = _Run(plan, profile, project, doors, tell, plan.image, plan.record)
    run.began = run.began if began is None else began
    if plan.kept:
        run.revision, run.judgements = plan.kept.revision, plan.kept.judgements
    for note in plan.notes:
        tell(Notice(note))
    for name, reason in plan.record.overrides.items():
        _warn(run, f"guard {name} was passed over: {reason}")
    error: DeployError | None = None
    restored: int | None = None
    try:
        with nullcontext(doors.programs.lifeline) if doors.programs.lifeline else Lifeline() as lifeline:
            run.doors = replace(doors, programs=replace(doors.programs, lifeline=lifeline))
            try:
                _steps(run, plan.steps)
            except DeployError as failure:
                error = failure
                if run.refused or isinstance(failure, UnhealthyError | DeadlineError):
                    restored = _recover(run)
            except Exception as broken:
                error = signalled(broken)
                if error is None:
                    raise
    except DeployError as failure:
        error = failure
    return Result(
        plan=plan,
        exit_code=error.exit_code if error else ExitCode.OK,
        message=error.message if error else _done(run),
        seconds=time.monotonic() - run.began,
        stages=tuple(run.stages),
        image=run.image,
        revision=run.revision,
        url=plan.kept.url if plan.kept else address.url(objects(run.manifest)),
        commit=run.commit or None,
        proposed=run.proposed or None,
        judgements=run.judgements,
        metrics=run.metrics,
        diagnosis=run.diagnosis,
        restored=restored,
        changed=run.changed,
        hint=_hint(run, error, restored),
        detail=error.detail if error else (),
        warnings=tuple(run.warnings),
    )


def _steps(run: _Run, steps: tuple[Step, ...]) -> None:
    """Run steps; neighbours with one stage name are one stage to people."""
    stage, began, note = "", 0.0, ""
    try:
        for step in steps:
            if step.stage != stage:
                if stage:
                    _finish(run, stage, began, note)
                stage, began, note = step.stage, time.monotonic(), ""
                run.tell(Started(stage))
            run.stop.check()
            if run.doors.lease:
                run.doors.lease.check()
            note = _do(run, step) or note
            if run.proposed:  # the rest is for people, and a later run
                break
    except BaseException:
        _finish(run, stage, began, "", ok=False)
        raise
    if stage:
        _finish(run, stage, began, note)


def _finish(run: _Run, stage: str, began: float, note: str, *, ok: bool = True) -> None:
    seconds = time.monotonic() - began
    run.stages.append(Stage(stage, seconds, ok, note))
    run.tell(Finished(stage, seconds, ok, note))


def _do(run: _Run, step: Step) -> str:
    """One deed; the answer is what a person should know of it."""
    match step.deed:
        case Run(command):
            _program(run, step.stage, step.deed)
            run.changed |= not {"push", "--push", "imagetools"}.isdisjoint(command.argv)
            return ""
        case Pin(image):
            try:
                digest = run.doors.registry.digest(image)
            except PreflightError as error:  # it was pushed: that is no check before the first deed any more
                failure = BuildError(error.message, hint=error.hint)
                if isinstance(error, RegistryError):
                    failure.exit_code = error.refusal.exit_code
                raise failure from None
            if digest is None:
                raise BuildError(f"the registry does not have {image.tagged}, though it was pushed")
            if image.digest not in (None, digest):
                raise BuildError(f"the registry has {digest} as {image.tagged}, and not {image.digest}")
            run.image = replace(image, digest=digest)
            run.record = replace(run.record, image=run.image.reference)
            return digest
        case PullSecret(name):
            _pull_secret(run, name)
            run.changed = True
            return ""
        case Abandon():
            return _abandon(run, step.deed)
        case Upgrade():
            return _upgrade(run, step.stage, step.deed)
        case Rollback():
            return _rollback(run, step.stage, step.deed)
        case Commit(given, proposal):
            return _commit(run, given, proposal)
        case Revert(revision, commit):
            return _revert(run, revision, commit)
        case Sync(running):
            return _sync(run, running)
        case Uninstall():
            return _uninstall(run, step.stage)
        case Observe(guards, seconds):
            return _observe(run, guards, seconds)
        case Verify(stuck, healthy):
            outcome = _watched(run) if stuck == "told" else _freed(run, stuck)
            if outcome.verdict is Verdict.HEALTHY and healthy == "observed":
                run.judgements, run.rolled = outcome.judgements, outcome.rolled
                return _summary(outcome)
            return _judged(run, outcome)
        case Hold(seconds):
            return _judged(run, _watched(run, hold=seconds))
        case Routed(late):
            return _routed(run, late)
        case Clear():
            return _clear(run)


def _clear(run: _Run) -> str:
    """What may not be removed is a warning: the requests go elsewhere by now, and the verdict is still to come."""
    found = leftover.clear(run.cluster, run.plan.target.namespace, run.plan.release)
    run.changed |= bool(found.gone)
    for one in found.refused:
        _warn(run, f"the canary left {one}; remove it by hand")
    if found.gone:
        return f"removed {', '.join(found.gone)}"
    return "" if found.refused else "nothing was left"


def _program(run: _Run, stage: str, deed: Run) -> None:
    """Run a program until it succeeds, or has been tried often enough, or in vain."""
    for pause in (*deed.pauses, None):
        lines: list[str] = []

        def hear(text: str, lines: list[str] = lines) -> None:
            if deed.cache:
                lines.append(text)
            run.tell(Line(stage, text))

        try:
            run.doors.programs.run(deed.command, hear)
        except ProgramFailed as error:
            refused = _refused(run, deed, error) if deed.exit_code is ExitCode.BUILD else None
            failure = _failed(deed.failure, deed.exit_code, error, docker.advice(error.detail))
            if refused:
                failure = _failed(f"{deed.failure}: {refused.sentence}", refused.exit_code, error, refused.hint)
            again = refused.passes if refused else deed.again == "whatever"
            if pause is None or not again:
                raise failure from None
            wait = max(pause, refused.pause) if refused else pause
            said = refused.sentence if refused else (error.detail or (error.message,))[-1].strip()
            _warn(run, f"{deed.failure}: {said}; tried again after {wait:.0f} s")
            run.stop.wait(wait)
        else:
            for trouble in docker.cache_trouble(lines):
                _warn(run, f"{trouble}; the image is not the worse for it")
            return


def _refused(run: _Run, deed: Run, error: ProgramFailed) -> Refusal | None:
    """Why a registry made a program fail. docker hides much of what it is told: the registry is asked itself."""
    told = refusal.told(error.detail, run.doors.registry.url.partition("/")[0])
    pushed = deed.pushes and (
        deed.again == "whatever" or (told and told.host == deed.pushes.registry.partition("/")[0])
    )
    asked = run.doors.registry.refusal(deed.pushes) if pushed and deed.pushes else None
    return asked or told


def _warn(run: _Run, text: str) -> None:
    run.warnings.append(text)
    run.tell(Notice(text, Severity.WARNING))


def _abandon(run: _Run, left: Abandon) -> str:
    """Say so whatever comes next: somebody should know that a run was killed."""
    where, name = run.plan.target.namespace, run.plan.release
    if left.removed:
        storage.remove(run.cluster, where, name, left.revision)
    else:
        storage.fail(run.cluster, where, name, left.revision, f"Interrupted: a killed run left it {left.status}")
    run.changed = True
    became = "removed, so that helm installs again" if left.removed else "marked failed"
    _warn(run, f"a killed run left revision {left.revision} {left.status}: {became}")
    return f"revision {left.revision} {'removed' if left.removed else 'marked failed'}"


def _uninstall(run: _Run, stage: str) -> str:
    assert run.doors.helm is not None
    run.since = run.cluster.server_time()
    run.changed = True
    try:
        run.doors.programs.run(
            run.doors.helm.uninstall(timeout=run.profile.release.timeout), lambda line: run.tell(Line(stage, line))
        )
    except ProgramFailed as error:
        raise _helm_failed(run, "helm could not remove the release", error) from None
    return ""


def _upgrade(run: _Run, stage: str, deed: Upgrade) -> str:
    assert run.image is not None
    assert run.doors.helm is not None
    pull_secret = run.profile.registry.pull_secret if run.doors.login else None
    wanted = values.release(deed.values, run.image, pull_secret)
    text = values.text(canary.layered(deed.portion, wanted) if deed.portion else wanted)
    rendered = deed.rendered
    settings = run.profile.release
    chart = run.project / settings.chart
    run.since = run.cluster.server_time()
    command = run.doors.helm.upgrade(
        chart,
        text,
        timeout=settings.timeout,
        history_max=max(settings.history_max, deed.keep, deed.portion.keep if deed.portion else 0),
        wait="workloads" if rendered.waits else "hooks",
    )
    run.changed = True
    run.revision, run.portion = None, deed.portion
    with beside.watching(
        run.cluster,
        run.plan.target.namespace,
        rendered,
        since=run.since,
        timeout=settings.timeout,
        limits=run.profile.health,
        tell=run.tell,
    ) as doom:
        try:
            answer = run.doors.programs.read(command, lambda line: run.tell(Line(stage, line)), doom.found)
        except ProgramFailed as error:
            if not doom.last_word():
                failure = _helm_failed(run, "helm could not release the chart", error)
                run.refused = run.in_steps and failure.exit_code is ExitCode.FAILED
                raise failure from None
            assert doom.judgement is not None
            _explain(run, doom.judgement, doom.diagnosis)
            raise UnhealthyError(f"{doom.judgement.workload}: {doom.judgement.causes[0].message}") from None
    run.revision, run.manifest = release.upgraded(answer)
    return f"revision {run.revision}"


def _rollback(run: _Run, stage: str, deed: Rollback) -> str:
    revision = deed.revision
    settings, helm, programs = run.profile.release, run.doors.helm, run.doors.programs
    assert helm is not None
    run.since = run.cluster.server_time()
    command = helm.rollback(revision, timeout=settings.timeout, history_max=max(settings.history_max, deed.keep))
    run.changed = True
    run.portion = None
    try:
        programs.run(command, lambda line: run.tell(Line(stage, line)))
    except ProgramFailed as error:
        raise _helm_failed(run, f"helm could not put revision {revision} back", error) from None
    newest = storage.history(run.cluster, run.plan.target.namespace, run.plan.release)[-1]
    run.revision, run.manifest = newest.revision.number, newest.manifest
    return f"revision {run.revision} is what revision {revision} was"


def _routed(run: _Run, late: Literal["failed", "told"]) -> str:
    """Waits for a minute at most: what implements routes needs a moment, or is not there."""
    routes = [one for one in objects(run.manifest) if canary.is_route(one)]
    if not routes:
        return ""
    namespace, longest = run.plan.target.namespace, min(ROUTED, run.profile.release.timeout)
    try:
        taken_up = routing.settle(run.cluster, namespace, routes, timeout=longest, sleep=run.stop.wait)
    except (UnhealthyError, IndeterminateError) as error:
        if late == "told":
            _warn(run, error.message)
            return "the routes are not taken up yet"
        if isinstance(error, UnhealthyError):
            _record(run, rollout.Outcome(Verdict.FAILED, error.message, ()))
        raise
    return ", ".join(f"{one['kind']} {one['metadata']['name']} is taken up" for one in taken_up)


def _commit(run: _Run, given: Values, proposal: str) -> str:
    assert run.image is not None
    pulled, plan, record_ = run.pulled, run.plan, run.record
    pull_secret = run.profile.registry.pull_secret if run.doors.login else None
    files = pulled.files(values.release(given, run.image, pull_secret))
    subject, trailers = gitops.subject(plan, record_), gitops.trailers(plan, record_, pulled.chart())
    run.since = run.cluster.server_time()
    repository = pulled.repository
    repository.tell = run.tell
    if proposal:
        proposed = repository.propose(files, subject, trailers, proposal)
        if proposed:
            run.changed, run.proposed = True, proposal
            return f"proposed as branch {proposal}, commit {proposed.sha[:12]}"
        return _committed(run, None)
    return _committed(run, repository.commit(files, subject, trailers))


def _revert(run: _Run, revision: int, commit: str) -> str:
    pulled, plan = run.pulled, run.plan
    chart = pulled.chart()
    run.since = run.cluster.server_time()
    subject, trailers = gitops.subject(plan, run.record, revision), gitops.trailers(plan, run.record, chart, commit)
    pulled.repository.tell = run.tell
    note = _committed(run, pulled.repository.revert(commit, subject, trailers))
    return f"{note} is what revision {revision} was"


def _committed(run: _Run, change: "Change | None") -> str:
    """Go on with a commit; where there was nothing to commit, with the newest one: it is judged anew."""
    run.changed |= change is not None
    found = change or run.pulled.repository.history()[-1]
    run.revision, run.commit, run.manifest, run.unjudged = found.number, found.sha, "", ""
    run.record = replace(run.record, commit=found.sha)
    try:
        run.manifest = run.pulled.render(found.sha)
    except DeployError as error:  # it is pushed: to follow its sync is what is left
        run.unjudged = ": ".join(filter(None, (error.message, _cause(error.detail))))
    return f"revision {found.number}, commit {found.sha[:12]}" + ("" if change else ": it is there already")


def _sync(run: _Run, running: Literal["awaited", "ended"]) -> str:
    """Argo CD applies, and we look on: a part of the release that is doomed may keep its sync waiting for ever."""
    pulled, settings = run.pulled, run.profile.release
    door = pulled.application(run.cluster)
    ago = run.cluster.server_time() - run.since
    wanted = pulled.wanted(run.commit, door.cluster.server_time() - ago, running)
    rendered = replace(release.rendered(objects(run.manifest), first=False), waits=True, hooks=())
    deadline = time.monotonic() + settings.timeout
    with beside.watching(
        run.cluster,
        run.plan.target.namespace,
        rendered,
        since=run.since,
        timeout=settings.timeout,
        limits=run.profile.health,
        tell=lambda event: run.tell(event) if _news(event) else None,
    ) as doom:
        try:
            seen = door.follow(wanted, deadline=deadline, tell=run.tell, stop=lambda: doom.found() or run.stop.came())
        except ClusterError as error:
            seen = Seen("waiting", error.message, 0.0)
    run.stop.check()
    if seen.state == "waiting" and doom.judgement:
        _explain(run, doom.judgement, doom.diagnosis)
        words = f"{doom.judgement.workload}: {doom.judgement.causes[0].message}"
        _record(run, rollout.Outcome(Verdict.FAILED, words, run.judgements))
        raise UnhealthyError(words)
    if seen.state == "waiting" and pulled.gone(run.commit):
        seen = Seen("lost", "the branch was rewritten, and does not have it any more")
    for note in seen.notes:
        _warn(run, note)
    if seen.state == "synced" and run.unjudged:
        raise IndeterminateError(
            f"no verdict: {door.name} is synced to {run.commit[:12]}, but that cannot be read here: {run.unjudged}",
            hint=f"a key of sops may be missing here; `deploy status --env {run.plan.environment}` says how it is",
        )
    if seen.state == "synced":
        return f"{door.name} is synced to {run.commit[:12]}"
    raise _unsynced(run, door.name, seen)


def _news(event: Event) -> bool:
    """Before Argo CD has come to a workload there is nothing to say of it."""
    return not isinstance(event, Progress) or bool(event.judgement.causes or event.judgement.counts.desired)


def _unsynced(run: _Run, name: str, seen: Seen) -> DeployError:
    """Why Argo CD has not applied our commit. Only what the commit is to blame for is undone."""
    commit = f"commit {run.commit[:12]}"
    look = f"`deploy status --env {run.plan.environment}` says how it is"
    match seen.state:
        case "failed":
            message = f"Argo CD cannot apply {commit}: {seen.words}"
            _record(run, rollout.Outcome(Verdict.FAILED, message, ()))
            return UnhealthyError(message)
        case "refused" | "lost":
            return DeployError(
                f"Application {name} does not take {commit}: {seen.words}",
                hint="nothing was put back; mend that, and run again",
            )
        case "closed":
            return PausedError(
                f"{commit} is not applied: {seen.words}", hint=f"Argo CD applies it when the window opens; {look} then"
            )
    if seen.patience is None:
        return DeadlineError(
            f"{commit} is not applied after {run.profile.release.timeout:.0f} s: {seen.words}",
            hint="it may only be slow: raise release.timeout",
        )
    return IndeterminateError(
        f"no verdict: Argo CD has not applied {commit}: {seen.words}",
        hint=f"nothing was put back, and the commit stays: it is applied when Argo CD is well again; {look}",
    )


def _watched(
    run: _Run,
    *,
    timeout: float | None = None,
    limits: Limits | None = None,
    hold: float = 0.0,
    stop: Stop | None = None,
) -> rollout.Outcome:
    """Until a verdict. `timeout`: seconds, `limits`: else the profile's; `stop`: what may end it, else what ends the
    run."""
    try:
        return rollout.follow(
            run.cluster,
            run.plan.target.namespace,
            release.workloads(run.manifest),
            since=run.since,
            timeout=timeout or run.profile.release.timeout,
            limits=limits or run.profile.health,
            tell=run.tell,
            stop=stop or run.stop,
            hold=hold,
        )
    except Unreachable as error:  # it was away before there was anything to judge
        raise _verdict(rollout.Outcome(Verdict.INDETERMINATE, f"no verdict: {error.message}", ())) from None


@dataclass(frozen=True)
class _Sides:
    """Whose metrics are watched, and with whose they are compared."""

    workloads: tuple[Workload, ...]  # of the present side
    present: Side
    previous: Side | None


def _sides(run: _Run) -> _Sides:
    """The new pods and those before them; of a canary the new version's and, at the same moment, the stable one's."""
    plan, where = run.plan, run.plan.target.namespace
    workloads = release.workloads(run.manifest)
    deployments, _ = run.cluster.list(path("Deployment", where))
    replicasets, _ = run.cluster.list(path("ReplicaSet", where))
    if run.portion:
        number = run.portion.base.revision.number
        history = storage.history(run.cluster, where, plan.release)
        manifest = next((one.manifest for one in history if one.revision.number == number), "")
        new, stable = pods.apart(workloads, release.workloads(manifest))
        present = Side(plan.release, where, plan.environment, pods.present(new, deployments, replicasets), run.revision)
        beside = replace(present, pods=pods.present(stable, deployments, replicasets), revision=number)
        return _Sides(new, present, beside)
    now = pods.present(workloads, deployments, replicasets)
    present = Side(plan.release, where, plan.environment, now, run.revision)
    if plan.previous is None:
        return _Sides(workloads, present, None)
    then = pods.earlier(workloads, deployments, replicasets) if run.rolled else now
    return _Sides(workloads, present, replace(present, pods=then, revision=plan.previous, at=run.since))


def _observe(run: _Run, guards: tuple[Guard, ...], seconds: float) -> str:
    """Watch the metrics, and the pods all the while: ready ones may die, and what the metrics say is no excuse."""
    assert run.doors.prometheus is not None
    sides, lease = _sides(run), run.doors.lease

    def rest(pause: float) -> None:
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            run.stop.wait(min(ALIVE, left))
            if health.done() and health.result().verdict is not Verdict.HEALTHY:
                _judged(run, health.result())

    with rollout.following(lambda over: _watched(run, hold=seconds, stop=over)) as health:
        watched = metricguard.watch(
            run.doors.prometheus.query,
            guards,
            sides.present,
            sides.previous,
            duration=seconds,
            tell=run.tell,
            alive=lease.check if lease else lambda: None,
            sleep=rest,
        )
        run.metrics = watched.readings
        while watched.verdict is not Verdict.FAILED and not health.done():
            rest(ALIVE)
    for warning in (*watched.warnings, *(one for one in run.doors.prometheus.warned if one not in run.warnings)):
        run.tell(Notice(warning, Severity.WARNING))
        if warning not in run.warnings:
            run.warnings.append(warning)
    if watched.verdict is Verdict.FAILED:
        seen = _watched(run, timeout=min(GLANCE, run.profile.release.timeout))
        where, now = run.plan.target.namespace, sides.present.pods
        return _judged(run, rollout.breached(run.cluster, where, watched, sides.workloads, now, seen, since=run.since))
    outcome = health.result()
    if outcome.verdict is not Verdict.HEALTHY:
        return _judged(run, outcome)
    if watched.verdict is Verdict.INDETERMINATE:
        if run.profile.metrics.unreachable == "indeterminate":
            return _judged(run, replace(outcome, verdict=Verdict.INDETERMINATE, headline=watched.headline))
        _warn(run, watched.headline)
    _judged(run, outcome)
    return watched.headline


def _freed(run: _Run, stuck: Literal["awaited", "deleted"]) -> rollout.Outcome:
    """Until a verdict; the pods that a StatefulSet waits for in vain are deleted on the way, each of them once.

    A rollback knows that they are of the version that failed. Before another version they are deleted only where they
    are broken for a while: one that runs and is not ready may be at work.
    """
    back, gone = stuck == "deleted", set[str]()
    limits = run.profile.health
    if back:
        limits = replace(limits, trap=min(TRAP, limits.trap), trap_cap=0)
    while True:
        outcome = _watched(run, limits=limits)
        ill = {pod["metadata"]["name"] for pod in outcome.snapshot.of("Pod") if back or broken(pod)}
        trapped = [pod for pod in _trapped(outcome) if pod in ill - gone]
        if not trapped:
            return outcome
        for pod in trapped:
            try:
                run.cluster.delete(path("Pod", run.plan.target.namespace, pod))
            except Forbidden as error:
                _warn(run, f"pod {pod} keeps its StatefulSet from rolling, and cannot be deleted: {error.message}")
                return outcome
            run.tell(Notice(f"pod {pod} is broken and keeps its StatefulSet from rolling{' back' * back}: deleted"))
            gone.add(pod)


def _trapped(outcome: rollout.Outcome) -> tuple[str, ...]:
    """Pods that a StatefulSet waits for in vain."""
    causes = [cause for judgement in outcome.judgements for cause in judgement.causes]
    return tuple(pod for cause in causes if cause.rule == "rollback_trap" for pod in cause.pods)


def _judged(run: _Run, outcome: rollout.Outcome) -> str:
    run.judgements = outcome.judgements
    warnings = dict.fromkeys(warning for judgement in outcome.judgements for warning in judgement.warnings)
    run.warnings += [one for one in warnings if one not in run.warnings]  # a step of the canary before had it too
    run.rolled = outcome.rolled or run.in_steps
    _record(run, outcome)
    if outcome.verdict is Verdict.HEALTHY:
        return _summary(outcome)
    run.diagnosis = outcome.diagnosis
    if outcome.diagnosis:
        run.tell(Diagnosed(outcome.diagnosis))
    raise _verdict(outcome)


def _summary(outcome: rollout.Outcome) -> str:
    return "; ".join(judgement.summary for judgement in outcome.judgements)


def _record(run: _Run, outcome: rollout.Outcome) -> None:
    """The next `rollback` asks for it. A record that cannot be written is a warning: the rollout is what it is."""
    if run.revision is None or outcome.verdict is Verdict.INDETERMINATE:
        return
    healthy = outcome.verdict is Verdict.HEALTHY
    cause = "" if healthy else run.doors.mask(outcome.headline)
    where, seconds = run.plan.target.namespace, time.monotonic() - run.began
    try:
        made = replace(
            run.record,
            verdict="canary" if healthy and run.portion else str(outcome.verdict),
            cause=cause,
            began=_utc(run.cluster.server_time() - seconds),
            seconds=round(seconds, 1),
        )
        if made.commit:
            most = run.profile.release.history_max
            record.write_committed(run.cluster, where, run.plan.release, run.revision, made, most)
        else:
            record.write(run.cluster, where, run.plan.release, run.revision, made)
    except ClusterError as error:
        run.warnings.append(f"the verdict is not on record: {error.message}")


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _explain(run: _Run, judgement: Judgement, diagnosis: Diagnosis | None) -> None:
    run.judgements, run.diagnosis = (judgement,), diagnosis
    if diagnosis:
        run.tell(Diagnosed(diagnosis))


def _verdict(outcome: rollout.Outcome) -> DeployError:
    match outcome.verdict:
        case Verdict.PAUSED:
            return PausedError(outcome.headline, hint="kubectl rollout resume lets it go on")
        case Verdict.INDETERMINATE:
            return IndeterminateError(
                outcome.headline,
                hint="nothing was rolled back; `deploy status` tells how it stands once the cluster answers",
            )
        case Verdict.PROGRESSING:
            return DeadlineError(
                outcome.headline, hint="it may only be slow: see `deploy status`, or raise release.timeout"
            )
        case _:
            return UnhealthyError(outcome.headline)


def _recover(run: _Run) -> int | None:
    """Put the good revision back; the revision that serves again, or None."""
    plan, judgements, failed = run.plan, run.judgements, (run.revision, run.commit, run.portion)
    deeds = [step.deed for step in plan.recovery if isinstance(step.deed, Rollback | Revert)]
    if not deeds:
        return None
    good, diagnosis = deeds[0].revision, run.diagnosis
    run.record = plan.restores
    try:
        _steps(run, plan.recovery)
        return good
    except Interrupted as error:
        error.hint = f"revision {good} was being put back: `deploy rollback --env {plan.environment}` does so"
        raise
    except DeployError as error:
        _warn(run, f"revision {good} could not be put back: {error.message}")
        return None
    finally:
        run.judgements, run.diagnosis, (run.revision, run.commit, run.portion) = judgements, diagnosis, failed


def _hint(run: _Run, error: DeployError | None, restored: int | None) -> str | None:
    if restored is not None:
        return f"revision {restored} serves again; deploy anew when the cause is mended"
    if isinstance(error, Interrupted):
        return error.hint or _left(run)
    if not isinstance(error, UnhealthyError | DeadlineError):
        said = (error.hint if error else None, _left(run) if error and run.portion else None)
        return "; ".join(filter(None, said)) or None
    target, name = run.plan.target, run.plan.release
    if run.commit:
        return (
            f"the commit is left in place; `deploy rollback --env {run.plan.environment}` goes back to the last "
            "good one, where there is one"
        )
    if run.plan.previous is None:
        return (
            "the first revision has nothing before it, so it is left in place; remove it with: "
            f"helm uninstall {name} --namespace {target.namespace} --kube-context {target.context}"
        )
    return (
        f"the failed revision is left in place; `deploy rollback --env {run.plan.environment}` puts the last good back"
    )


def _left(run: _Run) -> str:
    """What a run leaves behind that did not come to its end."""
    if run.portion:
        env, weight = run.plan.environment, f"{run.portion.weight} % of the requests"
        what = "helm was about to release" if run.revision is None else f"revision {run.revision} is"
        how = f"`deploy up --env {env}` goes on with it, `deploy rollback --env {env}` takes it back"
        return f"{what} a canary with {weight}: {how}"
    if run.commit:
        return (
            f"commit {run.commit[:12]} is pushed, but was not watched to the end: Argo CD applies it all the same, and "
            f"`deploy status --env {run.plan.environment}` says how it is"
        )
    if run.revision is not None:
        return (
            f"revision {run.revision} is released, but was not watched to the end: "
            f"`deploy status --env {run.plan.environment}` says how it is"
        )
    if run.plan.verb == "build":
        return "maybe the image was pushed: `deploy build` again finds out" if run.stages else "nothing was built"
    if run.plan.verb == "down":
        return (
            "helm was stopped: maybe a part is removed; `deploy down` again ends it"
            if run.since
            else "nothing was removed"
        )
    if run.since and run.profile.delivery == "argocd":
        return f"maybe the commit was pushed: `deploy status --env {run.plan.environment}` tells"
    if run.since:
        return "helm was stopped, so its newest revision may be marked failed; `deploy up` again mends that"
    return "the release was not touched" + (
        "; an image was pushed" if "push" in [stage.name for stage in run.stages if stage.ok] else ""
    )


def _helm_failed(run: _Run, message: str, error: ProgramFailed) -> DeployError:
    """As `_failed`; where the API server is away, helm may not have been able to say how its revision ended."""
    failure = _failed(message, ExitCode.FAILED, error)
    try:
        run.cluster.version()
    except Unreachable:
        failure.exit_code = ExitCode.INDETERMINATE
    except ClusterError:
        pass
    if failure.exit_code is ExitCode.INDETERMINATE or error.code < 0:
        failure.hint = f"nothing was put back; `deploy {run.plan.verb}` again mends what helm has left"
    return failure


def _failed(message: str, exit_code: ExitCode, error: ProgramFailed, hint: str | None = None) -> DeployError:
    cause = _cause(error.detail) or (error.message if error.code < 0 else "")
    failure = DeployError(f"{message}: {cause}" if cause else message, detail=error.detail[-25:], hint=hint)
    failure.exit_code = exit_code
    return failure


def _cause(detail: tuple[str, ...]) -> str:
    """helm says what counts last, behind this word; docker's last word is only the step that failed."""
    return next((line[7:] for line in reversed(detail) if line.startswith("Error: ")), "")


def _done(run: _Run) -> str:
    name = f"{run.plan.release} in {run.plan.target.namespace}"
    if run.plan.verb == "build":
        assert run.image is not None
        return f"{run.image.tagged} is {'built and pushed' if run.changed else 'in the registry already'}"
    if run.plan.kept:
        return f"{name} is unchanged: healthy at revision {run.revision}"
    if run.plan.verb == "down":
        return f"{name} is removed" if run.changed else f"there is no release {name}"
    if run.proposed:
        return f"{name} is proposed as branch {run.proposed}: merge it, and Argo CD applies it"
    unchanged = "" if run.rolled else "; no pod was rolled"
    return f"{name} is healthy at revision {run.revision}{unchanged}"


def _pull_secret(run: _Run, name: str) -> None:
    login, namespace = run.doors.login, run.plan.target.namespace
    assert login is not None
    pullsecret.apply(run.cluster, namespace, name, run.doors.registry.url, login)
    run.tell(Notice(f"image pull secret {name} is up to date in {namespace}"))
