"""Whether a run may go on: the profile's guards, those that are passed over, the environment's name typed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deployer import guard
from deployer.cli.session import Session
from deployer.errors import PreflightError
from deployer.guard.rules import asks
from deployer.plan.steps import Plan


@dataclass(frozen=True)
class Consent:
    """What the command line says to the guards. Made before anything is asked: a wrong --override costs no time."""

    run: Session
    yes: bool
    overrides: Mapping[str, str]  # guard: reason

    def facts(self, known: guard.Facts) -> guard.Facts:
        """What the checks found out, and who is there."""
        return replace(known, yes=self.yes, terminal=sys.stdin.isatty() and sys.stderr.isatty())

    def allowed(self, plan: Plan, known: guard.Facts) -> Plan:
        """The plan, with the guards that had to be passed over on record.

        Raises PreflightError that tells every guard that refuses.
        """
        guards, facts = self.run.profile.guards, self.facts(known)
        needed = guard.enforce(self.run.environment, guard.judge(guards, facts), self.overrides)
        if asks(guards, facts) and "confirm" in self.overrides:
            needed = {**needed, "confirm": self.overrides["confirm"]}
        return replace(plan, record=replace(plan.record, overrides=needed))

    def confirm(self, plan: Plan, known: guard.Facts, ask: Callable[[str], str]) -> None:
        """Have the environment's name typed, where a guard wants that. Raises PreflightError where it is another."""
        if not asks(self.run.profile.guards, self.facts(known)) or "confirm" in plan.record.overrides:
            return
        where = f"{plan.release} in {plan.target.namespace}, context {plan.target.context}"
        typed = ask(f"{plan.verb} {where}. Type the environment's name to go on: ").strip()
        if typed != self.run.environment:
            raise PreflightError(
                f"`{typed}` is not the name of the environment; nothing was touched (guards.confirm)",
                hint=f"type {self.run.environment} to go on",
            )


def consent(run: Session, names: Sequence[str] | None, reason: str | None, *, yes: bool) -> Consent:
    """What --override, --reason and --yes say. Raises UsageError for a guard that may not be passed over."""
    said = run.mask(reason) if reason is not None else None  # it goes on record
    return Consent(run, yes, guard.overriding(run.profile.guards, names or (), said))
