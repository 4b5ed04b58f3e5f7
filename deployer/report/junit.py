"""How a run ended, as a JUnit report: CI systems show it as tests, and say which of them have begun to fail. Pure.

A case for each stage and for each workload that was judged. No more than what the schemas of Apache Ant and of Jenkins
have in common: no attribute of one that the other does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from deployer.errors import DeployError, ExitCode
from deployer.health.verdict import Judgement, Verdict
from deployer.report import diagnosis, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deployer.fleet import Ended, Rolled
    from deployer.health.diagnosis import Diagnosis
    from deployer.result import Result
    from deployer.rollout import Outcome

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold: colours in a log, say."""


@dataclass(frozen=True)
class Bad:
    """Why a case did not pass."""

    element: Literal["failure", "error"]  # error: there is no verdict
    kind: str  # the rule that saw it, or the word of the outcome
    message: str
    text: str


@dataclass(frozen=True)
class Case:
    """One thing that was to go well."""

    name: str  # the same from run to run: build, deployment/web
    seconds: str
    bad: Bad | None = None


@dataclass(frozen=True)
class Suite:
    """The run. All text: a mask may go over it before it becomes XML."""

    name: str  # "deploy up prod"
    facts: tuple[tuple[str, str], ...]
    cases: tuple[Case, ...]
    seconds: str
    moment: str  # its end: UTC, without a word on that, as the schema wants


def suite(result: Result, moment: float) -> Suite:
    """A run that did something, or tried to. `moment`: its end, Unix time in seconds."""
    plan, image = result.plan, result.image
    judged = tuple(_judged(result.judgements, result.diagnosis, result.exit_code, result.hint))
    failed = any(one.bad for one in judged)
    rollout = next((one.seconds for one in result.stages if one.name == "rollout"), 0.0)
    stages: list[Case] = []
    for stage in result.stages:
        if stage.name == "rollout" and judged:
            continue  # its workloads say more
        bad = None
        if not stage.ok and not failed:
            failed, bad = True, _bad(result.exit_code, result.message, result.detail, result.hint)
        stages.append(Case(stage.name, _seconds(stage.seconds), bad))
    cases = [*stages, *(Case(one.name, _seconds(rollout / len(judged)), one.bad) for one in judged)]
    if result.exit_code != ExitCode.OK and not failed:
        cases.append(Case("outcome", _seconds(0), _bad(result.exit_code, result.message, result.detail, result.hint)))
    facts = {
        "release": f"{plan.release} in {plan.target.namespace}",
        "image": image.reference if image else "",
        "commit": plan.record.sha,
        "revision": "" if result.revision is None else str(result.revision),
        "rolled back to revision": "" if result.restored is None else str(result.restored),
        "outcome": result.exit_code.name.lower(),
        "job": plan.record.job,
    }
    known = tuple((name, value) for name, value in facts.items() if value)
    return Suite(_name(plan.verb, plan.environment), known, tuple(cases), _seconds(result.seconds), _moment(moment))


def refused(verb: str, environment: str | None, problem: DeployError, moment: float) -> Suite:
    """A run that ended before its first deed."""
    code = ExitCode(problem.exit_code)
    case = Case("outcome", _seconds(0), _bad(code, problem.message, problem.detail, problem.hint))
    return Suite(_name(verb, environment), (("outcome", code.name.lower()),), (case,), _seconds(0), _moment(moment))


def many(found: Rolled, moment: float) -> Suite:
    """A run on many targets, a case each; one whose turn never came is an error."""
    cases = [Case(one.target, _seconds(one.seconds), _missed(one)) for one in found.ended]
    cases += [
        Case(name, _seconds(0), _bad(found.code, f"not started: {found.stopped}", (), None)) for name in found.left
    ]
    outcome = (("outcome", found.code.name.lower()),)
    made = found.fleet
    return Suite(_name(made.verb, made.environment), outcome, tuple(cases), _seconds(found.seconds), _moment(moment))


def _missed(one: Ended) -> Bad | None:
    if one.code == ExitCode.OK:
        return None
    found = None if one.error else one.result
    judged = _judged(found.judgements, found.diagnosis, one.code, found.hint) if found else ()
    cause = next((case.bad for case in judged if case.bad), None)
    return cause or _bad(one.code, one.message, one.error.detail if one.error else (), None)


def verified(found: Outcome, code: ExitCode, seconds: float, moment: float) -> Suite:
    """What `deploy verify` has seen."""
    cases = tuple(_judged(found.judgements, found.diagnosis, code, None))
    share = _seconds(seconds / max(len(cases), 1))
    cases = tuple(Case(one.name, share, one.bad) for one in cases)
    if code != ExitCode.OK and not any(one.bad for one in cases):
        cases = (*cases, Case("outcome", _seconds(0), _bad(code, found.headline, (), None)))
    outcome = (("outcome", code.name.lower()),)
    return Suite(_name("verify", None), outcome, cases, _seconds(seconds), _moment(moment))


def text(made: Suite) -> str:
    """The file."""
    from xml.etree import ElementTree  # only a run that is asked for the file pays for it

    root = ElementTree.Element("testsuites")
    failures, errors = (sum(one.bad is not None and one.bad.element == kind for one in made.cases) for kind in _KINDS)
    top = ElementTree.SubElement(
        root,
        "testsuite",
        name=_fit(made.name),
        package="deploy",
        id="0",
        timestamp=made.moment,
        hostname="localhost",
        tests=str(len(made.cases)),
        failures=str(failures),
        errors=str(errors),
        time=made.seconds,
    )
    properties = ElementTree.SubElement(top, "properties")
    for name, value in made.facts:
        ElementTree.SubElement(properties, "property", name=name, value=_fit(value))
    for case in made.cases:
        element = ElementTree.SubElement(
            top, "testcase", name=_fit(case.name), classname=_fit(made.name), time=case.seconds
        )
        if case.bad:
            bad = ElementTree.SubElement(
                element, case.bad.element, type=_fit(case.bad.kind), message=_fit(case.bad.message)
            )
            bad.text = _fit(case.bad.text)
    for stream in ("system-out", "system-err"):
        ElementTree.SubElement(top, stream)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


_KINDS: tuple[Literal["failure", "error"], ...] = ("failure", "error")


def _judged(
    judgements: Sequence[Judgement], found: Diagnosis | None, code: ExitCode, hint: str | None
) -> Iterator[Case]:
    """A case for each workload; of the one that was diagnosed, the whole report."""
    for one in judgements:
        bad = None
        if one.verdict is not Verdict.HEALTHY and code != ExitCode.OK:
            told = list(diagnosis.lines(found)) if found and found.workload == str(one.workload) else []
            told = told or [words.judgement(one), *(f"{cause.object}: {cause.message}" for cause in one.causes[1:])]
            kind = one.causes[0].rule if one.causes else str(one.verdict)
            element: Literal["failure", "error"] = "error" if one.verdict is Verdict.INDETERMINATE else "failure"
            bad = Bad(element, kind, words.judgement(one), "\n".join([*told, *([f"next: {hint}"] if hint else [])]))
        yield Case(str(one.workload), _seconds(0), bad)


def _bad(code: ExitCode, message: str, detail: Sequence[str], hint: str | None) -> Bad:
    lines = [message, *detail, *([f"next: {hint}"] if hint else [])]
    return Bad("error", code.name.lower(), message, "\n".join(lines))


def _name(verb: str, environment: str | None) -> str:
    return f"deploy {verb} {environment or ''}".rstrip()


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
