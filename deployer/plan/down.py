"""`deploy down`: a release and its history removed."""

from deployer.errors import PreflightError
from deployer.model import Revision, Target
from deployer.plan import gitops
from deployer.plan.facts import current
from deployer.plan.steps import Plan, Step, Uninstall
from deployer.profile import Profile

KEPT = ("prod", "production")
"""Environments that are refused where the profile says nothing."""


def guard(environment: str, profile: Profile, target: Target) -> None:
    """Raises PreflightError where the profile does not allow it, or it is not ours to remove."""
    rule = profile.guards.down or ("refuse" if environment in KEPT else "allow")
    if rule == "refuse":
        raise PreflightError(
            f"{environment} is not to be taken down (guards.down)",
            hint=f"`guards: {{down: allow}}` in environments/{environment}.yaml allows it",
        )
    if profile.delivery == "argocd":
        there = gitops.place(environment, profile, target)
        raise PreflightError(
            f"Argo CD delivers {profile.release.name} to {environment}, and would bring back what is removed here",
            hint=(
                f"remove the Application with what it has made: argocd app delete {there.application} --cascade; "
                f"then take {there.path} out of {there.repository}"
            ),
        )


def down(environment: str, profile: Profile, target: Target, history: tuple[Revision, ...]) -> Plan:
    """The plan; without steps where there is no release. Raises PreflightError where the profile does not allow it."""
    guard(environment, profile, target)
    name, newest = profile.release.name, current(history)
    return Plan(
        verb="down",
        environment=environment,
        target=target,
        release=name,
        steps=(Step("remove", Uninstall()),) if newest else (),
        previous=newest.number if newest else None,
    )
