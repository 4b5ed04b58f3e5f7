"""The two ways to a cluster, behind one face: pushed by helm, or committed for Argo CD to pull. `of` decides which."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deployer import permissions, record, sops, storage
from deployer.cluster import Access, Cluster
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.errors import DeployError
from deployer.model import Job, Kept, Record, Revision, Target, Values
from deployer.process import Programs
from deployer.profile import Profile
from deployer.sops import Opened

if TYPE_CHECKING:
    from deployer.health.application import Delivered
    from deployer.plan.preview import Foreseen


class Delivery(Protocol):
    """Where a release's past is kept, and what a new one needs."""

    def at(self, profile: Profile, target: Target) -> "Delivery":
        """The same for one target of many."""

    def kept(self, cluster: Cluster) -> tuple[Kept, ...]:
        """The revisions with what is on record of each, oldest first."""

    @property
    def checks(self) -> Mapping[str, Callable[[Cluster], tuple[str, ...]]]:
        """What is checked before a deed, by name: each raises PreflightError, or says what a person should know."""

    def look(self, cluster: Cluster, newest: Revision | None) -> "Delivered | None":
        """Who else has a word on how it stands: Argo CD, or nobody."""

    @property
    def pull_secret(self) -> str | None:
        """The pull secret that is ours to keep up to date."""

    def changed(self, newest: Kept) -> tuple[str, ...]:
        """What is to be released beside image, values and chart."""

    def rendering(self, values: Values) -> Values:
        """The values that the chart is rendered with in the end."""

    def needed(self, manifest: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Access, ...]:
        """The permissions that a release takes in its cluster."""

    def foresee(
        self, programs: Programs, helm: Helm, cluster: Cluster, chart: Path, values: Values, before: Sequence[Any]
    ) -> "tuple[Foreseen, ...]":
        """What would become of each object."""


@dataclass(frozen=True)
class ByHelm:
    """helm keeps the revisions, and is started by us."""

    profile: Profile
    target: Target

    def at(self, profile: Profile, target: Target) -> "ByHelm":
        """Where that target leads."""
        return ByHelm(profile, target)

    def kept(self, cluster: Cluster) -> tuple[Kept, ...]:
        """Helm's revisions."""
        namespace, name = self.target.namespace, self.profile.release.name
        with ThreadPoolExecutor(1) as pool:
            records = pool.submit(record.read, cluster, namespace, name)
            found = storage.history(cluster, namespace, name)
        judged = record.judged([one.revision for one in found], records.result()) if found else ()
        return tuple(replace(one, revision=revision) for one, revision in zip(found, judged, strict=True))

    @property
    def checks(self) -> Mapping[str, Callable[[Cluster], tuple[str, ...]]]:
        """Nothing beside what every deploy needs."""
        return {}

    def look(self, cluster: Cluster, newest: Revision | None) -> "Delivered | None":
        """Nobody."""
        return None

    @property
    def pull_secret(self) -> str | None:
        """Of the profile."""
        return self.profile.registry.pull_secret

    def changed(self, newest: Kept) -> tuple[str, ...]:
        """Nothing beside."""
        return ()

    def rendering(self, values: Values) -> Values:
        """What is given, secrets and all."""
        return values

    def needed(self, manifest: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Access, ...]:
        """What helm needs."""
        return permissions.needed(manifest, namespace)

    def foresee(
        self, programs: Programs, helm: Helm, cluster: Cluster, chart: Path, values: Values, before: Sequence[Any]
    ) -> "tuple[Foreseen, ...]":
        """By helm's dry run and the API server's."""
        from deployer import foresight  # only a plan looks ahead

        return foresight.look(programs, helm, cluster, chart, values, list(before))


def of(
    profile: Profile,
    environment: str,
    project: Path,
    target: Target,
    programs: Programs,
    job: Job,
    variables: Mapping[str, str],
    opened: tuple[Opened, ...] | DeployError,
    stack: ExitStack,
    login: Login | None,
) -> Delivery:
    """The way that the profile says; `login`: that of the configuration repository."""
    match profile.delivery:
        case "helm":
            return ByHelm(profile, target)
        case "argocd":
            from deployer import argocd  # helm's way need not pay for git, the Application and what they know
            from deployer.plan import gitops

            return argocd.ByArgoCD(
                profile=profile,
                environment=environment,
                project=project,
                place=gitops.place(environment, profile, target),
                programs=programs,
                job=job,
                login=login,
                variables=variables,
                opened=opened,
                sealed=sops.files(project, environment, profile.secret_files),
                stack=stack,
            )


def records(profile: Profile, cluster: Cluster) -> Mapping[int, Record]:
    """What is on record of a release by the number of the revision: one list."""
    namespace, name = profile.target.namespace, profile.release.name
    match profile.delivery:
        case "helm":
            return record.read(cluster, namespace, name)
        case "argocd":
            return record.read_numbered(cluster, namespace, name)
