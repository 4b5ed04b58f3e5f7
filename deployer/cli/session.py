"""What every verb needs first: the profile, its variables, the programs, and somebody who tells."""

import base64
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deployer import ci, credentials, delivery, dockerconfig, evidence, lock, notes, prometheus, sops, telemetry
from deployer.checks import Checks, target
from deployer.cli import jobs
from deployer.cli.jobs import NONE, Reports
from deployer.cli.options import Output
from deployer.cli.streams import answer, bare, hide
from deployer.cluster import Cluster
from deployer.commands import docker
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.delivery import Delivery
from deployer.errors import DeployError, ExitCode, Interrupted, PreflightError, UsageError
from deployer.lock import Claim, Lease
from deployer.mask import Mask
from deployer.model import Command, Job, Target, Values
from deployer.plan import values
from deployer.plan.steps import Plan
from deployer.process import Programs
from deployer.profile import Profile, load
from deployer.profile.schema import FleetTarget, seconds
from deployer.prometheus import Prometheus
from deployer.report import annotations, document, words
from deployer.report.plain import Plain
from deployer.result import Event, Result
from deployer.sops import Opened, Sops
from deployer.telemetry.context import Context, context
from deployer.values import layers
from deployer.values.assign import shown
from deployer.values.layers import Layer

if TYPE_CHECKING:
    from deployer.report.terminal import Terminal


@dataclass(frozen=True)
class Session:
    """One environment, read and ready to be worked on."""

    project: Path
    environment: str
    profile: Profile
    target: Target
    programs: Programs
    login: Login | None
    secrets: dict[str, str] = field(repr=False)  # path in the values: secret
    mask: Mask
    job: Job
    variables: Mapping[str, str] = field(repr=False)  # of the job and of .env, secret ones among them
    prometheus: Prometheus | None  # None where no metrics are watched
    opened: tuple[Opened, ...] | DeployError  # the decrypted files, or why they cannot be: only a release needs them
    delivery: Delivery
    trace: Context = field(default_factory=lambda: context(None))
    beside: Path | None = None  # the folder of the run, where the project is what a bundle holds
    own: tuple[Layer, ...] = ()  # the values of one target of many
    program: Helm | None = None  # found already, for another target

    def values(self, assignments: Sequence[str]) -> Values:
        """The values of a release. Raises DeployError where a file of secrets cannot be decrypted.

        Where Argo CD delivers they are without what such a file holds.
        """
        if isinstance(self.opened, DeployError):
            raise self.opened
        given = self.opened if self.profile.delivery == "helm" else ()
        decrypted = [one.layer for one in given]
        return values.effective(self.profile, self.secrets, assignments, decrypted, self.own)

    def at(self, one: FleetTarget) -> "Session":
        """The same for one of the environment's targets."""
        from deployer.plan import fleet as fleets  # only an environment of many targets pays for it

        profile = fleets.at(self.profile, one)
        own = layers.everywhere(layers.TARGET, one.values, f"target {one.name}")
        there = replace(target(self.here, profile), name=one.name)
        return replace(
            self,
            profile=profile,
            target=there,
            own=(own,),
            delivery=self.delivery.at(profile, there),
            trace=self.trace.below(),
        )

    def told(self, result: Result) -> Result:
        """The result, once those who observe were told of it. Whom it could not be told is a warning in it."""
        try:
            missing = telemetry.tell(self.mask.through(result), self.profile, self.here, self.trace, self.variables)
        except Interrupted:  # the run is over: what it came to counts
            return result
        return replace(result, warnings=(*result.warnings, *missing))

    def told_above(self, result: Result) -> Sequence[str]:
        """Tell of a run on many targets, once each has told of itself. The answer: whom it could not be told."""
        try:
            return telemetry.tell_above(self.mask.through(result), self.profile, self.trace, self.variables)
        except Interrupted:
            return ()

    @property
    def here(self) -> Path:
        """Where the files are that belong to the run, and to no bundle: kubeconfig, freeze file, marks of telemetry."""
        return self.beside or self.project

    @property
    def secret_paths(self) -> tuple[str, ...]:
        """Where in the values a secret stands: those by name, and those of the decrypted files."""
        opened = () if isinstance(self.opened, DeployError) else self.opened
        found = (shown(path) for one in opened for path in one.paths)
        return (*self.secrets, *found)

    def learn(self, secrets: Sequence[str]) -> None:
        """Hide these too, wherever the run writes."""
        self.mask.learn(secrets)
        hide(secrets)

    def learn_held(self, cluster: Cluster, labels: str | None = None) -> None:
        """Hide what the namespace's Secrets hold: an old revision's are in no file any more."""
        held = evidence.secrets(cluster, self.target.namespace, labels)
        self.learn(held.texts)
        if held.warning:
            print(f"warning: {held.warning}", file=sys.stderr, flush=True)  # noqa: T201

    def learn_released(self, cluster: Cluster) -> None:
        """Hide what the release's own Secrets hold: its newest revision may have had others than the files name now."""
        self.learn_held(cluster, f"app.kubernetes.io/instance={self.profile.release.name}")

    @property
    def checks(self) -> Checks:
        """The checks before the first deed."""
        return Checks(
            self.environment,
            self.project,
            self.profile,
            self.target,
            self.programs,
            self.job,
            self.delivery,
            self.login,
            self.variables,
            self.prometheus,
            self.program,
            self.here,
        )

    @property
    def attended(self) -> bool:
        """Whether somebody sits at a terminal, who can be asked and need not be made to wait."""
        return not self.job.platform and sys.stdin.isatty() and sys.stderr.isatty()

    def lease(self, cluster: Cluster, verb: str, tell: Callable[[Event], None]) -> AbstractContextManager[Lease]:
        """The release, for this run alone. Raises LockedError where another run has it, and does not give it up."""
        lease = self.profile.lock
        claim = Claim(self.environment, verb, self.job, lease.ttl, 0 if self.attended else lease.wait)
        name, stop = self.profile.release.name, self.programs.stop
        return lock.held(cluster, self.target.namespace, name, claim, tell, stop)


@contextmanager
def session(
    project: Path,
    environment: str,
    env_file: Path | None,
    *,
    timeout: str | None = None,
    secrets_are: Literal["demanded", "optional"] = "demanded",
    many: bool = False,
    one: str | None = None,
    beside: Path | None = None,
) -> Iterator[Session]:
    """Read an environment; its private files are gone when the session ends.

    `secrets_are` demanded: UsageError where a variable that `secrets:` names is not set. A build needs none of them.
    `many`: the verb knows what to do with an environment of many targets. `one`: the target that it is to be, of such.
    `beside`: the folder of the run, where the project is a bundle's.
    """
    project, beside = project.resolve(), beside and beside.resolve()
    known = known_variables(project, env_file)
    profile = load(project, environment, known)
    if timeout is not None:
        release = profile.release.model_copy(update={"timeout": limit(timeout)})
        profile = profile.model_copy(update={"release": release})
    registry = profile.registry
    login = credentials.login(registry.username_variable, registry.password_variable, known)
    git = _git_login(profile, known)
    if secrets_are == "demanded":
        credentials.require(tuple(profile.secrets.values()), known, what="secrets:")
    secrets = {path: known[name] for path, name in profile.secrets.items() if known.get(name)}
    opened: tuple[Opened, ...] | DeployError
    try:
        opened = decrypted(project, environment, profile, known)
    except DeployError as error:
        opened = error
    asked = prometheus.connect(profile, known)
    shown_to = _shown_to(profile)
    named = (known[name] for name in shown_to if known.get(name))
    mask = Mask([*secrets.values(), *sops.key_lines(known), *credentials.sensitive(known), *named])
    if asked:
        mask.learn(text.partition(" ")[2] for key, text in asked.headers.items() if key == "Authorization")
    if login:
        mask.learn([login.password, base64.b64encode(f"{login.username}:{login.password}".encode()).decode()])
    if git:
        mask.learn([git.password, base64.b64encode(f"{git.username}:{git.password}".encode()).decode()])
    if not isinstance(opened, DeployError):
        mask.learn(secret for one in opened for secret in one.secrets)
    hide(mask.known)
    _tell_ci(mask)
    with _masked(mask), ExitStack() as stack:
        environ, trace = dict(os.environ), context(os.environ.get("TRACEPARENT"))
        if profile.telemetry.otlp:
            environ["TRACEPARENT"] = trace.traceparent
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="deploy-"))
            if login:
                host = registry.url.partition("/")[0]
                environ |= stack.enter_context(dockerconfig.private(Path(folder), os.environ, {host: login}))
        except OSError as error:
            raise PreflightError(
                f"temporary files cannot be written to {tempfile.gettempdir()}: {error.strerror or error}",
                hint="make room there, or name another folder in TMPDIR",
            ) from None
        programs, job = Programs(environ, withheld(known, profile)), ci.job(os.environ)
        there = target(beside or project, profile)
        made = Session(
            project=project,
            environment=environment,
            profile=profile,
            target=there,
            programs=programs,
            login=login,
            secrets=secrets,
            mask=mask,
            job=job,
            variables=known,
            opened=opened,
            delivery=delivery.of(profile, environment, project, there, programs, job, known, opened, stack, git),
            prometheus=asked,
            trace=trace,
            beside=beside,
        )
        yield made if many else _alone(made, one)


def _alone(made: Session, one: str | None) -> Session:
    """The session of one target; all of an environment that has no others. Raises UsageError where that is not said."""
    targets, environment = made.profile.targets, made.environment
    if targets and one is None:
        raise UsageError(
            f"environment `{environment}` has {len(targets)} targets, and this is for one",
            hint="name it with --target, where the verb has it; `up`, `status` and `rollback` work on all",
        )
    if one is None:
        return made
    from deployer.plan import fleet as fleets

    return made.at(fleets.chosen(made.profile, environment, [one], [])[0])


def _git_login(profile: Profile, known: Mapping[str, str]) -> Login | None:
    """The login of the configuration repository, where there is one."""
    match profile.delivery:
        case "helm":
            return None
        case "argocd":
            names = (profile.argocd.username_variable, profile.argocd.password_variable)
            return credentials.login(*names, known, what="the login of the configuration repository")


def known_variables(project: Path, env_file: Path | None) -> Mapping[str, str]:
    """The job's variables over those of .env; those that are secrets by their name are hidden from now on.

    Raises UsageError where the file that was named is not there.
    """
    if env_file and not env_file.exists():
        raise UsageError(f"there is no --env-file {env_file}")
    known = credentials.variables(env_file or project / ".env", os.environ)
    hide(credentials.sensitive(known))
    return known


def decrypted(project: Path, environment: str, profile: Profile, known: Mapping[str, str]) -> tuple[Opened, ...]:
    """The environment's encrypted files; what was secret in them is hidden from now on. Raises as `Sops.open` does."""
    programs = sops.keyed(Programs(os.environ, withheld(known, profile)), known)
    door = Sops(profile.tools.sops, programs, project)
    opened = door.open(sops.files(project, environment, profile.secret_files))
    hide(secret for one in opened for secret in one.secrets)
    return opened


def withheld(known: Mapping[str, str], *profiles: Profile) -> frozenset[str]:
    """The variables that no program is given: what these profiles name as secret, and what leads to an age key."""
    names = {notes.TOKEN, *sops.keys(known)}
    for one in profiles:
        passwords = (one.registry.password_variable, one.argocd.password_variable)
        names |= {name for name in (*passwords, *one.secrets.values(), *_shown_to(one)) if name}
    return frozenset(names)


def _shown_to(profile: Profile) -> tuple[str, ...]:
    """The variables with which Prometheus, and those who observe, are asked."""
    return (*prometheus.variables(profile), *telemetry.variables(profile))


def _tell_ci(mask: Mask) -> None:
    """GitHub's runner hides what it is told to, and eats the line that tells it; in a file the line would stay."""
    lines = list(annotations.masks(mask.known, os.environ))
    if lines and not stat.S_ISREG(os.fstat(2).st_mode):
        print("\n".join(lines), file=bare(sys.stderr), flush=True)


@contextmanager
def _masked(mask: Mask) -> Iterator[None]:
    """An error may quote what a program said: a chart says which value it does not take."""
    try:
        yield
    except DeployError as error:
        error.message = mask(error.message)
        error.hint = error.hint and mask(error.hint)
        error.detail = tuple(map(mask, error.detail))
        raise


def limit(timeout: str | None) -> float:
    """The seconds that --timeout gives. Raises UsageError where it gives none."""
    try:
        longest = float(seconds(timeout))
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from None
    if not longest:
        raise UsageError(f"--timeout: `{timeout}` is no time at all")
    return longest


def login_command(run: Session) -> Command | None:
    """What logs docker in to the environment's registry; None where it has no login."""
    if run.login is None:
        return None
    return docker.login(run.profile.tools.docker, run.profile.registry.url, run.login.username, run.login.password)


def alive(output: Output) -> bool:
    """Whether stderr is a screen that can be drawn on, and somebody looks at it."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
    return terminal and output is Output.TEXT


def teller(mask: Mask, output: Output, *, verbose: bool) -> "Plain | Terminal":
    """Who tells the run: a live screen on a terminal, lines elsewhere. Always on stderr."""
    if alive(output):
        from deployer.report.terminal import Terminal  # rich takes a tenth of a second that CI need not pay

        return Terminal(mask, verbose=verbose)
    return Plain(
        lambda line: print(mask(line), file=sys.stderr, flush=True),  # noqa: T201
        verbose=verbose,
        platform=ci.job(os.environ).platform,
    )


def show(result: Result, mask: Mask, output: Output, reports: Reports = NONE) -> int:
    """The answer on stdout, annotations for CI on stderr, reports and facts for its next job; the exit code."""
    result = mask.through(result)
    jobs.ended(result, mask, reports)
    for line in annotations.lines(result, os.environ):
        print(mask(line), file=sys.stderr)  # noqa: T201
    if output is Output.JSON:
        answer(document.result(result), mask)
    else:
        for line in words.outcome(result):
            echo(line, mask)
    return int(result.exit_code)


def show_plan(plan: Plan, mask: Mask, output: Output) -> int:
    """What would be done, on stdout."""
    if output is Output.JSON:
        answer(document.plan(plan), mask)
    else:
        echo("\n".join(words.plan(plan)), mask)
    return int(ExitCode.OK)


def echo(text: str, mask: Mask) -> None:
    """A part of the answer, on stdout."""
    print(mask(text), flush=True)  # noqa: T201


@contextmanager
def answering(verb: str, environment: str | None, output: Output, reports: Reports = NONE) -> Iterator[None]:
    """An error before the first deed is an answer too: under JSON, stdout carries it; then it goes on its way."""
    writable = Reports(reports.project)
    try:
        reports.demand()
        writable = reports
        yield
    except DeployError as error:
        jobs.refused(verb, environment, error, writable)
        if output is Output.JSON:
            answer(document.error(verb, environment, error), Mask())
        raise
