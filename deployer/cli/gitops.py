"""`deploy gitops init`: what Argo CD needs to deliver a release."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from deployer import ci, configrepo, credentials, profile, scaffold, sops
from deployer.checks import target
from deployer.cli import options
from deployer.cli.session import answering, echo, known_variables, teller, withheld
from deployer.cli.streams import answer, hide
from deployer.commands.helm import Helm
from deployer.configrepo import Author
from deployer.errors import ExitCode, PreflightError, UsageError
from deployer.mask import Mask
from deployer.model import Image, Target
from deployer.plan import applications, gitops, values
from deployer.plan.applications import LOCAL, Delivery, Destination, Object, Sync
from deployer.plan.gitops import Place
from deployer.process import ProgramFailed, Programs
from deployer.profile import Profile
from deployer.profile.sources import FOLDER, nearest
from deployer.report import document, words
from deployer.scaffold import Written
from deployer.sops import Sops
from deployer.values import layers
from deployer.values.document import objects, parse

TAG, DIGEST = "init", "sha256:" + "0" * 64
"""Of an image that nobody built, to render the chart with."""

SYNC = "self-heal"

app = typer.Typer(help="Delivery by Argo CD.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Delivery by Argo CD."""


@app.command()
def init(
    env: Annotated[
        list[str],
        typer.Option(
            "--env",
            "-e",
            help="Environment with `delivery: argocd`; again for more.",
            show_default=False,
            autocompletion=options.environment_names,
        ),
    ],
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster",
            help="Where it goes: a cluster by its name in Argo CD.",
            metavar="[ENV=]NAME",
            show_default=False,
        ),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            help="The same by URL. [default: Argo CD's own cluster, or target.identity.server]",
            metavar="[ENV=]URL",
            show_default=False,
        ),
    ] = None,
    sync: Annotated[
        list[str] | None,
        typer.Option(
            "--sync",
            help=f"{', '.join(applications.SYNCS)}: who syncs. [default: {SYNC}]",
            metavar="[ENV=]MODE",
            show_default=False,
        ),
    ] = None,
    app_project: Annotated[
        str | None,
        typer.Option(
            "--app-project", help="Name of the AppProject. [default: that of the release]", show_default=False
        ),
    ] = None,
    application_set: Annotated[
        bool,
        typer.Option("--application-set", help="One ApplicationSet instead of an Application for each environment."),
    ] = False,
    cluster_label: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster-label",
            help="An ApplicationSet over every cluster of Argo CD with this label; again for more.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the files, relative to the project.", metavar="DIR")
    ] = Path("gitops"),
    commit: Annotated[
        bool, typer.Option("--commit", help="Commit them to the configuration repository: there to DIR/RELEASE.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that people have changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files, write nothing.")] = False,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Write AppProject and Applications for Argo CD. Files that people have changed are kept. No cluster is asked."""
    with answering("gitops init", None, output):
        project = project.resolve()
        known = known_variables(project, env_file)
        names = tuple(dict.fromkeys(env))
        labels = _labels(cluster_label)
        if labels and (cluster or server):
            raise UsageError("--cluster-label says which clusters; --cluster and --server do not go with it")
        wanted = _Wanted(
            _each("--cluster", cluster, names),
            _each("--server", ["*"] if labels else server, names),
            _each("--sync", sync, names),
        )
        found = [_Environment(project, name, profile.load(project, name, known)) for name in names]
        deliveries = [_delivery(one, wanted, known) for one in found]
        name = app_project or deliveries[0].release
        if labels:
            made = applications.files_of_fleets(name, deliveries, labels)
        elif application_set:
            made = applications.files_of_list(name, deliveries)
        else:
            made = applications.files(name, deliveries)
        over = _anything if force else applications.untouched
        sha = None
        if commit and not dry_run:
            folder = _inside(out, deliveries[0].release)
            where = f"folder {folder} of {found[0].place.repository} ({found[0].place.branch})"
            texts, done, sha = _committed(found, folder, made, over, known, output)
            where = f"{where}, {f'commit {sha[:12]}' if sha else 'nothing to commit'}"
        else:
            where, texts = str(out), _texts(project / out, made, over)
            done = Written((), (), ()) if dry_run else scaffold.renew(project / out, texts, over)
    code = ExitCode.KEPT if done.kept else ExitCode.OK
    if output is options.Output.JSON:
        answer(document.gitops(where, names, texts, done, sha, code), Mask())
        return int(code)
    contexts = {one.environment: one.place.context for one in found}
    for line in words.manifests(texts) if dry_run else words.gitops(where, made, done, contexts):
        echo(line, Mask())
    return int(code)


@dataclass(frozen=True)
class _Wanted:
    """What the command line says of each environment."""

    clusters: Mapping[str, str]
    servers: Mapping[str, str]
    syncs: Mapping[str, str]


@dataclass(frozen=True)
class _Environment:
    project: Path
    environment: str
    profile: Profile

    @property
    def place(self) -> Place:
        return gitops.place(self.environment, self.profile, target(self.project, self.profile))


def _delivery(one: _Environment, wanted: _Wanted, known: Mapping[str, str]) -> Delivery:
    """Raises UsageError where the profile does not deliver by Argo CD, or nobody says where to."""
    if one.profile.delivery != "argocd":
        raise UsageError(
            f"{FOLDER}/{one.environment}.yaml: delivery is {one.profile.delivery}: Argo CD has no part in it",
            hint="set `delivery: argocd`, and `argocd: {repository: URL}` (docs/gitops.md)",
        )
    there = one.place
    files = sops.files(one.project, one.environment, one.profile.secret_files)
    return Delivery(
        environment=one.environment,
        release=there.release,
        application=there.application,
        argocd=there.namespace,
        repository=configrepo.checked(there.repository),
        branch=there.branch,
        path=there.path,
        namespace=there.target.namespace,
        destination=_destination(one, wanted),
        sync=_sync(wanted.syncs.get(one.environment, SYNC)),
        sealed=tuple(map(gitops.sealed, files)),
        objects=tuple(_rendered(one, files, known)),
    )


def _destination(one: _Environment, wanted: _Wanted) -> Destination:
    name, server = wanted.clusters.get(one.environment, ""), wanted.servers.get(one.environment, "")
    if name and server:
        raise UsageError(f"{one.environment} has a --cluster and a --server", hint="Argo CD takes one of them")
    if name or server:
        return Destination(name, server)
    if one.place.beside:
        return Destination(server=LOCAL)
    if pinned := one.profile.target.identity.server:
        return Destination(server=pinned)
    raise UsageError(
        f"{one.environment} goes to another cluster than Argo CD's own, and nobody says by which name Argo CD knows it",
        hint=f"--cluster {one.environment}=NAME, or --server {one.environment}=URL: `argocd cluster list` has both",
    )


def _sync(mode: str) -> Sync:
    for one in applications.SYNCS:
        if one == mode:
            return one
    raise UsageError(f"--sync: `{mode}` is none of {', '.join(get_args(Sync))}{nearest(mode, applications.SYNCS)}")


def _rendered(one: _Environment, files: Sequence[Path], known: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the chart makes. Encrypted values stay encrypted: which objects there are can be seen without a key."""
    settings, programs = one.profile, Programs(dict(os.environ), withheld(known, one.profile))
    door = Sops(settings.tools.sops, programs, one.project)
    sealed = [layers.hidden(layers.SOPS, door.read(file).document.data, str(file)) for file in files]
    image = Image(settings.registry.url, settings.image.repository, TAG, DIGEST)
    given = values.release(values.effective(settings, {}, (), sealed), image, settings.registry.pull_secret)
    where = Target(Path(), settings.target.context, settings.target.namespace)
    helm = Helm(settings.tools.helm, 4, where, settings.release.name)
    try:
        return objects(programs.read(helm.template(one.project / settings.release.chart, values.text(given))))
    except ProgramFailed as error:
        raise PreflightError(
            f"{one.environment}: the chart does not render, so nobody knows which kinds it makes",
            hint=f"`deploy config check --env {one.environment}` says where",
            detail=tuple(line for line in error.detail if line.strip())[-10:],
        ) from None


def _anything(text: str) -> bool:
    """--force: nothing that is there is kept, nor taken over."""
    return True


def _texts(folder: Path, made: Mapping[str, Object], over: Callable[[str], bool]) -> dict[str, str]:
    """The files' texts. What earlier runs of ours have said of other environments stays, unless --force is given."""
    there = {path: scaffold.text(folder / path) or "" for path in made} if over is not _anything else {}
    ours = {path: parse(folder / path, text).data for path, text in there.items() if over(text)}
    return {path: applications.text(item) for path, item in applications.beside(made, ours).items()}


def _committed(
    found: Sequence[_Environment],
    folder: str,
    made: Mapping[str, Object],
    over: Callable[[str], bool],
    known: Mapping[str, str],
    output: options.Output,
) -> tuple[dict[str, str], Written, str | None]:
    """Commit what is not there yet; with it stays what earlier runs have committed. The commit, if one was needed."""
    repositories = {(one.place.repository, one.place.branch) for one in found}
    if len(repositories) > 1:
        listed = ", ".join(f"{one.environment} in {one.place.repository} ({one.place.branch})" for one in found)
        raise UsageError(f"these are not in one repository and branch: {listed}", hint="run once for each of them")
    (url, branch), settings = repositories.pop(), found[0].profile.argocd
    names = (settings.username_variable, settings.password_variable)
    login = credentials.login(*names, known, what="the login of the configuration repository")
    hide([login.password] if login else [])
    programs = Programs(dict(os.environ), withheld(known, *(one.profile for one in found)))
    job = ci.job(os.environ)
    mask = Mask([login.password] if login else [])
    author = Author(name=job.actor) if job.actor else Author()
    with (
        teller(mask, output, verbose=False) as screen,
        configrepo.opened(programs, url, branch, folder, login=login, author=author, tell=screen.tell) as repository,
        tempfile.TemporaryDirectory(prefix="deploy-") as scratch,
    ):
        place = Path(scratch)
        if repository.tip and repository.holds(repository.tip):
            repository.tree(repository.tip, place)
        texts = _texts(place, made, over)
        done = scaffold.renew(place, texts, over)
        if not done.written:
            return texts, done, None
        here = {file.relative_to(place).as_posix(): file.read_bytes() for file in place.rglob("*") if file.is_file()}
        environments = ", ".join(one.environment for one in found)
        trailers = {"Deploy-Verb": "gitops init", "Deploy-Environment": environments, "Deploy-Actor": job.actor}
        change = repository.commit(here, f"Tell Argo CD of {found[0].profile.release.name} in {environments}", trailers)
        return texts, done, change.sha if change else None


def _inside(out: Path, release: str) -> str:
    """Where in the repository the files of a release are: what is there of others is not touched."""
    return (out / release).as_posix()


def _each(option: str, given: Sequence[str] | None, names: Sequence[str]) -> dict[str, str]:
    """`VALUE` for all environments, `ENV=VALUE` for one of them, which goes before that."""
    said: dict[str, str] = {}
    for text in sorted(given or (), key=lambda text: "=" in text):
        name, sign, value = text.partition("=")
        if not sign:
            said |= dict.fromkeys(names, text)
        elif name in names:
            said[name] = value
        else:
            raise UsageError(f"{option} {text}: there is no --env {name}{nearest(name, tuple(names))}")
    return said


def _labels(given: Sequence[str] | None) -> dict[str, str]:
    """Raises UsageError for what is no KEY=VALUE."""
    found = {}
    for text in given or ():
        key, sign, value = text.partition("=")
        if not (key and sign):
            raise UsageError(f"--cluster-label {text}: write it as KEY=VALUE")
        found[key] = value
    return found
