"""A run in numbers, as OTLP and as the Pushgateway want them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from deployer.result import Result

JOB = "deploy"


@dataclass(frozen=True)
class Figure:
    """One number. The name is Prometheus': its unit comes last."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def figures(result: Result, now: float) -> tuple[Figure, ...]:
    """What a run came to; `now`: its end, in seconds since the epoch."""
    run = {"verb": result.plan.verb, "outcome": result.exit_code.name.lower()}
    stages: dict[str, float] = {}
    for stage in result.stages:
        stages[stage.name] = stages.get(stage.name, 0.0) + stage.seconds
    return (
        Figure("deploy_run_duration_seconds", "From the first check to the end.", round(result.seconds, 3), run),
        Figure("deploy_run_finished_timestamp_seconds", "When the newest run ended.", round(now, 3), run),
        Figure("deploy_run_exit_code", "As docs/exit-codes.md has it.", int(result.exit_code), run),
        Figure("deploy_run_changed", "1: the registry or the cluster was touched.", int(result.changed), run),
        Figure("deploy_run_rolled_back", "1: the last good revision was put back.", int(bool(result.restored)), run),
        *(
            Figure("deploy_stage_duration_seconds", "One stage of the run.", round(seconds, 3), run | {"stage": stage})
            for stage, seconds in stages.items()
        ),
    )


def place(result: Result) -> dict[str, str]:
    """What tells one release's runs from another's: of many targets, also which."""
    plan = result.plan
    found = {"environment": plan.environment, "namespace": plan.target.namespace, "release": plan.release}
    return found | ({"target": plan.target.name} if plan.target.name else {})


def group(result: Result) -> str:
    """The Pushgateway's path for a release: each run takes the place of the one before."""
    return f"/metrics/job/{JOB}" + "".join(f"/{key}/{quote(text, safe='')}" for key, text in place(result).items())


def exposition(found: tuple[Figure, ...]) -> str:
    """Prometheus' text format."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: tuple[Figure, ...]) -> Iterator[str]:
    told: set[str] = set()
    for one in found:
        if one.name not in told:
            told.add(one.name)
            yield f"# HELP {one.name} {one.help}"
            yield f"# TYPE {one.name} gauge"
        labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in one.labels.items())
        yield f"{one.name}{{{labels}}} {one.value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
