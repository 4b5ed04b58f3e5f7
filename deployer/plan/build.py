"""`deploy build`: an image in the registry, and its report, by which another job deploys exactly that. Pure."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from deployer.commands import docker
from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.model import Command, Image, Record, Target
from deployer.plan.facts import Facts
from deployer.plan.steps import PAUSES, Pin, Plan, Run, Step
from deployer.profile import Profile
from deployer.profile.schema import ImageSettings

FORMAT = "deploy/build/v1"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")


@dataclass(frozen=True)
class Built:
    """What a build report says. Nothing secret."""

    image: str  # registry/repository:tag@sha256:…
    registry: str  # host[:port][/prefix]
    repository: str
    tag: str
    digest: str  # sha256:…
    sha: str  # the commit of the tree that was built; empty outside git
    environment: str  # whose profile said how to build it
    built: bool  # False: the registry had it already
    job: str  # URL of the CI job; empty outside CI

    @property
    def named(self) -> Image:
        """The image that it reports."""
        return Image(self.registry, self.repository, self.tag, self.digest)


def build(
    environment: str, profile: Profile, facts: Facts, *, project: Path, target: Target, login: Command | None
) -> Plan:
    """The plan of a `build`: no step at all where the registry has the image."""
    image = facts.image
    return Plan(
        verb="build",
        environment=environment,
        target=target,
        release=profile.release.name,
        steps=() if image.digest else steps(profile, facts, project, login),
        image=image,
        record=Record(
            verb="build",
            image=image.reference,
            sha=facts.source.sha if facts.source else "",
            actor=facts.job.actor,
            job=facts.job.url,
        ),
        notes=(unbuilt(image),) if image.digest else (),
    )


def steps(profile: Profile, facts: Facts, project: Path, login: Command | None) -> tuple[Step, ...]:
    """Log in, build, push, and ask for the digest. A builder of buildx builds and pushes at once."""
    program, settings, image = profile.tools.docker, profile.image, facts.image
    arguments = {**settings.build_args, "VERSION": image.tag}
    if facts.source:
        arguments["REVISION"] = facts.source.sha
    context = project / settings.context
    dockerfile = project / settings.dockerfile if settings.dockerfile else None
    known = (
        (Step("build", Run(login, "docker could not log in to the registry", ExitCode.BUILD, PAUSES)),) if login else ()
    )
    if settings.beyond_docker:
        kept = cache(profile)
        made = docker.build_and_push(
            program,
            image,
            context=context,
            dockerfile=dockerfile,
            arguments=arguments,
            builder=settings.builder,
            platforms=settings.platforms,
            cache=kept or None,
            provenance=settings.provenance,
            sbom=settings.sbom,
        )
        failure = "the image could not be built and pushed"
        both = Run(made, failure, ExitCode.BUILD, PAUSES, "registry", pushes=image, cache=kept)
        return (*known, Step("build", both), Step("push", Pin(image)))
    made = docker.build(program, image, context=context, dockerfile=dockerfile, arguments=arguments)
    push = docker.push(program, image)
    return (
        *known,
        Step("build", Run(made, "the image could not be built", ExitCode.BUILD, PAUSES, "registry")),
        Step("push", Run(push, "the image could not be pushed", ExitCode.BUILD, PAUSES, pushes=image)),
        Step("push", Pin(image)),
    )


def cache(profile: Profile) -> str:
    """The name of the layers' cache, registry/repository:tag; empty where there is none."""
    name = profile.image.cache
    return f"{profile.registry.url}/{name}{'' if ':' in name else ':cache'}" if name else ""


def beyond(settings: ImageSettings) -> str:
    """The settings that docker's own builder cannot follow, as the profile writes them."""
    return ", ".join(
        f"image.{key}"
        for key, asked in (
            ("platforms", settings.platforms),
            ("cache", settings.cache),
            ("provenance", settings.provenance != "false"),
            ("sbom", settings.sbom),
            ("builder", settings.builder),
        )
        if asked
    )


def create(builder: str | None) -> str:
    """The way to a builder that can."""
    name = builder if builder and builder != "default" else "deploy"
    named = "" if name == builder else f", and name it in the profile: image.builder: {name}"
    return f"make one: docker buildx create --name {name} --driver docker-container{named}"


def lacking(wanted: Sequence[str], there: Collection[str]) -> tuple[str, ...]:
    """The platforms that an image is wanted for and not there for. `linux/arm64/v8` is a `linux/arm64`."""
    return tuple(one for one in wanted if not any(f"{has}/".startswith(f"{one}/") for has in there))


def unbuilt(image: Image) -> str:
    """Why nothing is built."""
    return f"{image.tagged} is in the registry already: not built"


def report(plan: Plan, image: Image) -> Built:
    """What became of the plan of a `build`; `image` has its digest."""
    assert image.digest
    return Built(
        image=image.reference,
        registry=image.registry,
        repository=image.repository,
        tag=image.tag,
        digest=image.digest,
        sha=plan.record.sha,
        environment=plan.environment,
        built=bool(plan.steps),
        job=plan.record.job,
    )


def text(made: Built) -> str:
    """The file."""
    return json.dumps({"format": FORMAT, "build": asdict(made)}, indent=2, ensure_ascii=False) + "\n"


def parse(file: str, content: str) -> Built:
    """The report in a file. Raises UsageError where it is none, or contradicts itself."""
    try:
        document = json.loads(content)
        kind = document.get("format")
        if kind == FORMAT:
            return _sound(file, document["build"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kind = None
    if isinstance(kind, str):
        raise UsageError(
            f"{file} is a build report of another version ({kind}; this deploy reads {FORMAT})", hint=_HINT
        )
    raise UsageError(f"{file} is no build report", hint=_HINT)


_HINT = "deploy build --env ENV --out FILE writes one"


def _sound(file: str, said: Mapping[str, Any]) -> Built:
    """Raises KeyError, TypeError, ValueError where a key is missing or of another type."""
    for one in fields(Built):
        if type(said[one.name]) is not one.type:
            raise TypeError(one.name)
    built = Built(**{one.name: said[one.name] for one in fields(Built)})
    for key, form in (("digest", _DIGEST), ("tag", _TAG), ("sha", _SHA)):
        if not form.fullmatch(said[key]):
            raise UsageError(f"{file}: build.{key} is `{said[key]}`, which is no {key}", hint=_HINT)
    if built.image != built.named.reference:
        raise UsageError(f"{file} contradicts itself: image is {built.image}, the rest says {built.named.reference}")
    return built


def demand(file: str, built: Built, profile: Profile) -> None:
    """Raises PreflightError where the report is of another image than the profile's."""
    for key, theirs, ours in (
        ("registry.url", built.registry, profile.registry.url),
        ("image.repository", built.repository, profile.image.repository),
    ):
        if theirs != ours:
            raise PreflightError(
                f"{file} reports {built.image}, and this environment's {key} is {ours}",
                hint="build it for this environment, or let `deploy promote` copy what runs elsewhere",
            )


def given(made: Plan, file: str, built: Built, source: str) -> Plan:
    """The plan of an `up` that got its image by a report: that one's commit goes on record.

    `source`: the commit of the tree that the chart and the profile are from; empty outside git.
    """
    notes = [f"{built.image} comes from {file}"]
    if built.sha and source and built.sha != source:
        notes.append(f"it was built of commit {built.sha[:12]}; chart and profile are of {source[:12]}")
    return replace(
        made,
        record=replace(made.record, sha=built.sha),
        notes=(*notes, *(note for note in made.notes if note != unbuilt(built.named))),
    )
