"""How a run ended, as a JUnit report that every reader of such reports takes."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from samples import CAUSE, DIAGNOSIS, FAILED, HEALTHY, UNHEALTHY, WEB, result

from deployer.errors import BuildError, ExitCode, PreflightError
from deployer.health.verdict import Judgement, Verdict, Workload
from deployer.mask import Mask
from deployer.report import diagnosis, junit
from deployer.result import Result, Stage
from deployer.rollout import Outcome

MOMENT = 1_760_000_000.5
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out", "system-err"],
    "properties": ["property"],
    "testcase": ["failure", "error"],
}
"""What may stand where, in this order; elsewhere nothing may."""

ATTRIBUTES = {
    "testsuites": "",
    "testsuite": "name package id timestamp hostname tests failures errors time",
    "property": "name value",
    "testcase": "name classname time",
    "failure": "type message",
    "error": "type message",
}
"""Those that both schemas know, and all that one of them demands."""


def read(suite: junit.Suite) -> ElementTree.Element:
    """The suite as a reader sees it, once it is found valid."""
    root = ElementTree.fromstring(junit.text(suite))
    assert root.tag == "testsuites"
    _valid(root)
    (top,) = root
    cases = top.findall("testcase")
    for attribute, tag in (("failures", "failure"), ("errors", "error")):
        assert int(top.attrib[attribute]) == sum(one.find(tag) is not None for one in cases)
    assert int(top.attrib["tests"]) == len(cases) > 0
    assert len({one.attrib["name"] for one in cases}) == len(cases), "a case is told from another by its name"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", top.attrib["timestamp"])
    assert len(top.findall("properties")) == len(top.findall("system-out")) == len(top.findall("system-err")) == 1
    return top


def _valid(element: ElementTree.Element) -> None:
    assert sorted(element.attrib) == sorted(ATTRIBUTES.get(element.tag, "").split()), element.tag
    order = CHILDREN.get(element.tag, [])
    places = [order.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for name in ("time",):
        if name in element.attrib:
            assert re.fullmatch(r"\d+\.\d{3}", element.attrib[name])
    for child in element:
        _valid(child)


def cases(top: ElementTree.Element) -> dict[str, str]:
    """Each case, and of which type it is bad; empty where it is not."""
    found = {}
    for case in top.findall("testcase"):
        bad = next(iter(case), None)
        found[case.attrib["name"]] = "" if bad is None else f"{bad.tag} {bad.attrib['type']}"
    return found


def suite(**other: Any) -> ElementTree.Element:
    return read(junit.suite(result(**other), MOMENT))


def test_a_run_that_went_well() -> None:
    top = suite()
    assert top.attrib["name"] == "deploy up dev"
    assert top.attrib["time"] == "17.046"
    assert top.attrib["timestamp"] == "2025-10-09T08:53:20"
    assert cases(top) == {"build": "", "deployment/web": ""}
    facts = {one.attrib["name"]: one.attrib["value"] for one in top.iter("property")}
    assert facts["revision"] == "5"
    assert facts["release"] == "web in shop"


def test_a_workload_that_failed_brings_its_diagnosis() -> None:
    other = replace(HEALTHY, workload=Workload("Job", "migrate"))
    top = read(junit.suite(replace(UNHEALTHY, judgements=(FAILED, other)), MOMENT))
    assert cases(top)["deployment/web"] == "failure crash"
    assert cases(top)["job/migrate"] == ""
    (bad,) = top.iter("failure")
    assert bad.text is not None
    assert "\n".join(diagnosis.lines(DIAGNOSIS)) in bad.text
    assert "container web: exit 1" in bad.attrib["message"]
    assert any(one.attrib["name"] == "rolled back to revision" for one in top.iter("property"))


@pytest.mark.parametrize(
    ("ended", "wanted"),
    [
        (
            result(
                exit_code=ExitCode.BUILD,
                message="the image could not be built",
                stages=(Stage("build", 2.0, False),),
                judgements=(),
                detail=("step 3 of 4",),
            ),
            {"build": "error build"},
        ),
        (
            result(exit_code=ExitCode.LOCKED, message="the lease was taken", judgements=()),
            {"build": "", "rollout": "", "outcome": "error locked"},
        ),
        (
            result(
                exit_code=ExitCode.DEADLINE,
                judgements=(Judgement(WEB, Verdict.PROGRESSING, "1 of 2 updated pods available"),),
            ),
            {"build": "", "deployment/web": "failure progressing"},
        ),
        (
            result(
                exit_code=ExitCode.INDETERMINATE,
                judgements=(Judgement(WEB, Verdict.INDETERMINATE, "the API does not answer"),),
            ),
            {"build": "", "deployment/web": "error indeterminate"},
        ),
        (
            result(
                exit_code=ExitCode.INTERRUPTED,
                message="interrupted",
                stages=(Stage("rollout", 1.0, False),),
                judgements=(),
            ),
            {"rollout": "error interrupted"},
        ),
    ],
)
def test_every_end_has_a_case_that_tells(ended: Result, wanted: dict[str, str]) -> None:
    assert cases(read(junit.suite(ended, MOMENT))) == wanted


def test_a_refusal() -> None:
    problem = PreflightError("no such context", hint="look", detail=("a", "b"))
    top = read(junit.refused("promote", "prod", problem, MOMENT))
    assert cases(top) == {"outcome": "error preflight"}
    (bad,) = top.iter("error")
    assert bad.text == "no such context\na\nb\nnext: look"
    assert top.attrib["name"] == "deploy promote prod"
    assert cases(read(junit.refused("build", None, BuildError("no"), MOMENT))) == {"outcome": "error build"}


def test_what_verify_has_seen() -> None:
    found = Outcome(Verdict.FAILED, "no", (FAILED, replace(HEALTHY, workload=Workload("Job", "x"))), DIAGNOSIS)
    top = read(junit.verified(found, ExitCode.UNHEALTHY, 3.0, MOMENT))
    assert cases(top) == {"deployment/web": "failure crash", "job/x": ""}
    none = read(junit.verified(Outcome(Verdict.INDETERMINATE, "no", ()), ExitCode.INDETERMINATE, 3.0, MOMENT))
    assert cases(none) == {"outcome": "error indeterminate"}


def test_whatever_a_log_holds_it_stays_xml() -> None:
    worst = replace(CAUSE, message='\x1b[31m<red> & "so" ]]> \x00 ünï')
    top = suite(judgements=(replace(FAILED, causes=(worst,)),), exit_code=ExitCode.UNHEALTHY)
    (bad,) = top.iter("failure")
    assert '\ufffd[31m<red> & "so" ]]> \ufffd ünï' in bad.attrib["message"]


def test_a_mask_goes_over_it_before_it_is_xml() -> None:
    worst = replace(CAUSE, message="login with a&b<c failed")
    made = junit.suite(result(judgements=(replace(FAILED, causes=(worst,)),), exit_code=ExitCode.UNHEALTHY), MOMENT)
    top = read(Mask(["a&b<c"]).through(made))
    assert "login with *** failed" in next(top.iter("failure")).attrib["message"]
