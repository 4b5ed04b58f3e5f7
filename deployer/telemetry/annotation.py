"""A run as a mark on a graph: what Grafana's API takes, and the line of a file. Pure."""

from typing import Any

from deployer.result import Result


def annotation(result: Result, ended: float) -> dict[str, Any] | None:
    """The mark, from the run's begin to its end (seconds since the epoch); None where nothing was changed."""
    plan, image = result.plan, result.image
    if not result.changed or plan.verb == "build":
        return None
    outcome = result.exit_code.name.lower()
    tags = {
        "release": plan.release,
        "namespace": plan.target.namespace,
        "environment": plan.environment,
        "target": plan.target.name,
        "verb": plan.verb,
        "outcome": outcome,
        "version": image.tag if image else "",
        "revision": "" if result.revision is None else str(result.revision),
    }
    return {
        "time": int((ended - result.seconds) * 1000),
        "timeEnd": int(ended * 1000),
        "tags": ["deploy", *(f"{key}:{text}" for key, text in tags.items() if text)],
        "text": f"{plan.verb} {plan.environment}: {result.message}",
    }
