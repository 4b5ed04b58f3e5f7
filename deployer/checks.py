"""Everything that is checked before the first deed, side by side; all failures are told together."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deployer import chart, cluster, delivery, guard, guardfacts, permissions, prometheus, pullsecret, release, source
from deployer.cluster import Access, Cluster
from deployer.commands import docker, helm
from deployer.commands.helm import Helm
from deployer.credentials import Login
from deployer.delivery import Delivery
from deployer.errors import DeployError, Interrupted, PreflightError
from deployer.guard.change import change
from deployer.metrics.pods import NOBODY
from deployer.metrics.query import Side, filled
from deployer.model import Image, Job, Kept, Revision, Target, Values
from deployer.plan import build, canary, metrics, repair, unchanged
from deployer.plan import preview as previews
from deployer.plan import values as release_values
from deployer.plan.facts import Base, Facts, Released, Source
from deployer.plan.rollback import last_good
from deployer.plan.tag import tag
from deployer.plan.unchanged import Standing
from deployer.process import ProgramFailed, Programs
from deployer.profile import Profile, load
from deployer.prometheus import Prometheus
from deployer.registry import Registry
from deployer.standing import look
from deployer.values.document import objects

THREADS = 12
"""More than there are checks: some wait for others."""

OLDEST_ENGINE = (20, 10)
"""The docker engine that BuildKit's cache mounts and `--load` are proven with."""


@dataclass(frozen=True)
class Ready:
    """The facts, and the doors that were opened to learn them."""

    facts: Facts
    cluster: Cluster
    registry: Registry
    guarded: guard.Facts  # what the profile's guards need to know
    helm: Helm | None = None  # None where nothing has to be released
    manifest: Sequence[dict[str, Any]] = ()  # what the chart makes, where something has
    standing: Standing | None = None  # set where nothing has to be released
    because: tuple[str, ...] = ()  # why something has
    notes: tuple[str, ...] = ()  # what the way of delivery has to say
    absent: bool = False  # the image is not in the registry: it has to be built, or copied where it is promoted


@dataclass(frozen=True)
class _Wanted:
    """The image that is to run, and the tree that the release is made from."""

    image: Image  # without a digest where it has to be built
    source: Source | None
    there: bool  # whether the registry has it
    lacks: tuple[str, ...] = ()  # platforms that the registry does not have it for


@dataclass(frozen=True)
class _Tried:
    """What the chart makes of a release in steps."""

    manifest: list[dict[str, Any]]  # with a canary
    same_pods: bool  # without one: no pod would run anything else than it does


@dataclass(frozen=True)
class Checks:
    """The checks of one environment. Each raises a DeployError that says what to do.

    Those that a run without a change needs too are cheap: git, the registry, the API. The others start programs.
    """

    environment: str
    project: Path
    profile: Profile
    target: Target
    programs: Programs
    job: Job
    delivery: Delivery
    login: Login | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # that a profile may name
    prometheus: Prometheus | None = None  # None where no metrics are watched
    program: Helm | None = None  # found for another target of the same environment already
    beside: Path | None = None  # the folder of the run, where the project is what a bundle holds

    def each(self, values: Values, given_tag: str | None) -> dict[str, Future[Any]]:
        """Every check by its name, all done."""
        with ThreadPoolExecutor(THREADS) as pool:
            checks = self._cheap(pool, lambda: self._image(self._registry, given_tag), "up")
            self._dear(pool, checks, values, self._engine, "up")
        return checks

    def for_release(self, values: Values, given_tag: str | None, *, force: bool = False) -> Ready:
        """All that an `up` needs; where nothing has to be released, no program but git is started.

        `force`: what is there is not compared.
        """
        registry = self._registry
        return self._ready("up", values, registry, lambda: self._image(registry, given_tag), self._engine, force=force)

    def for_plan(self, values: Values, given_tag: str | None) -> Ready:
        """The same for a plan, which builds nothing: it needs no docker."""
        registry = self._registry
        return self._ready("up", values, registry, lambda: self._image(registry, given_tag), lambda: None, force=False)

    def for_image(self, values: Values, reported: Image, *, force: bool = False) -> Ready:
        """The same for an image of a build report: the registry must have that digest, and no docker is needed."""
        registry = self._registry
        return self._ready(
            "up", values, registry, lambda: self._reported(registry, reported), lambda: None, force=force
        )

    def for_target(self, values: Values, facts: Facts, *, force: bool = False) -> Ready:
        """The same for one target of many: the image is in the registry, and neither git nor docker is asked again."""
        wanted = _Wanted(facts.image, facts.source, True)
        return self._ready("up", values, self._registry, lambda: wanted, lambda: None, force=force)

    def for_build(self, given_tag: str | None) -> tuple[Facts, Registry]:
        """All that a `build` needs: git, the registry, and an engine unless the registry has the image."""
        registry = self._registry
        with ThreadPoolExecutor(2) as pool:
            checks: dict[str, Future[Any]] = {}
            checks["image"] = pool.submit(self._image, registry, given_tag)
            checks["docker"] = pool.submit(self._engine)
        self._excuse_engine(checks)
        _raise(checks)
        wanted: _Wanted = checks["image"].result()
        return Facts(wanted.image, history=(), source=wanted.source, job=self.job), registry

    def for_reported(self, reported: Image) -> Facts:
        """What is known of an image of a build report, which the registry must have."""
        wanted = self._reported(self._registry, reported)
        return Facts(wanted.image, history=(), source=wanted.source, job=self.job)

    def for_promotion(self, values: Values, promoted: Image, *, force: bool = False) -> Ready:
        """The same for an image that is built already: it may have to be copied here, which needs no engine."""
        registry = self._registry
        return self._ready(
            "promote", values, registry, lambda: self._promoted(registry, promoted), self._buildx, force=force
        )

    def _ready(
        self,
        verb: guard.Verb,
        values: Values,
        registry: Registry,
        image: Callable[[], _Wanted],
        engine: Callable[[], None],
        *,
        force: bool,
    ) -> Ready:
        with ThreadPoolExecutor(THREADS) as pool:
            checks = self._cheap(pool, image, verb)
            because: tuple[str, ...] = ("forced",)
            if not force:
                standing, because = self._compared(checks, values)
                if standing:
                    facts, guarded = self._facts(checks), self.of_guards(checks)
                    return Ready(facts, checks["cluster"].result(), registry, guarded, standing=standing)
            self._dear(pool, checks, values, engine, verb)
        self._excuse_engine(checks)
        _raise(checks)
        facts, manifest = self._facts(checks), checks["chart"].result()
        facts = replace(facts, rendered=release.rendered(manifest, first=not repair.settled(facts.history)))
        if "canary" in checks:
            tried: _Tried = checks["canary"].result()
            midway = release.rendered(tried.manifest, first=False)
            facts = replace(facts, midway=midway, same_pods=tried.same_pods)
        return Ready(
            facts,
            checks["cluster"].result(),
            registry,
            self.of_guards(checks),
            checks["helm"].result(),
            manifest,
            because=because,
            notes=tuple(note for name in self.delivery.checks for note in checks[name].result()),
            absent=not self._image_is_there(checks),
        )

    def anew(self, ready: Ready, values: Values, *, force: bool = False) -> Ready:
        """The facts once the release is ours: until then, another run may have released, or pushed the image.

        Where it has released what this run is for, there is nothing left to do.
        """
        kept, image, absent = self.kept(ready.cluster), ready.facts.image, ready.absent
        if absent:
            tagged = replace(image, digest=ready.registry.digest(image))
            if image.digest:
                absent = not _held(ready.registry, tagged, image.digest)
            elif tagged.digest and not self._lacking(ready.registry, tagged):
                absent, image = False, tagged
        facts = replace(
            ready.facts,
            **self._of(kept),
            image=image,
            rendered=release.rendered(ready.manifest, first=not repair.settled(tuple(one.revision for one in kept))),
        )
        moved = [one.number for one in facts.history] != [one.number for one in ready.facts.history]
        facts = replace(facts, same_pods=facts.same_pods and not moved)
        compared = moved and not force
        standing, because = self._standing(ready.cluster, kept, facts, values) if compared else (None, ready.because)
        return replace(ready, facts=facts, standing=standing, because=because, absent=absent)

    def for_rollback(self) -> tuple[Helm, Cluster, tuple[Kept, ...]]:
        """All that a `rollback` or a `down` needs: what helm keeps comes last."""
        with ThreadPoolExecutor(4) as pool:
            checks: dict[str, Future[Any]] = {}
            checks["helm"] = pool.submit(self.helm)
            checks["cluster"] = pool.submit(self.cluster)
            checks["release"] = pool.submit(lambda: self.kept(checks["cluster"].result()))
            self._of_delivery(pool, checks)
        _raise(checks)
        return checks["helm"].result(), checks["cluster"].result(), checks["release"].result()

    @property
    def _registry(self) -> Registry:
        return Registry(self.profile.registry.url, self.login)

    def guarded(self, verb: guard.Verb, released: Facts | None = None) -> guard.Facts:
        """What the guards need to know of a verb, but for what it changes; `released`: what it takes from the tree."""
        return guardfacts.gather(
            self.profile.guards,
            verb,
            self.environment,
            self.job,
            project=self.project,
            beside=self.beside,
            programs=self.programs,
            tree=released.source if released else None,
            image=released.image if released else None,
            elsewhere=lambda name: guardfacts.known(lambda: self._elsewhere(name)),
        )

    def of_guards(self, checks: Mapping[str, Future[Any]]) -> guard.Facts:
        """What the guards need to know, from checks that went well. What nobody asked for changes nothing."""
        facts: guard.Facts = checks["guards"].result()
        return replace(facts, change=checks["change"].result()) if "change" in checks else facts

    def _cheap(
        self, pool: ThreadPoolExecutor, image: Callable[[], _Wanted], verb: guard.Verb
    ) -> dict[str, Future[Any]]:
        checks: dict[str, Future[Any]] = {}
        door = pool.submit(self._connected)
        checks["image"] = pool.submit(image)
        checks["cluster"] = pool.submit(lambda: self._identified(door.result()))
        checks["release"] = pool.submit(lambda: self._of_this_cluster(door, checks["cluster"]))
        checks["guards"] = pool.submit(lambda: self._guarded(verb, checks["image"]))
        return checks

    def _dear(
        self,
        pool: ThreadPoolExecutor,
        checks: dict[str, Future[Any]],
        values: Values,
        engine: Callable[[], None],
        verb: guard.Verb,
    ) -> None:
        checks["docker"] = pool.submit(engine)
        checks["helm"] = pool.submit(self.helm)
        checks["chart"] = pool.submit(lambda: self._chart(checks["helm"].result(), values, self._some_image))
        checks["permissions"] = pool.submit(lambda: self._access(checks["cluster"].result(), checks["chart"].result()))
        self._of_delivery(pool, checks)
        if self.prometheus:
            checks["metrics"] = pool.submit(self._metrics, self.prometheus)
        if self.profile.strategy == "canary":
            checks["canary"] = pool.submit(lambda: self._canary(checks, values))
        if {"maxReplicasChange", "maxResourcesChange"} & {*guard.applying(self.profile.guards, verb)}:
            checks["change"] = pool.submit(lambda: self._change(checks, values))

    def _of_delivery(self, pool: ThreadPoolExecutor, checks: dict[str, Future[Any]]) -> None:
        for name, check in self.delivery.checks.items():
            checks[name] = pool.submit(lambda check=check: check(checks["cluster"].result()))  # type: ignore[misc]

    def _guarded(self, verb: guard.Verb, image: Future[_Wanted]) -> guard.Facts:
        wanted = image.result()
        return self.guarded(verb, Facts(wanted.image, history=(), source=wanted.source))

    def _elsewhere(self, environment: str) -> guard.Elsewhere:
        """What is on record of the release in another environment, read in its own cluster."""
        profile = load(self.project, environment, self.variables)
        if profile.targets:
            return guard.Elsewhere(trouble=f"{environment} has many targets, and each has records of its own")
        there = replace(
            self, environment=environment, profile=profile, target=target(self.beside or self.project, profile)
        )
        door, namespace = there.cluster(), profile.target.namespace
        found = delivery.records(profile, door)
        if not found and door.can_i((Access("list", "configmaps", namespace=namespace),)):
            return guard.Elsewhere(
                trouble=f"its records may not be read: no permission to list configmaps in {namespace}"
            )
        return guard.Elsewhere(found)

    def _change(self, checks: Mapping[str, Future[Any]], values: Values) -> guard.Change | None:
        """What the release would change of the newest one that helm saw through."""
        checks["chart"].result()  # what fails there is told once
        stored: tuple[Kept, ...] = checks["release"].result()
        if not stored:
            return None
        whole = [one for one in stored if not one.revision.canary] or stored
        now = next((one for one in reversed(whole) if one.revision.status == "deployed"), whole[-1])
        manifest = self._chart(checks["helm"].result(), values, checks["image"].result().image)
        return change(objects(now.manifest), manifest, self.target.namespace)

    def _compared(self, checks: Mapping[str, Future[Any]], values: Values) -> tuple[Standing | None, tuple[str, ...]]:
        """How the release stands where it is what was asked for; else why something has to be released."""
        try:
            if not self._image_is_there(checks):  # known first, and enough
                wanted: _Wanted = checks["image"].result()
                lacks = f" for {', '.join(wanted.lacks)}" if wanted.lacks else ""
                return None, (f"{wanted.image.tagged} is not in the registry{lacks}",)
            kept: tuple[Kept, ...] = checks["release"].result()
            return self._standing(checks["cluster"].result(), kept, self._facts(checks), values)
        except Interrupted:
            raise
        except DeployError:  # told with what else is wrong, or found again by what needs it
            return None, ()

    def _standing(
        self, door: Cluster, kept: Sequence[Kept], facts: Facts, values: Values
    ) -> tuple[Standing | None, tuple[str, ...]]:
        because = unchanged.differences(facts, values, self.profile.registry.pull_secret if self.login else None)
        if kept:
            because = (*because, *self.delivery.changed(kept[-1]))
        if because or facts.released is None:
            return None, because
        namespace, limits = self.target.namespace, self.profile.health
        standing = look(door, namespace, facts.released.manifest, limits, self._secret_is_current(door))
        because = unchanged.left(standing)
        return (None, because) if because else (standing, ())

    def _secret_is_current(self, door: Cluster) -> Callable[[], bool]:
        name, login = self.delivery.pull_secret, self.login
        if not name or not login:
            return lambda: True
        return lambda: pullsecret.current(door, self.target.namespace, name, self.profile.registry.url, login)

    def _excuse_engine(self, checks: dict[str, Future[Any]]) -> None:
        """An image that is there is not built, so the lack of an engine is no error."""
        built = not checks["image"].exception() and self._image_is_there(checks)
        if built and isinstance(checks["docker"].exception(), DeployError):
            del checks["docker"]

    def _image_is_there(self, checks: Mapping[str, Future[Any]]) -> bool:
        return bool(checks["image"].result().there)

    def _facts(self, checks: Mapping[str, Future[Any]]) -> Facts:
        wanted: _Wanted = checks["image"].result()
        files = chart.digest(self.project / self.profile.release.chart)
        return Facts(
            wanted.image, source=wanted.source, job=self.job, chart=files, **self._of(checks["release"].result())
        )

    def _of(self, kept: Sequence[Kept]) -> dict[str, Any]:
        """The facts that the past tells."""
        history = tuple(one.revision for one in kept)
        facts: dict[str, Any] = {
            "history": history,
            "released": Released(kept[-1].values, kept[-1].manifest) if kept else None,
        }
        good = last_good(repair.settled(history)) if self.profile.strategy == "canary" else None
        if good:
            found = next(one for one in kept if one.revision.number == good.number)
            defaults = chart.read(self.project, self.profile.release.chart).defaults.data
            facts["base"] = Base(good, found.values, defaults, found.manifest)
        return facts

    def _image(self, registry: Registry, given_tag: str | None) -> _Wanted:
        """The image of the tree. What the registry has is not it where a platform is missing: then it is built."""
        found = self._tagged(registry, given_tag)
        lacks = self._lacking(registry, found.image) if found.there else ()
        return replace(found, image=replace(found.image, digest=None), there=False, lacks=lacks) if lacks else found

    def _lacking(self, registry: Registry, there: Image) -> tuple[str, ...]:
        wanted = self.profile.image.platforms
        return build.lacking(wanted, registry.platforms(there)) if wanted else ()

    def _tagged(self, registry: Registry, given_tag: str | None) -> _Wanted:
        with ThreadPoolExecutor(1) as pool:  # a registry takes its time over a password
            asked = pool.submit(registry.check)
            tree = source.source(self.programs, self.project, self.profile.image.context)
            name = tag(self.profile.image.tag, tree, given_tag, self.job)
            asked.result()
        image = Image(self.profile.registry.url, self.profile.image.repository, name)
        digest = registry.digest(image)
        return _Wanted(replace(image, digest=digest), tree, digest is not None)

    def _reported(self, registry: Registry, reported: Image) -> _Wanted:
        """The image that was built before."""
        registry.check()
        if not registry.holds(reported):
            raise PreflightError(
                f"registry {reported.registry} does not have {reported.reference}, which the build report names",
                hint="`deploy build` again; maybe the registry was cleaned up meanwhile",
            )
        return _Wanted(reported, source.source(self.programs, self.project, self.profile.image.context), True)

    def _promoted(self, registry: Registry, promoted: Image) -> _Wanted:
        """The image where it goes to."""
        tagged = self._tagged(registry, promoted.tag)
        image = replace(tagged.image, digest=promoted.digest)
        return _Wanted(image, tagged.source, _held(registry, tagged.image, image.digest))

    def _metrics(self, door: Prometheus) -> None:
        """A query that Prometheus refuses is found before the release. That it is away may be no reason to wait."""
        nobody = Side(self.profile.release.name, self.target.namespace, self.environment, NOBODY)
        for one in metrics.guards(self.profile):
            try:
                door.query(filled(one.query, nobody, one.window))
            except prometheus.Refused as error:
                raise PreflightError(f"metric {one.name}: {error.message}", hint=error.hint) from None
            except prometheus.Unanswered as error:
                if self.profile.metrics.unreachable == "indeterminate":
                    raise PreflightError(error.message, hint=error.hint) from None
                return

    def _engine(self) -> None:
        """What builds: an engine, or a builder of buildx."""
        if self.profile.image.beyond_docker:
            self._builder()
            return
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

    def _builder(self) -> None:
        program, settings = self.profile.tools.docker, self.profile.image
        self._buildx()
        try:
            kind, trouble = docker.driver(self.programs.read(docker.inspect(program, settings.builder)))
        except ProgramFailed as error:
            raise PreflightError(
                f"docker has no builder `{settings.builder}` (image.builder)" if settings.builder else error.message,
                detail=error.detail[-3:],
                hint=build.create(settings.builder),
            ) from None
        name = f"builder `{settings.builder}`" if settings.builder else "the builder that docker uses"
        if trouble:
            raise PreflightError(f"{name} does not work: {trouble}", hint="docker buildx ls tells of each builder")
        if kind == "docker" and "io.containerd" not in self._store():
            raise PreflightError(
                f"{name} is docker's own, which cannot do {build.beyond(settings)}",
                hint=build.create(settings.builder),
            )

    def _store(self) -> str:
        """An engine that keeps its images in containerd can do what a builder can."""
        try:
            return self.programs.read(docker.store(self.profile.tools.docker))
        except ProgramFailed:
            return ""

    def helm(self) -> Helm:
        """The helm on PATH, if it is one that works."""
        if self.program:
            return replace(self.program, target=self.target)
        program = self.profile.tools.helm
        version = self.programs.read(helm.version(program)).strip()
        problem = helm.supported(version)
        if problem:
            raise PreflightError(problem, hint="helm 3 from 3.18 on and helm 4 from 4.1.2 on work, but not 4.2.1")
        return Helm(program, int(version.lstrip("v").split(".")[0]), self.target, self.profile.release.name)

    def cluster(self) -> Cluster:
        """The cluster behind the profile's context, if it is the one the profile means."""
        return self._identified(self._connected())

    def _connected(self) -> Cluster:
        """The way to the cluster. One that shows by its URL or its CA that it is another is not sent a request."""
        door = cluster.connect(self.target.kubeconfig, self.target.context)
        identity = self.profile.target.identity
        self._demand("server", door.server, identity.server)
        self._demand("caSha256", door.ca_sha256, identity.ca_sha256)
        return door

    def _identified(self, door: Cluster) -> Cluster:
        try:
            if uid := self.profile.target.identity.uid:
                self._demand("uid", _uid(door), uid)
            self._demand_namespace(door)
        except cluster.ClusterError as error:  # nothing is under way yet, so it is no doubt about a rollout
            raise PreflightError(error.message, hint=error.hint) from None
        return door

    def _demand(self, key: str, there: str | None, wanted: str | None) -> None:
        if wanted and there != wanted:
            raise PreflightError(
                f"context `{self.target.context}` leads to another cluster than this environment's: "
                f"{key} is {there}, and target.identity.{key} says {wanted}",
                hint=f"check the context in {self.target.kubeconfig}",
            )

    def _demand_namespace(self, door: Cluster) -> None:
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

    @property
    def _some_image(self) -> Image:
        """What the chart is tried with while nobody knows the image yet."""
        return Image(self.profile.registry.url, self.profile.image.repository, "check", "sha256:" + "0" * 64)

    def _chart(self, program: Helm, values: Values, image: Image) -> list[dict[str, Any]]:
        folder = self.project / self.profile.release.chart
        if not (folder / "Chart.yaml").is_file():
            raise PreflightError(f"there is no chart at {self.profile.release.chart} (release.chart)")
        given = release_values.release(values, image, self.profile.registry.pull_secret)
        text = release_values.text(self.delivery.rendering(given))
        try:
            return objects(self.programs.read(program.template(folder, text)))
        except ProgramFailed as error:
            raise PreflightError(
                f"chart {self.profile.release.chart} does not render with these values", detail=error.detail[-10:]
            ) from None

    def _canary(self, checks: Mapping[str, Future[Any]], values: Values) -> _Tried:
        """That the chart can do what the profile asks of it, beside what runs too."""
        checks["chart"].result()  # what fails there is told once
        name, facts, program = str(self.profile.release.chart), self._facts(checks), checks["helm"].result()
        if facts.base and facts.image.digest:
            pods = release.pods(self._chart(program, values, facts.image))
            facts = replace(facts, same_pods=pods == release.pods(objects(facts.base.manifest)))
        pull_secret = self.profile.registry.pull_secret if self.login else None
        base = canary.wanted(self.profile, facts, values, pull_secret)
        new = release_values.release(values, self._some_image, pull_secret)
        manifest: list[dict[str, Any]] = []
        for trial in canary.trials(self.profile, base, facts.history, new):
            try:
                text = release_values.text(trial.values)
                manifest = objects(self.programs.read(program.template(self.project / name, text)))
            except ProgramFailed as error:
                raise PreflightError(
                    f"chart {name} does not render with a canary{trial.where}, and strategy is canary",
                    detail=error.detail[-10:],
                    hint=trial.hint,
                ) from None
            canary.demand(self.profile.canary.route, name, trial, manifest)
        alone = {previews.name(one) for one in checks["chart"].result()}
        second = [one for one in manifest if one.get("kind") and previews.name(one) not in alone]
        self._demand_rights(checks["cluster"].result(), permissions.removing(second, self.target.namespace))
        return _Tried(manifest, facts.same_pods)

    def _access(self, door: Cluster, manifest: list[dict[str, Any]]) -> None:
        self._demand_rights(door, self.delivery.needed(manifest, self.target.namespace))

    def _demand_rights(self, door: Cluster, wanted: Sequence[Access]) -> None:
        denied = door.can_i(wanted)
        if denied:
            raise PreflightError(
                f"no permission in namespace {self.target.namespace}: {', '.join(map(str, denied))}",
                hint="docs/permissions.md has the Role that a deploy needs",
            )

    def _of_this_cluster(self, door: Future[Cluster], identified: Future[Cluster]) -> tuple[Kept, ...]:
        """What is released. Asked at once, but whose cluster it is comes first: its error is the one that is told."""
        try:
            return self.kept(door.result())
        finally:
            identified.result()

    def history(self, door: Cluster) -> tuple[Revision, ...]:
        """What is kept of the release, with our record."""
        return tuple(one.revision for one in self.kept(door))

    def kept(self, door: Cluster) -> tuple[Kept, ...]:
        """The revisions with what is on record of each, oldest first."""
        return self.delivery.kept(door)


def _held(registry: Registry, tagged: Image, digest: str | None) -> bool:
    """Whether the registry holds the digest; where it does not, it may be copied there.

    `tagged`: what the registry has under the tag. Raises PreflightError where that is another image.
    """
    if registry.holds(replace(tagged, digest=digest)):
        return True
    if tagged.digest:
        raise PreflightError(
            f"registry {tagged.registry} has another image as {tagged.tagged}: {tagged.digest}, not {digest}",
            hint="what runs from it there would lose its name: give the version that is promoted a tag of its own",
        )
    return False


def target(project: Path, profile: Profile) -> Target:
    """Where the release of a profile lives."""
    kubeconfig = Path(profile.target.kubeconfig).expanduser()
    return Target(project / kubeconfig, profile.target.context, profile.target.namespace)


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
    if len(told) == 1 and isinstance(told[0], cluster.ClusterError):  # no doubt about a rollout: none is under way
        raise PreflightError(told[0].message, hint=told[0].hint) from None
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
