"""Passing over a guard: what the profile allows, with a reason that goes on record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from deployer.errors import PreflightError, UsageError
from deployer.guard.facts import Refusal
from deployer.guard.judge import RULES
from deployer.profile.schema import Guards
from deployer.profile.sources import nearest


def overriding(guards: Guards, names: Sequence[str], reason: str | None) -> Mapping[str, str]:
    """The guards that a run asks to pass over, with the reason. Raises UsageError where that cannot be."""
    if reason is not None and not names:
        raise UsageError("--reason is given without --override", hint="--override GUARD names the guard to pass over")
    words = " ".join((reason or "").split())
    for name in names:
        if name not in RULES:
            raise UsageError(
                f"--override: there is no guard `{name}`{nearest(name, tuple(RULES))}",
                hint=f"guards: {', '.join(RULES)}",
            )
        if name not in guards.overridable:
            allowed = f"only {', '.join(guards.overridable)}" if guards.overridable else "no guard"
            raise UsageError(
                f"--override: this environment does not let anybody pass over {name}",
                hint=f"guards.overridable in its profile allows {allowed}",
            )
    if names and not words:
        raise UsageError("--override needs a reason, which goes on record", hint='add --reason "why it must be now"')
    return dict.fromkeys(names, words)


def enforce(environment: str, refusals: Iterable[Refusal], overrides: Mapping[str, str]) -> Mapping[str, str]:
    """The overrides that were needed: what goes on record.

    Raises PreflightError that tells every other refusal with its key and what to do.
    """
    found = tuple(refusals)
    left = [refusal for refusal in found if refusal.guard not in overrides]
    if len(left) == 1:
        (one,) = left
        raise PreflightError(f"{one.reason} ({one.key})", detail=one.detail, hint=one.hint)
    if left:
        raise PreflightError(
            f"{len(left)} guards of {environment} refuse; nothing was touched", detail=tuple(_lines(left))
        )
    return {refusal.guard: overrides[refusal.guard] for refusal in found}


def _lines(refusals: Iterable[Refusal]) -> Iterator[str]:
    for refusal in refusals:
        yield f"{refusal.key}: {refusal.reason}"
        yield from (f"  {line}" for line in refusal.detail)
        yield f"  hint: {refusal.hint}"
