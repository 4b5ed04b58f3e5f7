"""How a run ended, in Markdown."""

from dataclasses import replace

import pytest
from samples import DIAGNOSIS, DIGEST, IMAGE, PLAN, UNHEALTHY, result

from deployer.errors import BuildError, ExitCode, PreflightError
from deployer.model import Record
from deployer.plan.steps import Promotion
from deployer.report import diagnosis, markup, summary


def test_a_run_that_went_well() -> None:
    assert list(summary.lines(result(plan=replace(PLAN, record=Record(sha="5ba"))))) == [
        "### ✅ deploy up dev",
        "",
        "web in dev is healthy at revision 5",
        "",
        "| | |",
        "|---|---|",
        "| release | web in shop |",
        f"| image | `registry.lab/web:1.2.3@{DIGEST}` |",
        "| commit | `5ba` |",
        "| revision | 5 |",
        "| outcome | ok (exit code 0) |",
        "| time | 17 s |",
    ]


def test_a_failure_has_its_diagnosis_and_what_to_do() -> None:
    told = list(summary.lines(UNHEALTHY))
    assert told[0] == "### ❌ deploy up dev"
    assert "| rolled back | revision 3 serves again |" in told
    assert "| outcome | unhealthy (exit code 5) |" in told
    begin = told.index("```")
    report = list(diagnosis.lines(DIAGNOSIS))
    assert told[begin + 1 : begin + 1 + len(report)] == report
    assert told[begin + 1 + len(report) :] == ["```", "", "- ⚠ slow", "", "**Next:** mend it"]


def test_a_failure_without_a_diagnosis_shows_what_the_program_said() -> None:
    told = list(summary.lines(result(exit_code=ExitCode.BUILD, detail=("#1 ```", "two\nlines"))))
    assert told[-5:] == ["````", "#1 ```", "two", "lines", "````"]


def test_a_promotion_says_from_where() -> None:
    told = summary.lines(result(plan=replace(PLAN, verb="promote", promotion=Promotion("test", 4, IMAGE))))
    assert "| promoted from | test, revision 4 |" in list(told)


def test_a_refusal() -> None:
    problem = PreflightError("2 checks failed", detail=("one", "two"), hint="mend\nthem")
    assert list(summary.refused("up", "dev", problem)) == [
        *("### ❌ deploy up dev", "", "2 checks failed", "", "```", "one", "two", "```"),
        *("", "**Next:** mend them"),
    ]
    assert list(summary.refused("status", None, BuildError("no"))) == ["### ❌ deploy status", "", "no"]


def test_what_others_say_is_no_markup() -> None:
    told = list(summary.refused("up", "dev", PreflightError("<script> [a](b)\n| x | `y`")))
    assert told[2] == r"\<script> \[a\](b) \| x \| \`y\`"


def test_a_long_one_is_cut() -> None:
    found = replace(DIAGNOSIS, facts=tuple(map(str, range(5000))))
    assert len(list(summary.lines(result(diagnosis=found, exit_code=ExitCode.UNHEALTHY)))) < summary.LONGEST + 30


@pytest.mark.parametrize(
    ("text", "cell"),
    [(None, ""), ("a|b", "`a\\|b`"), ("a`b", "`` a`b ``"), ("", "` `")],
)
def test_code_in_a_cell(text: str | None, cell: str) -> None:
    assert markup.code(text) == cell
