"""For machines: one JSON document on stdout. docs/json-output.md has its shape; `schema` names its version."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from deployer.errors import DeployError, ExitCode
from deployer.mask import MASK
from deployer.plan import build
from deployer.report import words
from deployer.values.assign import shown

if TYPE_CHECKING:  # a document is made of what a verb has imported already; all others' are left alone
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deployer.errors import PreflightError
    from deployer.fleet import Ended, Rolled
    from deployer.lock import Holder
    from deployer.metrics.judge import Reading
    from deployer.model import Image, Revision
    from deployer.plan.figures import Figures
    from deployer.plan.fleet import Fleet
    from deployer.plan.init import Service
    from deployer.plan.preview import Preview
    from deployer.plan.settings import Difference, Finding
    from deployer.plan.steps import Plan
    from deployer.result import Result
    from deployer.rollout import Outcome
    from deployer.scaffold import Written
    from deployer.sops import Checked
    from deployer.status import Status
    from deployer.values.layers import Leaf, Origin

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
            "commit": found.commit,
            "proposed": found.proposed,
        },
        "image": _image(image),
        **_promotion(plan),
        **_build(found),
        "differences": [dataclasses.asdict(one) for one in plan.differences],
        "stages": [dataclasses.asdict(stage) for stage in found.stages],
        "workloads": [_judgement(judgement) for judgement in found.judgements],
        "metrics": [_metric(one) for one in found.metrics],
        "diagnosis": dataclasses.asdict(found.diagnosis) if found.diagnosis else None,
        "overrides": dict(plan.record.overrides),
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
        "differences": [dataclasses.asdict(one) for one in made.differences],
        "steps": [{"stage": step.stage, "does": words.deed(step.deed, made)} for step in made.steps],
        "recovery": [{"stage": step.stage, "does": words.deed(step.deed, made)} for step in made.recovery],
        "overrides": dict(made.record.overrides),
        "notes": list(made.notes),
    }


def bundle(environment: str, file: str, digest: str, image: Image) -> dict[str, Any]:
    """An archive that was written; `digest`: SHA-256 (hex) of its manifest."""
    return {
        "schema": SCHEMA,
        "verb": "bundle",
        "environment": environment,
        "outcome": ExitCode.OK.name.lower(),
        "exitCode": int(ExitCode.OK),
        "file": file,
        "digest": f"sha256:{digest}",
        "image": _image(image),
    }


def fleet(found: Rolled) -> dict[str, Any]:
    """A finished run on many targets, an entry each."""
    from deployer.report import fleet as report

    made = found.fleet
    ended = {one.target: one for one in found.ended}
    return {
        "schema": SCHEMA,
        "verb": made.verb,
        "environment": made.environment,
        "outcome": found.code.name.lower(),
        "exitCode": int(found.code),
        "message": report.message(found),
        "hint": report.hint(found),
        "changed": found.changed,
        "seconds": round(found.seconds, 3),
        "image": _image(found.image),
        "stopped": found.stopped or None,
        "counts": report.counts(found),
        "targets": [_target(name, made.wave(name), ended.get(name)) for name in made.targets],
    }


def fleet_plan(made: Fleet, image: Image | None, notes: Sequence[str]) -> dict[str, Any]:
    """What would be done on many targets."""
    return {
        "schema": SCHEMA,
        "verb": made.verb,
        "environment": made.environment,
        "outcome": "planned",
        "exitCode": int(ExitCode.OK),
        "changed": False,
        "image": _image(image),
        "waves": [
            {
                "name": one.name,
                "targets": list(one.targets),
                "pause": one.pause,
                "gate": one.gate,
                "failureBudget": one.budget,
            }
            for one in made.waves
        ],
        "concurrency": made.concurrency,
        "failureBudget": made.budget,
        "retries": made.retries,
        "offline": made.offline,
        "notes": list(notes),
    }


def _target(name: str, wave: str, one: Ended | None) -> dict[str, Any]:
    """One target of many; the keys of a single run are null where it was never begun."""
    found, error = (one.result, one.error) if one else (None, None)
    told = result(found) if found else {}
    return {
        "target": name,
        "wave": wave,
        "outcome": str(one.outcome) if one else "left",
        "exitCode": int(one.code) if one else None,
        "tries": one.tries if one else 0,
        "seconds": round(one.seconds, 3) if one else 0.0,
        "message": one.message if one else None,
        "hint": error.hint if error else told.get("hint"),
        "changed": bool(one and one.changed),
        "release": told.get("release"),
        "stages": told.get("stages", []),
        "workloads": told.get("workloads", []),
        "diagnosis": told.get("diagnosis"),
        "overrides": told.get("overrides", {}),
        "warnings": told.get("warnings", []),
        "detail": list(error.detail) if error else told.get("detail", []),
    }


def _image(image: Image | None) -> dict[str, Any] | None:
    return {"reference": image.reference, "tag": image.tag, "digest": image.digest} if image else None


def preview(
    made: Plan, found: Preview, refusals: Sequence[PreflightError], because: Sequence[str], code: ExitCode
) -> dict[str, Any]:
    """What an `up` would change."""
    image = made.image
    return {
        **plan(made),
        "verb": "plan",
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "release": {
            "name": made.release,
            "namespace": made.target.namespace,
            "context": made.target.context,
            "previous": made.previous,
        },
        "image": {"reference": image.reference, "tag": image.tag, "digest": image.digest, "built": not image.digest}
        if image
        else None,
        "because": list(because),
        "values": [dataclasses.asdict(one) for one in found.values],
        "objects": [dataclasses.asdict(one) for one in found.objects],
        "rolls": [dataclasses.asdict(one) for one in found.rolls],
        "refused": [{"message": one.message, "detail": list(one.detail), "hint": one.hint} for one in refusals],
        "warnings": list(found.problems),
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
        "changed": problem.changed,
    }


def unlock(environment: str, message: str, held: Holder | None, taken: bool) -> dict[str, Any]:
    """A lease that was taken away, or nobody's."""
    return {
        "schema": SCHEMA,
        "verb": "unlock",
        "environment": environment,
        "outcome": ExitCode.OK.name.lower(),
        "exitCode": int(ExitCode.OK),
        "message": message,
        "changed": taken,
        "holder": dataclasses.asdict(held) if held else None,
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


def gitops(
    where: str, environments: Sequence[str], texts: Mapping[str, str], done: Written, commit: str | None, code: ExitCode
) -> dict[str, Any]:
    """The files for Argo CD with their contents, and what became of each; nothing became of any in a dry run."""
    return {
        "schema": SCHEMA,
        "verb": "gitops init",
        "environment": None,
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "environments": list(environments),
        "folder": where,
        "files": dict(texts),
        "commit": commit,
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


def status(found: Sequence[tuple[str, str | None, Status | DeployError]], code: ExitCode) -> dict[str, Any]:
    """Every environment that was asked for: name, target (of one that has many), what was found."""
    return {
        "schema": SCHEMA,
        "verb": "status",
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "environments": [
            {
                "environment": name,
                "target": target,
                "error": one.message,
                "hint": one.hint,
                "detail": list(one.detail),
            }
            if isinstance(one, DeployError)
            else {
                "environment": one.environment,
                "target": target,
                "context": one.context,
                "namespace": one.namespace,
                "release": one.release,
                "wanted": dataclasses.asdict(one.wanted),
                "revision": dataclasses.asdict(one.revision) if one.revision else None,
                "verdict": one.verdict,
                "workloads": [_judgement(judgement) for judgement in one.judgements],
                "running": [dataclasses.asdict(running) for running in one.running],
                "drift": [dataclasses.asdict(drift) for drift in one.drift],
                "unreadable": list(one.unreadable),
                "holder": dataclasses.asdict(one.holder) | {"silent": one.silent} if one.holder else None,
                "application": dataclasses.asdict(one.application) if one.application else None,
            }
            for name, target, one in found
        ],
    }


def settings(environment: str, found: Sequence[Leaf]) -> dict[str, Any]:
    """Everything that is set in an environment, with where it comes from."""
    outcome = {"outcome": ExitCode.OK.name.lower(), "exitCode": int(ExitCode.OK)}
    return {
        "schema": SCHEMA,
        "verb": "config show",
        "environment": environment,
        **outcome,
        "settings": [{"key": shown(leaf.keys), **_leaf(leaf)} for leaf in found],
    }


def findings(environments: Sequence[str], found: Sequence[Finding], code: ExitCode) -> dict[str, Any]:
    """What is wrong with the environments."""
    return {
        "schema": SCHEMA,
        "verb": "config check",
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "environments": list(environments),
        "findings": [dataclasses.asdict(one) for one in found],
    }


def differences(left: str, right: str, found: Sequence[Difference]) -> dict[str, Any]:
    """What two environments have differently; null where one does not have it."""
    return {
        "schema": SCHEMA,
        "verb": "config diff",
        "outcome": ExitCode.OK.name.lower(),
        "exitCode": int(ExitCode.OK),
        "environments": [left, right],
        "differences": [
            {"key": shown(one.keys), left: one.left and _leaf(one.left), right: one.right and _leaf(one.right)}
            for one in found
        ],
    }


def sealed(verb: str, environment: str, files: Sequence[Path], *, changed: bool) -> dict[str, Any]:
    """Encrypted files that were written, or left as they were."""
    return {
        "schema": SCHEMA,
        "verb": verb,
        "environment": environment,
        "outcome": ExitCode.OK.name.lower(),
        "exitCode": int(ExitCode.OK),
        "changed": changed,
        "files": [{"file": str(file)} for file in files],
    }


def checked(environment: str | None, found: Sequence[Checked], code: ExitCode) -> dict[str, Any]:
    """Encrypted files, and what is wrong with each."""
    return {
        "schema": SCHEMA,
        "verb": "secrets check",
        "environment": environment,
        "outcome": code.name.lower(),
        "exitCode": int(code),
        "files": [
            {
                "file": str(one.path),
                "recipients": list(one.recipients),
                "problems": [{"message": bad.message, "hint": bad.hint} for bad in one.problems],
            }
            for one in found
        ],
    }


def written(verb: str, environment: str | None, file: str, changed: bool) -> dict[str, Any]:
    """A file that was written, or was as it should be."""
    outcome = {"outcome": ExitCode.OK.name.lower(), "exitCode": int(ExitCode.OK)}
    return {"schema": SCHEMA, "verb": verb, "environment": environment, **outcome, "file": file, "changed": changed}


def history(
    environment: str, release: tuple[str, str, str], revisions: Sequence[Revision], counted: Figures
) -> dict[str, Any]:
    """The revisions, oldest first; `release`: name, namespace, context."""
    name, namespace, context = release
    return {
        "schema": SCHEMA,
        "verb": "history",
        "environment": environment,
        "outcome": ExitCode.OK.name.lower(),
        "exitCode": int(ExitCode.OK),
        "release": {"name": name, "namespace": namespace, "context": context},
        "revisions": [
            dataclasses.asdict(one) | {"rollbackTo": one.origin if one.origin != one.number else None}
            for one in revisions
        ],
        "figures": {_camel(key): value for key, value in dataclasses.asdict(counted).items()},
    }


def text(document: dict[str, Any]) -> str:
    """The document as people can read it too."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _metric(reading: Reading) -> dict[str, Any]:
    """JSON has no infinity, and most readers refuse the whole document for one: the largest number stands for it."""
    samples = tuple(dataclasses.replace(one, value=_finite(one.value)) for one in reading.samples)
    value = None if reading.value is None else _finite(reading.value)
    return dataclasses.asdict(dataclasses.replace(reading, value=value, samples=samples))


def _finite(value: float) -> float:
    return max(-sys.float_info.max, min(sys.float_info.max, value))


def _judgement(judgement: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(judgement), "workload": str(judgement.workload)}


def _build(found: Result) -> dict[str, Any]:
    """What the build report says, where there is an image to report."""
    image = found.image
    if found.plan.verb != "build" or found.exit_code or image is None or not image.digest:
        return {}
    return {"build": dataclasses.asdict(build.report(found.plan, image))}


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
        }
    }


def _leaf(leaf: Leaf) -> dict[str, Any]:
    return {**_origin(leaf.origin), "overrode": [_origin(one) for one in leaf.overrode]}


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "value": MASK if origin.secret else origin.value,
        "layer": origin.layer,
        "place": origin.place,
        "variables": [{"name": one.name, "default": one.defaulted} for one in origin.variables],
        "secret": origin.secret,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))
