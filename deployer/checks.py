"""Everything that is checked before the first deed, side by side; all failures are told together."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployer import cluster, permissions, record, release, source, storage
from deployer.cluster import Cluster
from deployer.commands import docker, helm
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.errors import DeployError, PreflightError
from deployer.model import Image, Job, Revision, Target, Values
from deployer.plan import values as release_values
from deployer.plan.facts import Facts, Source
from deployer.plan.tag import tag
from deployer.process import ProgramFailed, Programs
from deployer.profile import Profile
from deployer.registry import Registry
from deployer.values.document import objects

OLDEST_ENGINE = (20, 10)
"""The docker engine that BuildKit's cache mounts and `--load` are proven with."""


@dataclass(frozen=True)
class Ready:
    """The facts, and the doors that were opened to learn them."""

    facts: Facts
    helm: Helm
    cluster: Cluster
    registry: Registry


@dataclass(frozen=True)
class Checks:
    """The checks of one environment. Each raises a DeployError that says what to do."""

    project: Path
    profile: Profile
    target: Target
    programs: Programs
    job: Job
    login: Login | None = None

    def each(self, values: Values, given_tag: str | None) -> dict[str, Future[Any]]:
        """Every check by its name, all done."""
        registry = Registry(self.profile.registry.url, self.login)
        with ThreadPoolExecutor(8) as pool:
            checks: dict[str, Future[Any]] = {}
            checks["image"] = pool.submit(lambda: self._image(registry, given_tag))
            checks["docker"] = pool.submit(self._engine)
            checks["helm"] = pool.submit(self.helm)
            checks["cluster"] = pool.submit(self.cluster)
            checks["chart"] = pool.submit(lambda: self._chart(checks["helm"].result(), values))
            checks["permissions"] = pool.submit(
                lambda: self._access(checks["cluster"].result(), checks["chart"].result())
            )
            checks["release"] = pool.submit(lambda: self._history(checks["cluster"].result()))
        return checks

    def for_release(self, values: Values, given_tag: str | None) -> Ready:
        """All that an `up` needs."""
        return self._ready(self.each(values, given_tag))

    def for_promotion(self, values: Values, promoted: Image) -> tuple[Ready, bool]:
        """All that an `up` of an image needs that is built already; and whether it has to be copied here first."""
        checks = self.each(values, promoted.tag)
        if isinstance(checks["docker"].exception(), DeployError):
            del checks["docker"]  # copying needs no engine
        ready = self._ready(checks)
        tagged = ready.facts.image
        image = replace(tagged, digest=promoted.digest)
        absent = not ready.registry.holds(image)
        if absent and tagged.digest:
            raise PreflightError(
                f"registry {image.registry} has another image as {tagged.tagged}: {tagged.digest}, not {image.digest}",
                hint="what runs from it there would lose its name: give the version that is promoted a tag of its own",
            )
        if absent:
            self._buildx()
        return replace(ready, facts=replace(ready.facts, image=image)), absent

    def _ready(self, checks: dict[str, Future[Any]]) -> Ready:
        built = not checks["image"].exception() and checks["image"].result()[0].digest
        if built and isinstance(checks["docker"].exception(), DeployError):
            del checks["docker"]  # nothing is to be built, so no engine is needed
        _raise(checks)
        image, tree = checks["image"].result()
        history = checks["release"].result()
        rendered = release.rendered(checks["chart"].result(), first=not history)
        facts = Facts(image, history, tree, rendered, self.job)
        registry = Registry(self.profile.registry.url, self.login)
        return Ready(facts, checks["helm"].result(), checks["cluster"].result(), registry)

    def for_rollback(self) -> tuple[Helm, Cluster, tuple[Revision, ...]]:
        """All that a `rollback` or a `status` needs."""
        with ThreadPoolExecutor(4) as pool:
            checks: dict[str, Future[Any]] = {}
            checks["helm"] = pool.submit(self.helm)
            checks["cluster"] = pool.submit(self.cluster)
            checks["release"] = pool.submit(lambda: self._history(checks["cluster"].result()))
        _raise(checks)
        return checks["helm"].result(), checks["cluster"].result(), checks["release"].result()

    def _image(self, registry: Registry, given_tag: str | None) -> tuple[Image, Source | None]:
        tree = source.source(self.programs, self.project, self.profile.image.context)
        name = tag(self.profile.image.tag, tree, given_tag)
        registry.check()
        image = Image(self.profile.registry.url, self.profile.image.repository, name)
        return replace(image, digest=registry.digest(image)), tree

    def _engine(self) -> None:
        program = self.profile.tools.docker
        try:
            answer = json.loads(self.programs.read(docker.version(program)))
        except ProgramFailed as error:
            raise PreflightError(
                "docker is installed, but no engine answers it",
                detail=error.detail[-3:],
                hint="start the engine, or name it in DOCKER_HOST",
            ) from None
        version = str((answer.get("Server") or {}).get("Version", "0"))
        if tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit()) < OLDEST_ENGINE:
            raise PreflightError(f"docker engine {version} is too old; 20.10 is the oldest that works")
        self._buildx()

    def _buildx(self) -> None:
        try:
            self.programs.read(docker.buildx(self.profile.tools.docker))
        except ProgramFailed:
            raise PreflightError(
                "docker has no buildx plugin, and without it no BuildKit", hint="install docker-buildx"
            ) from None

    def helm(self) -> Helm:
        """The helm on PATH, if it is one that works."""
        program = self.profile.tools.helm
        version = self.programs.read(helm.version(program)).strip()
        problem = helm.supported(version)
        if problem:
            raise PreflightError(problem, hint="helm 3 from 3.18 on and helm 4 from 4.1.2 on work, but not 4.2.1")
        return Helm(program, int(version.lstrip("v").split(".")[0]), self.target, self.profile.release.name)

    def cluster(self) -> Cluster:
        """The cluster behind the profile's context, if it is the one the profile means."""
        try:
            return self._identified(cluster.connect(self.target.kubeconfig, self.target.context))
        except cluster.ClusterError as error:  # nothing is under way yet, so it is no doubt about a rollout
            raise PreflightError(error.message, hint=error.hint) from None

    def _identified(self, door: Cluster) -> Cluster:
        identity = self.profile.target.identity
        found: Mapping[str, Callable[[], str | None]] = {
            "server": lambda: door.server,
            "caSha256": lambda: door.ca_sha256,
            "uid": lambda: _uid(door),
        }
        wanted = {"server": identity.server, "caSha256": identity.ca_sha256, "uid": identity.uid}
        for key, value in wanted.items():
            if value and (there := found[key]()) != value:
                raise PreflightError(
                    f"context `{self.target.context}` leads to another cluster than this environment's: "
                    f"{key} is {there}, and target.identity.{key} says {value}",
                    hint=f"check the context in {self.target.kubeconfig}",
                )
        namespace = self.target.namespace
        try:
            door.get(f"/api/v1/namespaces/{namespace}")
        except cluster.NotFound:
            raise PreflightError(
                f"namespace `{namespace}` does not exist in the cluster of context `{self.target.context}`",
                hint=f"create it, with the rights of docs/permissions.md: kubectl create namespace {namespace}",
            ) from None
        except cluster.Forbidden:
            pass  # a namespaced account need not be able to read the namespace itself
        return door

    def _chart(self, program: Helm, values: Values) -> list[dict[str, Any]]:
        chart = self.project / self.profile.release.chart
        if not (chart / "Chart.yaml").is_file():
            raise PreflightError(f"there is no chart at {self.profile.release.chart} (release.chart)")
        registry = self.profile.registry
        image = Image(registry.url, self.profile.image.repository, "check", "sha256:" + "0" * 64)
        text = release_values.text(release_values.release(values, image, registry.pull_secret))
        try:
            return objects(self.programs.read(program.template(chart, text)))
        except ProgramFailed as error:
            raise PreflightError(
                f"chart {self.profile.release.chart} does not render with these values", detail=error.detail[-10:]
            ) from None

    def _access(self, door: Cluster, manifest: list[dict[str, Any]]) -> None:
        denied = door.can_i(permissions.needed(manifest, self.target.namespace))
        if denied:
            raise PreflightError(
                f"no permission in namespace {self.target.namespace}: {', '.join(map(str, denied))}",
                hint="docs/permissions.md has the Role that a deploy needs",
            )

    def _history(self, door: Cluster) -> tuple[Revision, ...]:
        namespace, name = self.target.namespace, self.profile.release.name
        found = [stored.revision for stored in storage.history(door, namespace, name)]
        return record.judged(found, record.read(door, namespace, name)) if found else ()


def _uid(door: Cluster) -> str | None:
    uid: str | None = door.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return uid


def _raise(checks: Mapping[str, Future[Any]]) -> None:
    """Nothing where all went well; a bug as it is; one failed check as it is; several as one."""
    errors = {id(error): error for check in checks.values() if (error := check.exception())}
    told = [error for error in errors.values() if isinstance(error, DeployError)]
    for error in errors.values():
        if not isinstance(error, DeployError):
            raise error
    if len(told) == 1:
        raise told[0]
    if told:
        raise PreflightError(f"{len(told)} checks failed; nothing was touched", detail=tuple(_lines(told)))


def _lines(errors: list[DeployError]) -> Iterator[str]:
    for error in errors:
        yield error.message
        yield from (f"  {line}" for line in error.detail)
        if error.hint:
            yield f"  hint: {error.hint}"
