"""`deploy up`: from a commit to a judged release."""

from collections.abc import Collection
from pathlib import Path

from deployer.commands import docker
from deployer.errors import ExitCode
from deployer.model import Command, Image, Record, Target, Values
from deployer.plan import repair, rollback
from deployer.plan.facts import Facts, current
from deployer.plan.steps import PAUSES, Pin, Plan, PullSecret, Run, Step, Upgrade, Verify
from deployer.profile import Profile
from deployer.values.fingerprint import fingerprint


def up(
    environment: str,
    profile: Profile,
    facts: Facts,
    *,
    project: Path,
    target: Target,
    values: Values,
    login: Command | None,
    secrets: Collection[str] = (),
    because: tuple[str, ...] = (),
) -> Plan:
    """The plan of an `up` that releases. `secrets`: paths of the secret values; `because`: why."""
    image, history = facts.image, repair.settled(facts.history)
    deployed = current(history)
    steps: list[Step] = [*repair.steps(facts.history)]
    notes = [f"to be released: {one}" for one in because] if deployed else []
    if image.digest:
        notes.append(unbuilt(image))
    else:
        steps += _build(profile, facts, project, login)
    if profile.registry.pull_secret and login:
        steps.append(Step("release", PullSecret(profile.registry.pull_secret)))
    steps += [Step("release", Upgrade(values, facts.rendered)), Step("rollout", Verify())]
    good = rollback.last_good(history)
    recovery: tuple[Step, ...] = ()
    if profile.rollback.automatic and good:
        recovery = rollback.steps(good.number)
    return Plan(
        verb="up",
        environment=environment,
        target=target,
        release=profile.release.name,
        steps=tuple(steps),
        image=image,
        recovery=recovery,
        previous=deployed.number if deployed else None,
        record=Record(
            verb="up",
            image=image.reference,
            sha=facts.source.sha if facts.source else "",
            actor=facts.job.actor,
            job=facts.job.url,
            values=fingerprint(values, secrets),
            secrets=tuple(sorted(secrets)),
            chart=facts.chart,
        ),
        restores=rollback.again(good, facts.job) if good else Record(),
        notes=tuple(notes),
    )


def unbuilt(image: Image) -> str:
    """Why nothing is built."""
    return f"{image.tagged} is in the registry already: not built"


def _build(profile: Profile, facts: Facts, project: Path, login: Command | None) -> list[Step]:
    program, settings, image = profile.tools.docker, profile.image, facts.image
    arguments = {**settings.build_args, "VERSION": image.tag}
    if facts.source:
        arguments["REVISION"] = facts.source.sha
    build = docker.build(
        program,
        image,
        context=project / settings.context,
        dockerfile=project / settings.dockerfile if settings.dockerfile else None,
        arguments=arguments,
    )
    steps = []
    if login:
        steps = [Step("build", Run(login, "docker could not log in to the registry", ExitCode.BUILD, PAUSES))]
    return [
        *steps,
        Step("build", Run(build, "the image could not be built", ExitCode.BUILD)),
        Step("push", Run(docker.push(program, image), "the image could not be pushed", ExitCode.BUILD, PAUSES)),
        Step("push", Pin(image)),
    ]
