"""Whether a run may go on: the profile's guards, those that are passed over, the environment's name typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployer import guard
from deployer.cli import asking
from deployer.cli.session import Session
from deployer.guard.rules import asks


@dataclass(frozen=True)
class Consent:
    """What the command line says to the guards. Made before anything is asked: a wrong --override costs no time."""

    run: Session
    yes: bool
    overrides: Mapping[str, str]  # guard: reason

    def facts(self, known: guard.Facts) -> guard.Facts:
        """What the checks found out, and who is there."""
        return replace(known, yes=self.yes, terminal=self.run.attended)

    def passed(self, known: guard.Facts) -> Mapping[str, str]:
        """The guards that had to be passed over, with the reason: what goes on record.

        Raises PreflightError that tells every guard that refuses.
        """
        guards, facts = self.run.profile.guards, self.facts(known)
        needed = guard.enforce(self.run.environment, guard.judge(guards, facts), self.overrides)
        if asks(guards, facts) and "confirm" in self.overrides:
            needed = {**needed, "confirm": self.overrides["confirm"]}
        return needed

    def confirm(self, verb: guard.Verb, passed: Mapping[str, str], where: str = "") -> bool:
        """Have the environment's name typed, where a guard wants that; whether it was. `where`: what is changed.

        Raises PreflightError where it is another name.
        """
        run = self.run
        if not (run.profile.guards.confirm and run.attended) or "confirm" in passed:
            return False
        where = where or f"{run.profile.release.name} in {run.target.namespace} (context {run.target.context})"
        asking.spell(run, f"{verb} {where}; type {run.environment} to go on", run.environment, yes=False)
        return True


def consent(run: Session, names: Sequence[str] | None, reason: str | None, *, yes: bool) -> Consent:
    """What --override, --reason and --yes say. Raises UsageError for a guard that may not be passed over."""
    said = run.mask(reason) if reason is not None else None  # it goes on record
    return Consent(run, yes, guard.overriding(run.profile.guards, names or (), said))
