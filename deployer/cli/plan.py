"""`deploy plan`."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deployer import guard
from deployer import profile as profiles
from deployer.checks import Ready
from deployer.cli import files, jobs, options
from deployer.cli.consent import consent
from deployer.cli.jobs import Reports
from deployer.cli.session import Session, answering, echo, known_variables, session
from deployer.cli.streams import answer
from deployer.cli.up import planned, reported, stands_on
from deployer.errors import DeployError, ExitCode, PreflightError, UsageError
from deployer.model import Values
from deployer.plan import canary, values
from deployer.plan import preview as previews
from deployer.plan import saved as plans
from deployer.plan.preview import Origin, Preview
from deployer.report import document
from deployer.report import preview as report
from deployer.values import layers as stack
from deployer.values.assign import keys as path_of
from deployer.values.document import objects


class Output(StrEnum):
    """What stdout carries."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def plan(
    env: options.Env,
    target: options.OneTarget = None,
    tag: options.Tag = None,
    image_file: options.ImageFile = None,
    assignments: options.Assignments = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Save the plan, for `deploy up --plan FILE`.", metavar="FILE")
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="text for people, json for machines, markdown for a merge request.")
    ] = Output.TEXT,
    summary: options.Summary = None,
    project: options.Project = Path(),
    env_file: options.EnvFile = None,
) -> int:
    """Say what `up` would change, field by field, and touch nothing. Exit code 11: changes; 0: nothing to do."""
    machine = options.Output.JSON if output is Output.JSON else options.Output.TEXT
    reports = Reports(project, summary=summary)
    with answering("plan", env, machine, reports), session(project, env, env_file, one=target) as run:
        if image_file and (tag or out):
            why = "--tag has nothing to say" if tag else "--out has no use: `up --plan` names its image by a tag"
            raise UsageError(f"--image names the image, so {why}")
        built = reported(run, image_file) if image_file else None
        given = run.values(assignments or [])
        ready = run.checks.for_image(given, built.named) if built else run.checks.for_plan(given, tag)
        made = planned(run, ready, given, image_file, built)
        run.learn(_former(ready, run.secret_paths))
        run.learn_held(ready.cluster)
        mask = run.mask
        found = Preview() if made.kept else _preview(run, ready, given, _origins(run, env_file, assignments or []))
        against = _refusals(run, ready)
        code = ExitCode.CHANGES if made.steps else ExitCode.OK
        told = document.preview(made, found, against, ready.because, code)
        if out:
            files.write("--out", out, plans.text(stands_on(run, ready, given, tag), mask.through(told)))
        markdown = "\n".join(report.markdown(made, found, against))
        jobs.planned(env, markdown, mask, reports)
    if output is Output.JSON:
        answer(told, mask)
    else:
        text = "\n".join(report.lines(made, found, against))
        echo(markdown if output is Output.MARKDOWN else text, mask)
    return int(code)


def _preview(run: Session, ready: Ready, given: Values, origin: Callable[[tuple[str, ...]], Origin]) -> Preview:
    assert ready.helm is not None
    secret = run.profile.registry.pull_secret if run.login else None
    wanted = values.release(given, ready.facts.image, secret)
    released = ready.facts.released
    before = objects(released.manifest) if released else []
    chart = run.project / run.profile.release.chart
    foreseen = run.delivery.foresee(run.programs, ready.helm, ready.cluster, chart, wanted, before)
    hidden = _hidden(ready, run.secret_paths)
    changed = previews.values_changed(
        released.values if released else {}, wanted, origin, lambda path: any(_below(path, one) for one in hidden)
    )
    return previews.preview(foreseen, before, changed if released else ())


def _origins(run: Session, env_file: Path | None, assignments: Sequence[str]) -> Callable[[tuple[str, ...]], Origin]:
    """Which layer says a value, and where. The one place that knows how values are laid over one another."""
    read = profiles.read(run.project, run.environment, known_variables(run.project, env_file))
    below = [layer.section("values") for layer in read.layers]
    opened = () if isinstance(run.opened, DeployError) else run.opened
    over = values.over(run.profile, run.secrets, [one.layer for one in opened])
    over = (*over, *values.assigned(assignments))

    def origin(keys: tuple[str, ...]) -> Origin:
        layers = [*below, *over]
        if keys[0] == "image" and keys[1:2] and keys[1] in values.RUN:
            layers = list(values.assigned(assignments))
            if not any(stack.has(layer.data, keys) for layer in layers):
                return Origin("image of the run")
        if not any(stack.has(layer.data, keys) for layer in layers):
            return Origin("pull secret" if keys[0] == "imagePullSecrets" else "")
        owner = stack.owner(layers, keys)
        return Origin(owner.name, owner.place(keys), owner.secret)

    return origin


def _refusals(run: Session, ready: Ready) -> tuple[PreflightError, ...]:
    """What the guards would say; whether the platform protects the environment is all that can be told of --yes."""
    facts = consent(run, None, None, yes=True).facts(ready.guarded)
    return tuple(
        PreflightError(f"{one.reason} ({one.key})", hint=one.hint, detail=one.detail)
        for one in guard.judge(run.profile.guards, facts)
    )


def _hidden(ready: Ready, secrets: Iterable[str]) -> set[str]:
    """Paths of secrets: of today's profile, and of the released one."""
    record = ready.facts.history[-1].record if ready.facts.history else None
    return canary.secrets((*secrets, *(record.secrets if record else ())))


def _below(path: str, secret: str) -> bool:
    return path == secret or path.startswith(f"{secret}.")


def _former(ready: Ready, secrets: Iterable[str]) -> list[str]:
    """The secrets of the released revision, wherever the chart has put them."""
    found: list[str] = []
    for path in _hidden(ready, secrets):
        value: Any = ready.facts.released.values if ready.facts.released else {}
        for key in path_of(path):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            found.append(value)
    return found
