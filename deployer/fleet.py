"""The same deed on many targets: threads over the path of a single one. What comes next is decided in plan/fleet.py."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from deployer import cluster
from deployer.errors import DeployError, ExitCode, Interrupted
from deployer.model import Image, Target
from deployer.plan import fleet as plans
from deployer.plan.fleet import Fleet, Gate, Outcome, Over, Start, State, Wait, Wave
from deployer.result import Event, Result
from deployer.stop import Stop

LOOK = 0.5
"""Seconds after which the main thread looks up from its wait: a signal is handled between two looks."""


@dataclass(frozen=True)
class Ended:
    """How one target ended, or its last try so far."""

    target: str
    wave: str
    outcome: Outcome
    code: ExitCode
    message: str
    seconds: float  # of all its tries
    tries: int
    result: Result | None = None  # of its last try that came to a deed; None: no try did
    error: DeployError | None = None
    changed: bool = False  # whether any of its tries touched anything
    final: bool = True  # False: it will be tried again


@dataclass(frozen=True)
class Waved:
    """A wave begins."""

    wave: Wave
    number: int  # from 1
    of: int


@dataclass(frozen=True)
class Turn:
    """A target's turn has come."""

    target: str
    tries: int


@dataclass(frozen=True)
class Said:
    """A target's run tells something."""

    target: str
    event: Event


@dataclass(frozen=True)
class Paused:
    """Nothing is started for a while."""

    wave: str  # the one that is over
    seconds: float


@dataclass(frozen=True)
class Stopped:
    """Nothing new is started any more."""

    why: str
    running: int


Told = Waved | Turn | Said | Ended | Paused | Stopped


@dataclass(frozen=True)
class Rolled:
    """How it ended on all targets."""

    fleet: Fleet
    code: ExitCode
    seconds: float
    ended: tuple[Ended, ...]  # in the order of the fleet
    left: tuple[str, ...] = ()  # whose turn never came
    stopped: str = ""  # why
    image: Image | None = None  # what all of them were to run
    supplied: bool = False  # whether that had to be put into the registry

    @property
    def changed(self) -> bool:
        """Whether anything in the registry or a cluster was touched."""
        return self.supplied or any(one.changed for one in self.ended)


def after(earlier: Ended | None, one: Ended) -> Ended:
    """A try together with the ones before it.

    Who failed and cannot be reached now has failed, and nobody knows what serves there. What an earlier try touched
    stays touched, and what it came to is told where this one came to nothing.
    """
    if earlier is None:
        return one
    seconds, changed = earlier.seconds + one.seconds, earlier.changed or one.changed
    if one.outcome is Outcome.OFFLINE and earlier.outcome is Outcome.FAILED:
        told = "" if earlier.message.endswith(one.message) else f"; then {one.message}"
        return replace(earlier, message=earlier.message + told, seconds=seconds, tries=one.tries)
    outcome = Outcome.DONE if one.outcome is Outcome.UNCHANGED and changed else one.outcome
    return replace(one, outcome=outcome, seconds=seconds, changed=changed, result=one.result or earlier.result)


def roll(
    fleet: Fleet,
    deed: Callable[[str, Callable[[Event], None]], Result],
    offline: Callable[[str], DeployError | None],
    tell: Callable[[Told], None],
    agreed: Callable[[Wave, Wave], str],
    stop: Stop,
    image: Image | None = None,
) -> Rolled:
    """Do the deed on each target, in the fleet's order and within its bounds. A signal ends all of it, and is no error.

    `deed` is the whole of one target, and raises DeployError where it ends before its first change. `offline` says
    why a target is not there. `agreed`: the end of one wave and the next → why the gate stays shut, or nothing.
    """
    return replace(_Roll(fleet, deed, offline, tell, agreed, stop).run(), image=image)


def offline(target: Target, patience: float) -> DeployError | None:
    """Why the API server of a target is not there; None where it answers, whatever it says. `patience` in seconds."""
    door = cluster.connect(target.kubeconfig, target.context, connect_timeout=patience, read_timeout=patience)
    try:
        door.version()
    except cluster.Unreachable as error:
        return error if error.away else None
    except cluster.ClusterError:
        return None
    finally:
        door.close()
    return None


class _Roll:
    def __init__(
        self,
        fleet: Fleet,
        deed: Callable[[str, Callable[[Event], None]], Result],
        offline: Callable[[str], DeployError | None],
        tell: Callable[[Told], None],
        agreed: Callable[[Wave, Wave], str],
        stop: Stop,
    ) -> None:
        self._fleet, self._deed, self._offline = fleet, deed, offline
        self._tell, self._agreed, self._stop = tell, agreed, stop
        self._state = State()
        self._results: dict[str, Ended | BaseException] = {}  # of those that run no more, until the main thread looks
        self._news = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._ended: dict[str, Ended] = {}
        self._begun: set[str] = set()
        self._interrupted: Interrupted | None = None
        self._bug: BaseException | None = None

    def run(self) -> Rolled:
        """Until nothing runs and nothing is to be started."""
        began = time.monotonic()
        while True:
            try:
                if self._step():
                    break
            except Interrupted as error:
                if self._interrupted:
                    self._leave()
                    break
                self._interrupt(error)
        if self._bug:
            raise self._bug
        code = self._interrupted.exit_code if self._interrupted else plans.verdict(self._fleet, self._state)
        return Rolled(
            fleet=self._fleet,
            code=code,
            seconds=time.monotonic() - began,
            ended=tuple(self._ended[name] for name in self._fleet.targets if name in self._ended),
            left=plans.left(self._fleet, self._state),
            stopped=self._state.stopped,
        )

    def _step(self) -> bool:
        """One step; whether it was the last."""
        match plans.step(self._fleet, self._state):
            case Start(targets):
                for name in targets:
                    self._begin(name)
            case Wait():
                self._news.wait(LOOK)
                self._news.clear()
                for name in self._state.running & self._results.keys():
                    self._take(name, self._results[name])
                    del self._results[name]
            case Gate(wave, following):
                self._pass(wave, following)
            case Over():
                return True
        return False

    def _begin(self, name: str) -> None:
        wave = next(one for one in self._fleet.waves if name in one.targets)
        if wave.name not in self._begun:
            self._begun.add(wave.name)
            self._tell(Waved(wave, self._fleet.waves.index(wave) + 1, len(self._fleet.waves)))
        state = self._state.began(name)
        tries = state.tries[name]
        self._tell(Turn(name, tries))
        self._threads[name] = threading.Thread(
            target=self._work, args=(name, wave.name, tries), name=f"target {name}", daemon=True
        )
        self._state = state
        self._threads[name].start()

    def _work(self, name: str, wave: str, tries: int) -> None:
        """A thread's whole life. What goes wrong in it is told, or is a bug for the main thread to raise."""
        try:
            self._results[name] = self._tried(name, wave, tries)
        except BaseException as error:
            self._results[name] = error
        self._news.set()

    def _tried(self, name: str, wave: str, tries: int) -> Ended:
        began = time.monotonic()
        outcome, code, message = Outcome.FAILED, ExitCode.OK, ""
        result: Result | None = None
        error: DeployError | None = None
        try:
            if error := self._offline(name):
                outcome, code, message = Outcome.OFFLINE, ExitCode.PREFLIGHT, error.message
            else:
                result = self._deed(name, lambda event: self._tell(Said(name, event)))
                code, message = result.exit_code, result.message
                if not code:
                    outcome = Outcome.UNCHANGED if result.plan.kept and not result.changed else Outcome.DONE
        except DeployError as problem:
            error, code, message = problem, ExitCode(problem.exit_code), problem.message
            if gone := self._gone(name, problem):
                error, outcome, code, message = gone, Outcome.OFFLINE, ExitCode.PREFLIGHT, gone.message
        changed, seconds = bool(result and result.changed), time.monotonic() - began
        one = Ended(name, wave, outcome, code, message, seconds, tries, result, error, changed=changed)
        return after(self._ended.get(name), one)

    def _gone(self, name: str, problem: DeployError) -> DeployError | None:
        """Why a target is not there any more: it may have gone since it was asked, and nothing of it was touched."""
        if isinstance(problem, Interrupted):
            return None
        try:
            return self._offline(name)
        except DeployError:  # nobody can ask, as before
            return None

    def _take(self, name: str, one: Ended | BaseException) -> None:
        if isinstance(one, BaseException):
            self._bug = one
            self._stop.set(signal.SIGTERM)
            self._state = plans.ended(self._fleet, self._state.stop("a bug"), name, Outcome.FAILED)
            return
        before = self._state.stopped
        state = plans.ended(self._fleet, self._state, name, one.outcome, one.code)
        self._ended[name] = replace(one, final=name not in state.again)
        self._state = state
        self._tell(self._ended[name])
        if state.stopped and not before:
            self._tell(Stopped(state.stopped, len(state.running)))

    def _pass(self, wave: Wave, following: Wave) -> None:
        shut = plans.unproven(self._fleet, self._state, wave) if wave.gate == "healthy" else ""
        if not shut and wave.pause:
            self._tell(Paused(wave.name, wave.pause))
            time.sleep(wave.pause)
        if not shut and wave.gate == "ask":
            shut = self._agreed(wave, following)
        if shut:
            self._state = self._state.stop(shut)
            self._tell(Stopped(shut, 0))
        else:
            self._state = self._state.through(wave.name)

    def _leave(self) -> None:
        """A second signal: nobody waits any more. What is at work may have touched something."""
        assert self._interrupted
        for name in self._state.running & self._results.keys():
            self._take(name, self._results.pop(name))
        for name in self._state.running:
            wave, tries = self._fleet.wave(name), self._state.tries[name]
            message = "was still at work when a second signal came: nobody knows how it ended"
            one = Ended(name, wave, Outcome.FAILED, self._interrupted.exit_code, message, 0.0, tries, changed=True)
            self._take(name, after(self._ended.get(name), one))

    def _interrupt(self, error: Interrupted) -> None:
        """What runs ends its programs and gives its leases back; nothing new is started."""
        self._interrupted = error
        self._stop.set(error.exit_code - 128)
        unborn = {name for name in self._state.running if self._threads[name].ident is None}
        self._state = self._state.stop(error.message)
        self._state = replace(self._state, running=self._state.running - unborn)
        self._tell(Stopped(error.message, len(self._state.running)))
