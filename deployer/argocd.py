"""Delivery by Argo CD: the configuration repository keeps the revisions, and Argo CD applies them."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from deployer import chart, configrepo, permissions, record, sops
from deployer import cluster as api
from deployer.applications import Application
from deployer.cluster import Access, Cluster, path
from deployer.commands.helm import Helm
from deployer.configrepo import Author, Change, ConfigRepo
from deployer.credentials import Login
from deployer.errors import DeployError, PreflightError
from deployer.health.application import Delivered, Wanted, delivered
from deployer.model import Job, Kept, Revision, Target, Values
from deployer.plan import gitops, preview
from deployer.plan import values as release_values
from deployer.plan.gitops import Place
from deployer.plan.preview import Foreseen
from deployer.process import ProgramFailed, Programs
from deployer.profile import Profile
from deployer.sops import Opened, Sops
from deployer.values.document import objects, scalar
from deployer.values.merge import merge


@dataclass(frozen=True)
class Committed:
    """A commit as a revision; what it is made of is read when somebody asks."""

    revision: Revision
    delivery: "ByArgoCD" = field(repr=False)

    @cached_property
    def values(self) -> Values:
        """The values file; empty where it is no map any more."""
        return self.delivery.values_at(self.revision.commit)

    @cached_property
    def manifest(self) -> str:
        """What the chart makes of them; nothing where it does not render, as Argo CD says too."""
        try:
            return self.delivery.render(self.revision.commit)
        except (DeployError, OSError):
            return ""


@dataclass(frozen=True)
class ByArgoCD:
    """The configuration repository keeps the revisions, and Argo CD applies them."""

    profile: Profile
    environment: str
    project: Path
    place: Place
    programs: Programs
    job: Job
    login: Login | None  # of the repository
    variables: Mapping[str, str] = field(repr=False)
    opened: tuple[Opened, ...] | DeployError = field(repr=False)
    sealed: tuple[Path, ...]  # the encrypted files, relative to the project
    stack: ExitStack = field(repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _open: list[ConfigRepo] = field(default_factory=list, repr=False)
    _door: list[Cluster] = field(default_factory=list, repr=False)

    def at(self, profile: Profile, target: Target) -> "ByArgoCD":
        """Never asked: `targets` go by helm alone, and profiles say so."""
        return replace(self, profile=profile, place=replace(self.place, target=target))

    @property
    def repository(self) -> ConfigRepo:
        """The configuration repository, opened when it is first asked for, and gone with the session."""
        with self._lock:
            if not self._open:
                there = self.place
                opened = configrepo.opened(
                    self.programs,
                    there.repository,
                    there.branch,
                    there.path,
                    login=self.login,
                    author=Author(self.job.actor or Author.name),
                    owned=(gitops.SEALED,) if self.sealed else (),
                )
                self._open.append(self.stack.enter_context(opened))
            return self._open[0]

    def application(self, cluster: Cluster) -> Application:
        """The Application, in Argo CD's own cluster. Raises PreflightError where its context is not there."""
        there = self.place
        with self._lock:
            if not there.beside and not self._door:
                self._door.append(api.connect(there.target.kubeconfig, there.context))
        return Application(cluster if there.beside else self._door[0], there.namespace, there.application)

    def kept(self, cluster: Cluster) -> tuple[Kept, ...]:
        """The newest commits to the folder, as they are now."""
        namespace, release = self.place.target.namespace, self.place.release
        with ThreadPoolExecutor(1) as pool:
            records = pool.submit(record.read_committed, cluster, namespace, release)
            changes = self.changes()
        found = gitops.revisions(changes, records.result(), self.profile.release.history_max)
        return tuple(Committed(one, self) for one in found)

    def changes(self) -> tuple[Change, ...]:
        """Every commit to the folder, asked now."""
        with self._lock:
            fresh = not self._open
            repository = self.repository
            if not fresh and repository.tip:
                repository.refresh()
            return repository.history()

    @property
    def checks(self) -> Mapping[str, Callable[[Cluster], tuple[str, ...]]]:
        """The way through repository and Application."""
        return {"argocd": self._demand}

    def look(self, cluster: Cluster, newest: Revision | None) -> Delivered | None:
        """The Application."""
        try:
            door = self.application(cluster)
            item = door.get()
        except DeployError as error:
            return self._unknown(newest, error.message)
        if item is None:
            return self._unknown(newest, "there is no such Application")
        with self._lock:
            return delivered(item, self.wanted(newest.commit if newest else "", 0.0))

    def wanted(self, commit: str, since: float, running: Literal["awaited", "ended"] = "awaited") -> Wanted:
        """A commit of ours, as the Application is asked for it."""
        return Wanted(commit, self.place.source, since, self.repository.contains, running)

    def gone(self, commit: str) -> bool:
        """Whether the branch, asked now, has a commit no more; False where it cannot be asked."""
        with self._lock:
            try:
                return not self.repository.contains(self.repository.refresh(), commit)
            except DeployError:
                return False

    def _unknown(self, newest: Revision | None, why: str) -> Delivered:
        there, commit = self.place, newest.commit if newest else ""
        return Delivered(there.application, there.namespace, "", "", "", commit, current=False, said=(why,))

    @property
    def pull_secret(self) -> str | None:
        """None: nothing but lease and records is ours to write."""
        return None

    def changed(self, newest: Kept) -> tuple[str, ...]:
        """Encrypted files that are not in the repository as they are here."""
        commit = newest.revision.commit
        with self._lock:
            return tuple(
                f"{file} changed"
                for file in self.sealed
                if self.repository.read(commit, gitops.sealed(file)) != (self.project / file).read_text("utf-8")
            )

    def rendering(self, values: Values) -> Values:
        """With what Argo CD decrypts."""
        opened = () if isinstance(self.opened, DeployError) else self.opened
        return _over(values, opened)

    def _demand(self, cluster: Cluster) -> tuple[str, ...]:
        """The login may push, and the Application takes it from where it is pushed to."""
        there = self.place
        with self._lock:
            self.repository.check_push()
        application = self.application(cluster)
        denied = application.cluster.can_i(
            Access(verb, "applications", "argoproj.io", there.namespace, there.application) for verb in ("get", "patch")
        )
        if denied:
            raise PreflightError(
                f"no permission in namespace {there.namespace} (context {there.context}): "
                f"{', '.join(map(str, denied))}",
                hint="docs/permissions.md has the Role that a delivery by Argo CD needs",
            )
        item = application.get()
        if item and gitops.refused(item):  # perhaps of a project, or a cluster, that has come meanwhile
            item = application.looked_again()
        if item is None:
            raise PreflightError(
                f"there is no Application {there.application} in {there.namespace} (context {there.context})",
                hint=f"have it applied once: `deploy gitops init --env {self.environment}` writes it and an AppProject"
                "; argocd.application and argocd.namespace name another one",
            )
        with self._lock:
            found = gitops.problems(item, there, self.repository.default)
        if found:
            raise PreflightError(
                f"Application {there.application} in {there.namespace} does not deliver what is committed to "
                f"{there.path}: {found[0]}",
                detail=found[1:],
                hint="mend the Application or the section argocd of the profile; "
                f"`deploy gitops init --env {self.environment}` writes one that fits",
            )
        self._demand_pull_secret(cluster)
        return (*self._rewritten(cluster), *self._unsealed(item))

    def _unsealed(self, item: Mapping[str, Any]) -> Iterable[str]:
        there = self.place
        left = gitops.unsealed(item, there, [gitops.sealed(file) for file in self.sealed])
        return tuple(f"Application {there.application} names {file} nowhere: it delivers without it" for file in left)

    def _rewritten(self, cluster: Cluster) -> Iterable[str]:
        """What is on record last, and the branch has no more."""
        records = record.read_committed(cluster, self.place.target.namespace, self.place.release)
        if not records:
            return ()
        last = max(records.values(), key=lambda one: one.began).commit
        with self._lock:
            tip = self.repository.tip
            if tip and self.repository.contains(tip, last):
                return ()
        return (
            f"commit {last[:12]}, which was delivered last, is not in the history of the branch {self.place.branch}: "
            "it was rewritten, or is another one",
        )

    def _demand_pull_secret(self, cluster: Cluster) -> None:
        name, namespace = self.profile.registry.pull_secret, self.place.target.namespace
        if not name:
            return
        try:
            cluster.get(path("Secret", namespace, name))
        except api.NotFound:
            raise PreflightError(
                f"there is no pull secret {name} in {namespace}, and Argo CD makes none (registry.pullSecret)",
                hint=f"kubectl create secret docker-registry {name} --namespace {namespace} …",
            ) from None
        except api.Forbidden:
            pass

    def needed(self, manifest: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Access, ...]:
        """To watch, and to keep lease and records."""
        return permissions.watching(namespace)

    def foresee(
        self, programs: Programs, helm: Helm, cluster: Cluster, chart: Path, values: Values, before: Sequence[Any]
    ) -> tuple[Foreseen, ...]:
        """Against what the repository has: the cluster's own objects are Argo CD's to compare."""
        given = release_values.text(self.rendering(values))
        try:
            wanted = objects(programs.read(helm.template(chart, given)))
        except ProgramFailed as error:
            raise PreflightError("the chart does not render", detail=error.detail[-10:]) from None
        known = {preview.name(one): one for one in before}
        return tuple(
            Foreseen(one, known.get(preview.name(one)), known.get(preview.name(one)), None)
            for one in wanted
            if (one.get("metadata") or {}).get("name") and not _hook(one)
        )

    # What a commit is made of

    def files(self, values: Values) -> dict[str, bytes]:
        """The folder's files for these values: chart and encrypted files as they are in the project."""
        from deployer.values.edit import rewritten  # ruamel.yaml takes time that helm's way need not pay

        with self._lock:
            before = (self.repository.tip and self.repository.read(self.repository.tip, gitops.VALUES)) or ""
        found = {gitops.VALUES: rewritten(gitops.VALUES, before, values, configrepo.HEAD).encode()}
        for name, file in chart.files(self.project / self.profile.release.chart):
            found[f"{gitops.CHART}/{name}"] = file.read_bytes()
        for one in self.sealed:
            found[gitops.sealed(one)] = (self.project / one).read_bytes()
        return found

    def chart(self) -> str:
        """name-version, as helm would say."""
        about = scalar((self.project / self.profile.release.chart / "Chart.yaml").read_text("utf-8"))
        return f"{about.get('name', '')}-{about.get('version', '')}" if isinstance(about, Mapping) else ""

    def values_at(self, commit: str) -> Values:
        """The values file at a commit, without what is encrypted."""
        with self._lock:
            text = self.repository.read(commit, gitops.VALUES) or ""
        try:
            found = scalar(text)
        except DeployError:  # somebody's hand: the next commit puts it right
            return {}
        return found if isinstance(found, Mapping) else {}

    def render(self, commit: str) -> str:
        """What the chart of a commit makes of its values, without hooks.

        Raises DeployError where it does not render, or has no chart.
        """
        with TemporaryDirectory(prefix="deploy-") as home:
            folder = Path(home) / "tree"
            with self._lock:
                self.repository.tree(commit, folder)
            text = release_values.text(_over(self.values_at(commit), self._decrypted(folder)))
            helm = Helm(self.profile.tools.helm, 0, self.place.target, self.place.release)
            try:
                rendered = self.programs.read(helm.template(folder / gitops.CHART, text))
            except ProgramFailed as error:
                raise PreflightError("the chart does not render", detail=error.detail[-10:]) from None
        return "---\n".join(_texts(rendered))

    def _decrypted(self, folder: Path) -> tuple[Opened, ...]:
        """What a commit has encrypted, where we can read it: only Argo CD needs to."""
        files = [one.relative_to(folder) for one in sorted((folder / gitops.SEALED).rglob("*")) if one.is_file()]
        door = Sops(self.profile.tools.sops, sops.keyed(self.programs, self.variables), folder)
        try:
            return door.open(files)
        except DeployError:
            return ()


def _over(values: Values, opened: Sequence[Opened]) -> Values:
    found: dict[str, Any] = dict(values)
    for one in opened:
        found = merge(found, one.layer.data)
    return found


def _hook(item: Mapping[str, Any]) -> bool:
    return "helm.sh/hook" in ((item.get("metadata") or {}).get("annotations") or {})


def _texts(rendered: str) -> Iterable[str]:
    """The documents of a rendered chart but for its hooks, as helm keeps a manifest."""
    for text in rendered.split("\n---\n"):
        text = text.removeprefix("---\n")
        found = objects(text)
        if found and not any(map(_hook, found)):
            yield text if text.endswith("\n") else f"{text}\n"
