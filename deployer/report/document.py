"""For machines: one JSON document on stdout. docs/json-output.md has its shape; `schema` names its version."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from deployer.errors import DeployError, ExitCode
from deployer.plan.init import Service
from deployer.plan.steps import Plan
from deployer.report import words
from deployer.result import Result
from deployer.rollout import Outcome
from deployer.scaffold import Written
from deployer.status import Status

SCHEMA = "deploy/v1"


def result(found: Result) -> dict[str, Any]:
    """A finished run."""
    plan, image = found.plan, found.image
    return {
        "schema": SCHEMA,
        "verb": plan.verb,
        "environment": plan.environment,
        "outcome": found.exit_code.name.lower(),
        "exitCode": int(found.exit_code),
        "message": found.message,
        "hint": found.hint,
        "changed": found.changed,
        "seconds": round(found.seconds, 3),
        "release": {
            "name": plan.release,
            "namespace": plan.target.namespace,
            "context": plan.target.context,
            "revision": found.revision,
            "previous": plan.previous,
            "restored": found.restored,
        },
        "image": {"reference": image.reference, "tag": image.tag, "digest": image.digest} if image else None,
        **_promotion(plan),
        "stages": [dataclasses.asdict(stage) for stage in found.stages],
        "workloads": [_judgement(judgement) for judgement in found.judgements],
        "diagnosis": dataclasses.asdict(found.diagnosis) if found.diagnosis else None,
        "warnings": list(found.warnings),
        "detail": list(found.detail),
    }


def plan(made: Plan) -> dict[str, Any]:
    """What would be done."""
    return {
        "schema": SCHEMA,
        "verb": made.verb,
        "environment": made.environment,
        "outcome": "planned",
        "exitCode": int(ExitCode.OK),
        "changed": False,
        "release": {"name": made.release, "namespace": made.target.namespace, "context": made.target.context},
        "image": {"reference": made.image.reference, "tag": made.image.tag} if made.image else None,
        **_promotion(made),
        "steps": [{"stage": step.stage, "does": words.deed(step.deed, made)} for step in made.steps],
        "recovery": [{"stage": step.stage, "does": words.deed(step.deed, made)} for step in made.recovery],
        "notes": list(made.notes),
    }


def error(verb: str, environment: str | None, problem: DeployError) -> dict[str, Any]:
    """A run that ended before its first deed."""
    return {
        "schema": SCHEMA,
        "verb": verb,
        "environment": environment,
        "outcome": ExitCode(problem.exit_code).name.lower(),
        "exitCode": int(problem.exit_code),
        "message": problem.message,
        "hint": problem.hint,
        "detail": list(problem.detail),
        "changed": False,
    }


def doctor(environment: str, checks: dict[str, str], code: ExitCode) -> dict[str, Any]:
    """Every check of an environment: "ok", or what is wrong."""
    outcome = {"outcome": code.name.lower(), "exitCode": int(code)}
    return {"schema": SCHEMA, "verb": "doctor", "environment": environment, **outcome, "checks": checks}


def init(service: Service, done: Written, code: ExitCode) -> dict[str, Any]:
    """What was written for a service, and what was there already."""
    return {
        "schema": SCHEMA,
        "verb": "init",
        "environment": None,
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "service": {"name": service.name, "module": service.module, "port": service.port, "ci": service.ci},
        **dataclasses.asdict(done),
    }


def verify(found: Outcome, code: ExitCode) -> dict[str, Any]:
    """A rollout that was judged without a profile."""
    return {
        "schema": SCHEMA,
        "verb": "verify",
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "verdict": found.verdict,
        "message": found.headline,
        "workloads": [_judgement(judgement) for judgement in found.judgements],
        "diagnosis": dataclasses.asdict(found.diagnosis) if found.diagnosis else None,
    }


def status(found: Sequence[tuple[str, Status | DeployError]], code: ExitCode) -> dict[str, Any]:
    """Every environment that was asked for."""
    return {
        "schema": SCHEMA,
        "verb": "status",
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "environments": [
            {"environment": name, "error": one.message, "hint": one.hint, "detail": list(one.detail)}
            if isinstance(one, DeployError)
            else {
                "environment": one.environment,
                "context": one.context,
                "namespace": one.namespace,
                "release": one.release,
                "revision": dataclasses.asdict(one.revision) if one.revision else None,
                "verdict": one.verdict,
                "workloads": [_judgement(judgement) for judgement in one.judgements],
                "running": [dataclasses.asdict(running) for running in one.running],
            }
            for name, one in found
        ],
    }


def text(document: dict[str, Any]) -> str:
    """The document as people can read it too."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _judgement(judgement: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(judgement), "workload": str(judgement.workload)}


def _promotion(made: Plan) -> dict[str, Any]:
    found = made.promotion
    if found is None:
        return {}
    return {
        "promotion": {
            "source": found.source,
            "revision": found.revision,
            "image": found.image.reference,
            "sha": found.sha,
            "differences": [dataclasses.asdict(one) for one in found.differences],
        }
    }
