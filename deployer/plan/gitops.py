"""Delivery by Argo CD: commits as revisions, what a commit says, what the Application has to be. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from deployer.model import Record, Revision, Target
from deployer.plan.steps import Plan
from deployer.profile import Profile

VALUES, CHART, SEALED = "values.yaml", "chart", "secrets"
"""What of the folder is ours: the effective values, the chart, and the files that sops encrypted, as they are."""


class Change(Protocol):
    """A commit that changed the folder."""

    @property
    def sha(self) -> str: ...  # noqa: D102
    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def when(self) -> str: ...  # noqa: D102
    @property
    def author(self) -> str: ...  # noqa: D102
    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def trailers(self) -> Mapping[str, str]: ...  # noqa: D102


@dataclass(frozen=True)
class Place:
    """Where a release is committed to, and the Application that takes it from there."""

    application: str
    namespace: str  # of the Application
    context: str  # of the kubeconfig: Argo CD's own cluster
    repository: str
    branch: str
    path: str  # of the folder in the repository
    release: str
    target: Target

    @property
    def source(self) -> str:
        """The path of the Application's source."""
        return f"{self.path}/{CHART}" if self.path != "." else CHART

    @property
    def beside(self) -> bool:
        """Whether Argo CD runs in the cluster that it deploys to."""
        return self.context == self.target.context


def place(environment: str, profile: Profile, target: Target) -> Place:
    """The profile's word, with its defaults filled in."""
    settings, release = profile.argocd, profile.release.name
    return Place(
        application=settings.application or f"{release}-{environment}",
        namespace=settings.namespace,
        context=settings.context or target.context,
        repository=settings.repository or "",
        branch=settings.branch,
        path=(settings.path or f"{release}/{environment}").strip("/"),
        release=release,
        target=target,
    )


# Commits as revisions


def revisions(changes: Sequence[Change], records: Mapping[str, Record], most: int) -> tuple[Revision, ...]:
    """The newest `most` commits, oldest first; `records`: what was judged, by the commit it was judged of."""
    numbers = {one.sha: one.number for one in changes}
    return tuple(_revision(one, records, numbers, newest=one is changes[-1]) for one in changes[-most:])


def _revision(change: Change, records: Mapping[str, Record], numbers: Mapping[str, int], *, newest: bool) -> Revision:
    record = records.get(change.sha)
    told = record or _told(change)
    to = numbers.get(change.trailers.get("Deploy-To", ""))
    return Revision(
        number=change.number,
        status=("deployed" if newest else "superseded") if record else "committed",
        updated=change.when,
        chart=change.trailers.get("Deploy-Chart", ""),
        description=f"Rollback to {to}" if to else f"{change.subject} ({change.author})",
        verdict=record.verdict if record else None,
        record=told,
        commit=change.sha,
    )


def _told(change: Change) -> Record | None:
    """What a commit of ours says of itself, while nobody has judged it; None for somebody else's."""
    said = change.trailers
    if "Deploy-Verb" not in said:
        return None
    return Record(
        verb=said["Deploy-Verb"],
        image=said.get("Deploy-Image", ""),
        sha=said.get("Deploy-Commit", ""),
        actor=said.get("Deploy-Actor", ""),
        job=said.get("Deploy-Job", ""),
        source=said.get("Deploy-From", ""),
        commit=change.sha,
    )


# What a commit says


def subject(made: Plan, record: Record, to: int | None = None) -> str:
    """The first line of a commit; `to`: the revision that is put back."""
    what = record.image.partition("@")[0].rpartition("/")[2] or made.release
    if to is not None:
        return f"Put {made.release} in {made.environment} back to revision {to}: {what}"
    return f"Deploy {what} to {made.environment}"


def trailers(made: Plan, record: Record, chart: str, to: str = "") -> dict[str, str]:
    """Who, what and from where; `chart`: name-version, `to`: the commit that is put back. Nothing secret."""
    return {
        "Deploy-Verb": record.verb,
        "Deploy-Release": made.release,
        "Deploy-Environment": made.environment,
        "Deploy-Image": record.image,
        "Deploy-Chart": chart,
        "Deploy-Commit": record.sha,
        "Deploy-From": record.source,
        "Deploy-To": to,
        "Deploy-Actor": record.actor,
        "Deploy-Job": record.job,
    }


def proposal(release: str, environment: str) -> str:
    """The branch of a merge request: always the same one, so that a newer proposal takes the older one's place."""
    return f"deploy/{release}/{environment}"


def sealed(file: Path) -> str:
    """Where in the folder an encrypted file lies: under its path in the project."""
    parts = [part for part in PurePosixPath(file.as_posix()).parts if part not in ("..", "/")]
    return "/".join((SEALED, *parts))


# The Application


def problems(item: Mapping[str, Any], there: Place, default: Callable[[], str]) -> tuple[str, ...]:
    """Why an Application would not deliver what is committed there.

    `default`: the branch that the repository's HEAD names, empty where nobody can say; asked where HEAD is followed.
    """
    spec = item.get("spec") or {}
    source = _source(spec, there)
    return tuple(_wrong(item, spec, source, there, default))


def refused(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Why Argo CD does nothing with an Application, as it saw it when it last looked."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return tuple(str(one.get("message", "")) for one in conditions if one.get("type") == "InvalidSpecError")


def unsealed(item: Mapping[str, Any], there: Place, files: Sequence[str]) -> tuple[str, ...]:
    """The encrypted files of the folder that no values of the Application name: it delivers without them."""
    named = ((_source(item.get("spec") or {}, there).get("helm")) or {}).get("valueFiles") or ()
    return tuple(file for file in files if not any(str(one).endswith(file) for one in named))


def _source(spec: Mapping[str, Any], there: Place) -> Mapping[str, Any]:
    """The source with our path; where none has it, the first one."""
    sources = [spec["source"]] if spec.get("source") else list(spec.get("sources") or ({},))
    return next((one for one in sources if str(one.get("path", "")).strip("/") == there.source), sources[0])


def _wrong(
    item: Mapping[str, Any],
    spec: Mapping[str, Any],
    source: Mapping[str, Any],
    there: Place,
    default: Callable[[], str],
) -> Iterator[str]:
    revision = source.get("targetRevision") or "HEAD"
    if revision == "HEAD":
        revision = default() or there.branch
    helm, destination = source.get("helm") or {}, spec.get("destination") or {}
    if (item.get("metadata") or {}).get("deletionTimestamp"):
        yield "it is being deleted"
    for what, has, wanted, same in (
        ("spec.source.repoURL", source.get("repoURL"), there.repository, _address),
        ("spec.source.path", source.get("path"), there.source, lambda text: text.strip("/")),
        ("spec.source.targetRevision", revision, there.branch, _branch),
        ("spec.source.helm.releaseName", helm.get("releaseName") or there.application, there.release, str),
        ("spec.destination.namespace", destination.get("namespace"), there.target.namespace, str),
    ):
        if same(str(has or "")) != same(wanted):
            yield f"{what} is {has or 'not set'}, and should be {wanted}"
    if f"../{VALUES}" not in (helm.get("valueFiles") or ()):
        yield f"spec.source.helm.valueFiles does not name ../{VALUES}"
    yield from refused(item)


def _branch(text: str) -> str:
    return text.removeprefix("refs/heads/")


def _address(url: str) -> str:
    """Host and path: the same repository may be reached by https and by ssh, under one port or another."""
    bare = re.sub(r"^\w+://", "", url)
    if bare == url and not url.startswith("/"):
        bare = bare.replace(":", "/", 1)  # user@host:path
    host, slash, rest = bare.rpartition("@")[2].partition("/")
    return f"{host.partition(':')[0].lower()}{slash}{rest.strip('/').removesuffix('.git')}"
