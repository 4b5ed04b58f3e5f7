"""Many targets: which wave each is in, what is to be started next, when it is enough. Pure: a state and what to do."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from deployer.errors import ExitCode, UsageError
from deployer.profile import Profile
from deployer.profile.schema import FleetTarget
from deployer.profile.sources import nearest
from deployer.values.merge import merge

REST = "rest"
"""The name of the last wave: the targets that no other has."""

FINAL = (ExitCode.USAGE, ExitCode.PAUSED, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""Codes with which a target is not tried again: nothing would be different."""


class Outcome(StrEnum):
    """How a target ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    OFFLINE = "offline"


@dataclass(frozen=True)
class Wave:
    """Targets that are deployed side by side, before the next wave begins."""

    name: str
    targets: tuple[str, ...]
    pause: float = 0.0  # seconds after it
    gate: Literal["budget", "healthy", "ask"] = "budget"  # what the next wave needs
    budget: int | None = None  # failures that are tolerated in it; None: only the fleet's budget counts


@dataclass(frozen=True)
class Fleet:
    """What is to be done on many targets, and how much of it may fail."""

    verb: str
    environment: str
    release: str
    waves: tuple[Wave, ...]
    concurrency: int = 8
    budget: int = 0  # failures that are tolerated in all
    retries: int = 0
    offline: Literal["skip", "fail"] = "skip"

    @property
    def targets(self) -> tuple[str, ...]:
        """All names, in the order of their turn."""
        return tuple(name for wave in self.waves for name in wave.targets)

    def wave(self, target: str) -> str:
        """The wave that a target is in."""
        return next(wave.name for wave in self.waves if target in wave.targets)


@dataclass(frozen=True)
class State:
    """How far it is."""

    tries: Mapping[str, int] = field(default_factory=dict)  # that were begun, by target
    running: frozenset[str] = frozenset()
    again: tuple[str, ...] = ()  # failed, and to be tried again, the first first
    ended: Mapping[str, Outcome] = field(default_factory=dict)  # for good
    passed: frozenset[str] = frozenset()  # waves after which the pause was made, and the gate opened
    stopped: str = ""  # why nothing new is started; empty: it is

    def began(self, target: str) -> "State":
        """A target's turn has come."""
        tries = {**self.tries, target: self.tries.get(target, 0) + 1}
        again = tuple(name for name in self.again if name != target)
        return replace(self, tries=tries, running=self.running | {target}, again=again)

    def stop(self, why: str) -> "State":
        """Nothing new is started any more; the first reason is the one that is told."""
        if self.stopped:
            return self
        given_up = dict.fromkeys(self.again, Outcome.FAILED)
        return replace(self, stopped=why, again=(), ended={**self.ended, **given_up})

    def through(self, wave: str) -> "State":
        """The way to the next wave is free."""
        return replace(self, passed=self.passed | {wave})


@dataclass(frozen=True)
class Start:
    """Begin these now."""

    targets: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """Something runs: see how it ends."""


@dataclass(frozen=True)
class Gate:
    """A wave is over and the next one waits: make its pause, and ask where it says so; then `State.through`."""

    wave: Wave
    following: Wave


@dataclass(frozen=True)
class Over:
    """Nothing runs, and nothing is to be started."""


Step = Start | Wait | Gate | Over


def fleet(verb: str, environment: str, profile: Profile, chosen: Sequence[FleetTarget]) -> Fleet:
    """The waves of a profile, with the chosen targets in them; a target is in the same wave however few are chosen."""
    settings, total = profile.fleet, len(profile.targets)
    names = {one.name for one in chosen}
    left = list(profile.targets)
    waves: list[Wave] = []
    for one in settings.waves:
        if isinstance(one.select, dict):
            taken = [each for each in left if _matches(each, one.select)]
        else:
            taken = left[: number(one.select, total, math.ceil)]
        left = [each for each in left if each not in taken]
        mine = tuple(each.name for each in taken if each.name in names)
        allowed = None if one.failure_budget is None else number(one.failure_budget, len(taken), math.floor)
        waves.append(Wave(one.name, mine, one.pause, one.gate, allowed))
    waves.append(Wave(REST if waves else "all", tuple(each.name for each in left if each.name in names)))
    return Fleet(
        verb,
        environment,
        profile.release.name,
        waves=tuple(wave for wave in waves if wave.targets),
        concurrency=settings.concurrency,
        budget=number(settings.failure_budget, total, math.floor),
        retries=0 if verb == "rollback" else settings.retries,  # a second try would go one revision further back
        offline=settings.offline,
    )


def number(given: int | float, total: int, rounded: Callable[[float], int]) -> int:
    """A number, or a share (a float) of `total` targets, rounded by math.floor or math.ceil."""
    return given if isinstance(given, int) else rounded(round(given * total, 9))  # 0.07 * 100 is a little over 7


def chosen(profile: Profile, environment: str, names: Sequence[str], labels: Sequence[str]) -> tuple[FleetTarget, ...]:
    """The targets that --target and --select name: all of them where nothing is said.

    `labels`: key=value; of one key any of the values, of several keys each. Raises UsageError for an unknown one.
    """
    targets = profile.targets
    if not targets and (names or labels):
        raise UsageError(
            f"environment `{environment}` has no targets: --target and --select have nothing to choose from",
            hint="targets stand in its profile, or in environments/" + environment + ".targets.yaml",
        )
    known = tuple(one.name for one in targets)
    for name in names:
        if name not in known:
            raise UsageError(f"environment `{environment}` has no target `{name}`{nearest(name, known)}")
    wanted: dict[str, set[str]] = {}
    for text in labels:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--select {text}: key=value is expected, such as region=eu")
        there = tuple(dict.fromkeys(one.labels[key] for one in targets if key in one.labels))
        if value not in there:
            keys = tuple(dict.fromkeys(label for one in targets for label in one.labels))
            near = nearest(value, there) if there else nearest(key, keys)
            raise UsageError(f"--select {text}: no target has that label{near}")
        wanted.setdefault(key, set()).add(value)
    found = tuple(
        one
        for one in targets
        if (not names or one.name in names) and all(one.labels.get(key) in values for key, values in wanted.items())
    )
    if targets and not found:
        raise UsageError(f"no target of environment `{environment}` is all that --target and --select say")
    return found


def at(profile: Profile, target: FleetTarget) -> Profile:
    """The profile of one target, as if it were an environment of its own."""
    values = merge(profile.values, target.values)
    return profile.model_copy(update={"target": target.over(profile.target), "targets": (), "values": values})


def ended(made: Fleet, state: State, target: str, outcome: Outcome, code: ExitCode = ExitCode.OK) -> State:
    """A target's try is over: for good, or it is tried again."""
    state = replace(state, running=state.running - {target})
    more = state.tries.get(target, 0) <= made.retries and code not in FINAL
    if outcome in _bad(made) and more and not state.stopped:
        return replace(state, again=(*state.again, target))
    state = replace(state, ended={**state.ended, target: outcome})
    return state.stop(why) if (why := _spent(made, state)) else state


def step(made: Fleet, state: State) -> Step:
    """What is to be done now.

    Who failed is tried again after those that had no turn yet; before them where one failure more would be too many.
    """
    if state.stopped:
        return Wait() if state.running else Over()
    for wave, following in zip(made.waves, (*made.waves[1:], None), strict=True):
        fresh = [name for name in wave.targets if name not in state.tries]
        again = [name for name in state.again if name in wave.targets]
        due = again if _doubtful(made, state) else [*fresh, *again]
        room = made.concurrency - len(state.running)
        if due and room > 0:
            return Start(tuple(due[:room]))
        if due or state.running:
            return Wait()
        if following and wave.name not in state.passed:
            return Gate(wave, following)
    return Over()


def failures(made: Fleet, state: State, targets: Sequence[str]) -> int:
    """How many of the targets count against a budget."""
    return sum(state.ended.get(name) in _bad(made) for name in targets)


def unproven(made: Fleet, state: State, wave: Wave) -> str:
    """Why a gate that wants a healthy wave stays shut; empty where it opens."""
    failed = failures(made, state, wave.targets)
    well = sum(state.ended.get(name) in (Outcome.DONE, Outcome.UNCHANGED) for name in wave.targets)
    if failed:
        return f"{failed} of {len(wave.targets)} targets of wave {wave.name} failed, and its gate is `healthy`"
    return "" if well else f"no target of wave {wave.name} could be reached, and its gate is `healthy`"


def left(made: Fleet, state: State) -> tuple[str, ...]:
    """The targets whose turn never came."""
    return tuple(name for name in made.targets if name not in state.ended)


def verdict(made: Fleet, state: State) -> ExitCode:
    """The code of the whole: what a job would do differently."""
    if state.stopped:
        return ExitCode.STOPPED
    if failures(made, state, made.targets):
        return ExitCode.PARTIAL
    if state.ended and all(one is Outcome.OFFLINE for one in state.ended.values()):
        return ExitCode.PREFLIGHT
    return ExitCode.OK


def _spent(made: Fleet, state: State) -> str:
    """Why the budget is used up; empty where it is not."""
    for name, count, allowed in _budgets(made, state):
        if count > allowed:
            tolerated = f"{allowed} {'is' if allowed == 1 else 'are'} tolerated" if allowed else "none is tolerated"
            return f"{count} target{'s' if count > 1 else ''} failed{name}, and {tolerated}"
    return ""


def _doubtful(made: Fleet, state: State) -> bool:
    """Whether the budget would be used up if none that failed so far were to do better at its next try."""
    failed = (*state.again, *(name for name in state.running if state.tries[name] > 1))
    return bool(_spent(made, replace(state, ended={**state.ended, **dict.fromkeys(failed, Outcome.FAILED)})))


def _budgets(made: Fleet, state: State) -> Iterator[tuple[str, int, int]]:
    for wave in made.waves:
        if wave.budget is not None:
            yield f" in wave {wave.name}", failures(made, state, wave.targets), wave.budget
    yield "", failures(made, state, made.targets), made.budget


def _bad(made: Fleet) -> tuple[Outcome, ...]:
    return (Outcome.FAILED, Outcome.OFFLINE) if made.offline == "fail" else (Outcome.FAILED,)


def _matches(target: FleetTarget, labels: Mapping[str, str]) -> bool:
    return all(target.labels.get(key) == value for key, value in labels.items())
