"""`deploy promote`: what may be promoted, what differs where it goes, and the plan."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deployer.commands import docker
from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.health.verdict import Verdict
from deployer.model import Command, Image, Revision, Values
from deployer.plan.build import unbuilt
from deployer.plan.difference import Content, Difference
from deployer.plan.difference import differences as compared
from deployer.plan.steps import PAUSES, Pin, Plan, Promotion, Run, Step
from deployer.plan.values import RUN

_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Standing:
    """What is known of a release where it runs now."""

    environment: str
    release: str
    registry: str  # the one its profile names: host[:port][/prefix]
    history: tuple[Revision, ...]  # oldest first
    values: Values = field(repr=False)  # helm's record of the newest revision
    manifest: str = field(repr=False)  # the same
    running: tuple[tuple[str, str], ...]  # of each container of the live pods: image as asked for, digest that runs
    verdict: Verdict | None  # by one look at it now
    headline: str = ""  # what that look saw


def promotable(found: Standing, sha: str | None = None) -> Image:
    """The image that helm's record, our record and every live pod agree on, healthy there.

    `sha`: the commit that it must be of, or the beginning of its name. Raises PreflightError that says why it cannot
    be promoted, UsageError for what is no commit.
    """
    if sha is not None and not _COMMIT.fullmatch(sha):
        raise UsageError(f"--sha `{sha}` is no commit", hint="7 to 40 hexadecimal digits, as git has them")
    newest = _healthy(found)
    where = f"revision {newest.number} of {found.release} in {found.environment}"
    built = newest.record.sha if newest.record else ""
    if sha is not None and not built.startswith(sha):
        raise PreflightError(
            f"{where} is of commit {built or 'unknown'}, and --sha asks for {sha}",
            hint="somebody deployed another version there meanwhile; `deploy status` tells which",
        )
    image = _image(found, where)
    if newest.record and newest.record.image and newest.record.image != image.reference:
        raise PreflightError(
            f"{where} is on record with {newest.record.image}, and helm's record says {image.reference}",
            hint=_again(found),
        )
    if image.registry != found.registry:
        raise PreflightError(
            f"{where} runs from {image.registry}, and its profile now says registry.url {found.registry}",
            hint=_again(found),
        )
    ours = [(asked, digest) for asked, digest in found.running if _repository(asked) == _repository(image.reference)]
    if not ours:
        there = ", ".join(sorted({asked for asked, _ in found.running})) or "no pod at all"
        raise PreflightError(f"no pod of {where} runs {image.reference}: there is {there}", hint=_again(found))
    other = sorted({digest or "nothing yet" for asked, digest in ours if not _same(asked, digest, image)})
    if other:
        raise PreflightError(
            f"{where} has drifted: pods run {', '.join(other)}, and helm's record says {image.digest}",
            hint=_again(found),
        )
    return image


def differences(found: Standing, values: Values, secrets: Iterable[str]) -> tuple[Difference, ...]:
    """What the values of the release here are against those it gets there; the image of a run left out.

    `secrets`: paths in the values that hold one, here or there; those on record here come to it.
    """
    newest = found.history[-1]
    known = (*secrets, *(newest.record.secrets if newest.record else ()))
    here = Content(newest.chart, found.manifest, _settings(found.values))
    return compared(here, replace(here, values=_settings(values)), known)


def promote(made: Plan, promotion: Promotion, program: str, logins: Sequence[Command], *, copied: bool) -> Plan:
    """The plan of an `up` that builds nothing, or has nothing to do, as that of a promotion.

    `copied`: the image goes to another repository.
    `program` is docker, `logins` what it needs to read here and to write there.
    """
    image, target = promotion.image, made.image
    assert target is not None
    origin = f"{image.reference} is healthy in {promotion.source} at revision {promotion.revision}"
    steps: tuple[Step, ...] = ()
    notes = (origin, *made.notes)
    if copied:
        copy = docker.copy(program, image, target)
        login_failed = "docker could not log in to the registry"
        steps = (
            *(Step("copy", Run(one, login_failed, ExitCode.BUILD, PAUSES)) for one in logins),
            Step("copy", Run(copy, "the image could not be copied", ExitCode.BUILD, PAUSES, pushes=target)),
            Step("copy", Pin(target)),
        )
        notes = (origin, f"copied to {target.tagged}", *(note for note in made.notes if note != unbuilt(target)))
    return replace(
        made,
        verb="promote",
        steps=(*steps, *made.steps),
        record=replace(made.record, verb="promote", source=promotion.source, sha=promotion.sha),
        promotion=promotion,
        notes=notes,
    )


def _healthy(found: Standing) -> Revision:
    """The newest revision, judged healthy on record and healthy now."""
    if not found.history:
        raise PreflightError(f"there is no release {found.release} in {found.environment}, so nothing to promote")
    newest, earlier = found.history[-1], found.history[:-1]
    where = f"revision {newest.number} of {found.release} in {found.environment}"
    record = newest.record
    if newest.status.startswith("pending"):
        raise PreflightError(f"{where} is still on its way ({newest.status})", hint=_wait(found))
    if newest.canary:
        raise PreflightError(f"{where} is still on its way ({newest.canary})", hint=_wait(found))
    if newest.origin != newest.number or (record and record.verb == "rollback"):
        raise PreflightError(
            f"{where} is a rollback{_undone(earlier)}",
            hint=f"deploy a good version to {found.environment} first; `deploy up` needs --force where it runs already",
        )
    if newest.status not in ("deployed", "committed"):  # what is only committed has no verdict
        raise PreflightError(f"{where} is not deployed: helm calls it {newest.status}", hint=_again(found))
    match newest.verdict:
        case "healthy":
            pass
        case None:
            raise PreflightError(f"{where} was never judged healthy: no verdict is on record", hint=_again(found))
        case "" | "progressing":
            raise PreflightError(f"{where} was not seen through: {_cause(newest, 'its rollout')}", hint=_again(found))
        case verdict:
            raise PreflightError(f"{where} was judged {verdict}: {_cause(newest, 'see its run')}", hint=_again(found))
    match found.verdict:
        case Verdict.HEALTHY:
            return newest
        case Verdict.PROGRESSING:
            raise PreflightError(f"{where} is in the midst of a rollout: {found.headline}", hint=_wait(found))
        case now:
            raise PreflightError(f"{where} was healthy once, and is {now or 'not there'} now: {found.headline}")


def _undone(earlier: Sequence[Revision]) -> str:
    """What a rollback took back: the revision before it."""
    if not earlier:
        return ""
    undone = earlier[-1]
    image = f" ({undone.record.image})" if undone.record and undone.record.image else ""
    if undone.verdict in (None, "", "healthy"):
        return f": revision {undone.number}{image} was taken back"
    return f": revision {undone.number}{image} was judged {undone.verdict}: {_cause(undone, 'see its run')}"


def _cause(revision: Revision, otherwise: str) -> str:
    return revision.record.cause if revision.record and revision.record.cause else otherwise


def _again(found: Standing) -> str:
    return f"`deploy up --env {found.environment}` judges it anew"


def _wait(found: Standing) -> str:
    return f"`deploy status --env {found.environment}` tells when it is over"


def _image(found: Standing, where: str) -> Image:
    """The image in helm's record."""
    given = found.values.get("image")
    given = given if isinstance(given, Mapping) else {}
    registry, repository, tag, digest = (str(given.get(key) or "") for key in RUN)
    if not digest:
        raise PreflightError(
            f"{where} was released without a digest, so what runs there cannot be named", hint=_again(found)
        )
    return Image(registry, repository, tag, digest)


def _same(asked: str, digest: str, image: Image) -> bool:
    """Whether a container runs the image.

    A node that knows the same image by two manifests (built twice, or alone and in an index) names either of them as
    its imageID (seen with containerd); what a pod asks for by digest is that, whatever the node calls it.
    """
    return digest == image.digest or (digest != "" and asked.endswith(f"@{image.digest}"))


def _settings(values: Values) -> dict[str, Any]:
    """Values without what each run says of its image."""
    given = values.get("image")
    image = {key: value for key, value in given.items() if key not in RUN} if isinstance(given, Mapping) else {}
    return {key: value for key, value in values.items() if key != "image"} | ({"image": image} if image else {})


def _repository(reference: str) -> str:
    """`host:5000/web` of `host:5000/web:1.2@sha256:…`."""
    path, slash, name = reference.partition("@")[0].rpartition("/")
    return path + slash + name.partition(":")[0]
