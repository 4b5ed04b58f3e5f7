"""`deploy config`: what is set, where it comes from, and what is wrong with it."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from deployer import audit, cluster
from deployer import chart as charts
from deployer import profile as profiles
from deployer.cli import options
from deployer.cli.session import answering, decrypted, echo, known_variables, withheld
from deployer.cli.streams import answer
from deployer.errors import DeployError, ExitCode, PreflightError, UsageError
from deployer.mask import Mask
from deployer.plan import settings, values
from deployer.plan.settings import Severity
from deployer.process import Programs
from deployer.profile import Profile, Read, editor_schema
from deployer.profile.sources import FOLDER, nearest
from deployer.report import document
from deployer.report import settings as lines
from deployer.values import layers as stack
from deployer.values.assign import keys as path_of
from deployer.values.assign import shown
from deployer.values.document import Keys
from deployer.values.layers import Leaf

NOT_SET = "(not set)"

app = typer.Typer(help="Show, check and compare what is set in the environments.", no_args_is_help=True)


@app.command()
def show(
    env: options.Env,
    explain: Annotated[
        str | None,
        typer.Option("--explain", help="Only this key and what is below it.", metavar="KEY", show_default=False),
    ] = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Everything that is set in an environment: value, layer, file and line, and what it overrode."""
    with answering("config show", env, output):
        project = project.resolve()
        known = known_variables(project, env_file)
        found = profiles.read(project, env, known)
        profile = found.checked()
        leaves = _settings(project, env, found, profile, known)
        if explain is not None:
            leaves = _explained(leaves, explain)
    mask = _mask(profile, known, leaves)
    if output is options.Output.JSON:
        answer(document.settings(env, leaves), mask)
    else:
        echo("\n".join(lines.settings(leaves)), mask)
    return int(ExitCode.OK)


@app.command()
def check(
    env: options.AnyEnv = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Check every environment without a cluster: profiles, values, chart, and what is set for nothing."""
    with answering("config check", env, output):
        project = project.resolve()
        known = known_variables(project, env_file)
        names = (env,) if env else profiles.environments(project)
        if not names:
            raise UsageError(f"there is no environments/<name>.yaml in {project}", hint="-C names the project folder")
        secret = {name for one in names for name in _secret_names(project, one, known)}
        findings = audit.audit(
            project,
            names,
            known,
            Programs(dict(os.environ), withheld(known) | secret),
            decrypt=lambda name, profile: [one.layer for one in decrypted(project, name, profile, known)],
            lack=Severity.PROBLEM if env else Severity.NOTE,
        )
    mask = Mask(known[name] for name in secret if name in known)
    code = ExitCode.USAGE if any(one.severity is Severity.PROBLEM for one in findings) else ExitCode.OK
    if output is options.Output.JSON:
        answer(document.findings(names, findings, code), mask)
    else:
        echo("\n".join(lines.findings(findings, names)), mask)
    return int(code)


@app.command()
def diff(
    left: Annotated[
        str, typer.Argument(help="An environment.", metavar="ENV", autocompletion=options.environment_names)
    ],
    right: Annotated[
        str, typer.Argument(help="Another one.", metavar="OTHER", autocompletion=options.environment_names)
    ],
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """What two environments have differently, with the places; a variable that is not set is shown as it is written."""
    with answering("config diff", None, output):
        project = project.resolve()
        known = known_variables(project, env_file)
        sides: list[tuple[Leaf, ...]] = []
        masks: list[Mask] = []
        for name in (left, right):
            found = profiles.read(project, name, known)
            if found.profile is None or found.problems:
                raise UsageError(
                    found.problems[0] if found.problems else str(found.lacks[0]), detail=found.problems[1:]
                )
            sides.append(_settings(project, name, found, found.profile, known))
            masks.append(_mask(found.profile, known, sides[-1]))
        differences = settings.differences(*sides)
    mask = Mask(secret for one in masks for secret in one.known)
    if output is options.Output.JSON:
        answer(document.differences(left, right, differences), mask)
    else:
        echo("\n".join(lines.differences(differences, left, right)), mask)
    return int(ExitCode.OK)


@app.command()
def schema(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="[default: environments/schema.json; - is stdout]", metavar="FILE", show_default=False
        ),
    ] = None,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
) -> int:
    """Write the profile's JSON schema, for editors."""
    with answering("config schema", None, output):
        text = document.text(editor_schema()) + "\n"
        if out == Path("-"):
            echo(text.rstrip("\n"), Mask())
            return int(ExitCode.OK)
        file = out or project / FOLDER / "schema.json"
        changed = not file.is_file() or file.read_text(encoding="utf-8") != text
        if changed:
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{file}: {error.strerror}") from None
    if output is options.Output.JSON:
        answer(document.written("config schema", None, str(file), changed), Mask())
    else:
        echo(f"{file} {'is written' if changed else 'is up to date'}", Mask())
    return int(ExitCode.OK)


@app.command()
def pin(
    env: options.Env,
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is pinned already, without asking.")] = False,
    output: options.Format = options.Output.TEXT,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Write which cluster the environment's context leads to now into its profile: URL, CA and uid."""
    with answering("config pin", env, output):
        project = project.resolve()
        found = profiles.read(project, env, known_variables(project, env_file))
        needed = [
            lack for lack in found.lacks if lack.keys[:1] == ("target",) and lack.keys[:2] != ("target", "identity")
        ]
        if needed or found.profile is None:
            wrong = (*map(str, needed), *found.problems)
            raise UsageError(wrong[0], detail=wrong[1:], hint="the profile must say how the cluster is reached")
        if found.profile.targets:
            raise UsageError(
                f"environment `{env}` has {len(found.profile.targets)} targets, each in a cluster of its own",
                hint="write `identity:` at each: `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` "
                "says the uid of one",
            )
        target = found.profile.target
        there = _identity(project / Path(target.kubeconfig).expanduser(), target.context)
        old = stack.merged([one.section("target", "identity") for one in found.layers])
        lacking = {lack.keys[-1] for lack in found.lacks}
        now = {"server": target.identity.server, "caSha256": target.identity.ca_sha256, "uid": target.identity.uid}
        changes = {key: value for key, value in there.items() if key in lacking or now[key] != value}
        replaced = {key: str(old[key]) for key in changes if old.get(key) is not None}
        if replaced and not yes:
            _ask(env, {key: (replaced[key], changes[key]) for key in replaced})
        file = Path(FOLDER) / f"{env}.yaml"
        if changes:
            from deployer.values.edit import edited  # ruamel.yaml takes time that no other verb need pay

            text = (project / file).read_text(encoding="utf-8")
            paths: dict[Keys, str] = {("target", "identity", key): value for key, value in changes.items()}
            (project / file).write_text(edited(str(file), text, paths), encoding="utf-8")
    if output is options.Output.JSON:
        made = document.written("config pin", env, str(file), bool(changes))
        answer({**made, "identity": there, "replaced": replaced}, Mask())
        return int(ExitCode.OK)
    for key, value in changes.items():
        echo(f"target.identity.{key}: {value}" + (f" instead of {replaced[key]}" if key in replaced else ""), Mask())
    echo(f"ok: {file} pins the cluster of context {target.context}" + ("" if changes else " already"), Mask())
    return int(ExitCode.OK)


def _settings(
    project: Path, environment: str, found: Read, profile: Profile, known: Mapping[str, str]
) -> tuple[Leaf, ...]:
    try:
        opened = [one.layer for one in decrypted(project, environment, profile, known)]
    except DeployError as error:
        print(f"note: {error.message}", file=sys.stderr)  # noqa: T201
        opened = []
    secrets = {path: known.get(name) or NOT_SET for path, name in profile.secrets.items()}
    over = (
        *values.over(profile, secrets, opened),
        settings.image(profile.registry.url, profile.image.repository),
    )
    chart = charts.read(project, profile.release.chart)
    inner = chart.layers(stack.merged([stack.everywhere("", profile.values, ""), *over]))
    return settings.settings(profiles.defaults(), inner, found.layers, over)


def _explained(leaves: Sequence[Leaf], key: str) -> tuple[Leaf, ...]:
    found = settings.chosen(leaves, tuple(path_of(key)))
    if not found:
        names = tuple(
            dict.fromkeys(shown(leaf.keys[:depth]) for leaf in leaves for depth in range(1, len(leaf.keys) + 1))
        )
        raise UsageError(f"--explain: nothing is set at `{key}`{nearest(key, names)}")
    return found


def _mask(profile: Profile, known: Mapping[str, str], leaves: Sequence[Leaf]) -> Mask:
    named = (*profile.secrets.values(), profile.registry.password_variable)
    secrets = [known[name] for name in named if name and name in known]
    hidden = [
        str(one.value)
        for leaf in leaves
        for one in (leaf.origin, *leaf.overrode)
        if one.secret and one.value != NOT_SET
    ]
    return Mask([*secrets, *hidden])


def _secret_names(project: Path, environment: str, known: Mapping[str, str]) -> set[str]:
    """The variables that hold secrets, as far as the profile says so: it may have mistakes."""
    try:
        found = profiles.read(project, environment, known)
    except UsageError:  # the audit will tell it
        return set()
    registry = stack.merged([one.section("registry") for one in found.layers]).get("passwordVariable")
    named = (registry, *stack.merged([one.section("secrets") for one in found.layers]).values())
    return {*(withheld({}, found.profile) if found.profile else ())} | {name for name in named if isinstance(name, str)}


def _identity(kubeconfig: Path, context: str) -> dict[str, str]:
    try:
        door = cluster.connect(kubeconfig, context)
        found = {"server": door.server, "caSha256": door.ca_sha256}
        found["uid"] = str(door.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
    except cluster.ClusterError as error:
        raise PreflightError(error.message, hint=error.hint) from None
    return {key: value for key, value in found.items() if value}


def _ask(environment: str, replaced: Mapping[str, tuple[str, str]]) -> None:
    """Raises UsageError where nobody says yes: the pin is what stands between a deploy and the wrong cluster."""
    detail = tuple(
        f"target.identity.{key} is {old}, and the cluster says {new}" for key, (old, new) in replaced.items()
    )
    if sys.stdin.isatty() and sys.stderr.isatty():
        for line in detail:
            typer.echo(line, err=True)
        if typer.confirm(f"Pin {environment} to this other cluster?", err=True):
            return
        raise UsageError(f"{environment} stays pinned as it was")
    raise UsageError(f"{environment} is pinned to another cluster", detail=detail, hint="--yes replaces it")
