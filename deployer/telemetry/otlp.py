"""OTLP in JSON: a run as a trace, a span a stage, and its figures as gauges. Pure.

Sixty lines instead of the library, which would be a quarter of a second of every start and a dozen packages.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from deployer import __version__
from deployer.result import Result, Stage
from deployer.telemetry.context import Context
from deployer.telemetry.figures import Figure, place

_INTERNAL, _OK, _ERROR = 1, 1, 2


def trace(result: Result, context: Context, ended: float) -> dict[str, Any]:
    """The run and its stages. `ended`: seconds since the epoch. Stages follow one another up to the end.

    What comes before the first of them are the checks.
    """
    moments, moment = [], ended
    for stage in reversed(result.stages):
        moments.append((stage, moment - stage.seconds, moment))
        moment -= stage.seconds
    began = min(moment, ended - result.seconds)
    checks = [(Stage("checks", moment - began, ok=True), began, moment)] if moment - began > 0.001 else []
    spans = [_run(result, context, began, ended)]
    for number, (stage, first, last) in enumerate([*checks, *reversed(moments)]):
        identity = hashlib.sha256(f"{context.span} {number}".encode()).hexdigest()[:16]
        note = {"deploy.note": stage.note} if stage.note else {}
        status = {"code": _OK if stage.ok else _ERROR}
        spans.append(_span(context.trace, identity, context.span, stage.name, first, last, note, status))
    return {"resourceSpans": [{**_resource(), "scopeSpans": [{"scope": _scope(), "spans": spans}]}]}


def metrics(result: Result, found: tuple[Figure, ...], now: float) -> dict[str, Any]:
    """The figures, each with the release it is about."""
    made = [
        {
            "name": one.name,
            "description": one.help,
            "gauge": {
                "dataPoints": [
                    {
                        "attributes": _attributes({**place(result), **one.labels}),
                        "timeUnixNano": _nanoseconds(now),
                        "asDouble": one.value,
                    }
                ]
            },
        }
        for one in found
    ]
    return {"resourceMetrics": [{**_resource(), "scopeMetrics": [{"scope": _scope(), "metrics": made}]}]}


def _run(result: Result, context: Context, began: float, ended: float) -> dict[str, Any]:
    about: dict[str, Any] = {
        "deployment.environment.name": result.plan.environment,
        "k8s.namespace.name": result.plan.target.namespace or None,
        "deploy.target": result.plan.target.name or None,
        "helm.release.name": result.plan.release,
        "deploy.outcome": result.exit_code.name.lower(),
        "deploy.changed": result.changed,
        "deploy.revision": result.revision,
        "deploy.restored": result.restored,
        "container.image.name": result.image.reference if result.image else None,
        "vcs.ref.head.revision": result.plan.record.sha or None,
        "cicd.pipeline.run.url.full": result.plan.record.job or None,
    }
    bad = bool(result.exit_code)
    status = {"code": _ERROR, "message": result.message} if bad else {"code": _OK}
    name = f"deploy {result.plan.verb}"
    return _span(context.trace, context.span, context.parent, name, began, ended, about, status)


def _span(
    trace: str,
    identity: str,
    parent: str,
    name: str,
    began: float,
    ended: float,
    about: Mapping[str, Any],
    status: dict[str, Any],
) -> dict[str, Any]:
    made = {
        "traceId": trace,
        "spanId": identity,
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(began),
        "endTimeUnixNano": _nanoseconds(ended),
        "attributes": _attributes(about),
        "status": status,
    }
    return made | ({"parentSpanId": parent} if parent else {})


def _resource() -> dict[str, Any]:
    return {"resource": {"attributes": _attributes({"service.name": "deploy", "service.version": __version__})}}


def _scope() -> dict[str, str]:
    return {"name": "deploy", "version": __version__}


def _attributes(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(one)} for key, one in given.items() if one is not None]


def _value(one: str | int | bool) -> dict[str, Any]:
    if isinstance(one, bool):
        return {"boolValue": one}
    return {"intValue": str(one)} if isinstance(one, int) else {"stringValue": one}


def _nanoseconds(moment: float) -> str:
    """As text: JSON's numbers are too short for it."""
    return str(int(moment * 1_000_000) * 1000)
