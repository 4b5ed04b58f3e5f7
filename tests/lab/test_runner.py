"""The stand-in for the platforms' runners: what it obeys, what it refuses, and how it cancels."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.runner import expressions, github, gitlab
from lab.runner.forge import Event, Forge, Machine, Unknown, Variable
from lab.runner.workplace import GITHUB, GITLAB, Cancelling, Workplace

TRAP = "import signal, sys, time\n" + (
    "for number in (signal.SIGINT, signal.SIGTERM):\n"
    "    signal.signal(number, lambda *told: (print('told', told[0], flush=True), sys.exit(9)))\n"
    "print('ready', flush=True)\ntime.sleep(60)\n"
)
"""A program that says which signal it gets, and ends."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository with one commit on main, tagged v1."""
    made = tmp_path / "made"
    git = ("git", "-C", str(made), "-c", "user.name=T", "-c", "user.email=t@example.com")
    made.mkdir()
    (made / "file").write_text("content\n")
    (made / "trap.py").write_text(TRAP)
    for argv in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Begin"), ("tag", "v1")):
        subprocess.run([*git, *argv], check=True)
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", made, bare], check=True)
    subprocess.run(["git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    return bare


def forge(repository: Path, *variables: Variable, **more: Any) -> Forge:
    machine = Machine({"PATH": os.environ["PATH"]}, Path(sys.executable), "unix:///engine", {"image": repository})
    return Forge(repository, "https://ci.example", "team/web", machine, variables, **more)


def push(repository: Path, kind: Any = "push", ref: str = "main") -> Event:
    asked = ["git", "-C", str(repository), "rev-parse", "main"]
    return Event(kind, ref, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())


def actions(jobs: str, on: str = "push") -> Mapping[str, Any]:
    return github.parsed(f"on: {on}\njobs:\n{jobs}")


JOB = "  {name}: {{ runs-on: ubuntu-latest, {more} steps: [{{ {step} }}] }}\n"


def one(step: str, more: str = "", name: str = "one") -> str:
    return JOB.format(name=name, more=f"{more}," if more else "", step=step)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.ref == 'refs/heads/MAIN'", True),
        ("startsWith(github.ref, 'refs/') && !cancelled()", True),
        ("github.ref == format('refs/heads/{0}', 'main') && (false || 1)", 1),
        ("vars.NONE", None),
        ("vars.NONE || 'it''s'", "it's"),
        ("always()", True),
        ("contains('abc', 'B')", True),
    ],
)
def test_expressions_of_github(text: str, value: Any) -> None:
    contexts = {"github": expressions.Strict(ref="refs/heads/main"), "vars": {}}
    assert expressions.github(text, contexts, {"cancelled": False, "success": True}) == value


@pytest.mark.parametrize("text", ["github.other", "hashFiles('x')", "inputs.x", "1 +", "(1", "a b"])
def test_an_expression_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(Unknown):
        expressions.github(text, {"github": expressions.Strict()}, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A == 'x'", True),
        ("$A == $B", False),
        ("$A && $NONE", False),
        ("$NONE == null", True),
        ("$A =~ /^X$/i || $NONE", True),
        ("$B !~ /^v/ ", False),
        ("($A != 'x') || $B", True),
    ],
)
def test_rules_of_gitlab(text: str, value: bool) -> None:
    assert expressions.gitlab(text, {"A": "x", "B": "v1"}) is value


@pytest.mark.parametrize(
    "workflow",
    [
        actions(one("run: 'true'", "strategy: {}")),
        actions(one("run: 'true', timeout-minutes: 1")),
        actions(one("uses: actions/cache@v4")),
        actions(one("uses: actions/checkout@v4, with: {submodules: true}")),
        actions(one("run: 'true'").replace("ubuntu-latest", "windows-latest")),
        actions(one("run: 'true', shell: pwsh")),
        actions(one("run: 'true'"), on="schedule"),
        actions(one("run: 'true'", "concurrency: {group: a, cancel-in-progress: true}")),
        {**actions(one("run: 'true'")), "defaults": {}},
    ],
)
def test_what_it_does_not_know_of_github_is_refused(
    workflow: Mapping[str, Any], repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(Unknown):
        github.Run(workflow, forge(repository), push(repository), tmp_path / "run").go()


@pytest.mark.parametrize(
    "said",
    [
        "job: {stage: a, image: image, script: [x], retry: 2}",
        "job: {stage: a, image: image, script: [x], artifacts: {paths: [b], untracked: true}}",
        "job: {stage: a, image: image, script: [x], rules: [{changes: [b]}]}",
        "job: {stage: a, image: image, script: [x], rules: [{when: delayed}]}",
        "job: {stage: b, image: image, script: [x]}",
        "job: {stage: a, image: other, script: [x]}",
        "job: {stage: a, image: image, script: [x], services: [redis]}",
        "job: {stage: a, image: image, script: [x], services: ['docker:dind']}",
        "default: {image: image}",
        "include: other.yml",
    ],
)
def test_what_it_does_not_know_of_gitlab_is_refused(said: str, repository: Path, tmp_path: Path) -> None:
    pipeline = yaml.safe_load(f"stages: [a]\nworkflow: {{rules: [{{if: $CI}}]}}\n{said}\n")
    with pytest.raises(Unknown):
        gitlab.Run(pipeline, forge(repository), push(repository), tmp_path / "run").go()


def test_without_rules_gitlab_would_have_defaults(repository: Path, tmp_path: Path) -> None:
    pipeline = yaml.safe_load("stages: [a]\njob: {stage: a, image: image, script: ['true']}\n")
    with pytest.raises(Unknown, match="without rules"):
        gitlab.Run(pipeline, forge(repository), push(repository), tmp_path / "run").go()


def test_a_run_of_github(repository: Path, tmp_path: Path) -> None:
    script = 'echo "it=$TOLD-$SECRET-$(cat file)" >> "$GITHUB_OUTPUT"; echo "::add-mask::x"; touch "$TMPDIR/left"'
    jobs = (
        "  a:\n    runs-on: ubuntu-latest\n    outputs: {it: '${{ steps.s.outputs.it }}'}\n"
        "    environment: {name: dev, url: 'https://${{ steps.s.outputs.it }}'}\n"
        "    steps:\n      - uses: actions/checkout@v4\n"
        f"      - {{id: s, run: {script!r}, env: {{SECRET: '${{{{ secrets.S }}}}', TOLD: '${{{{ vars.V }}}}'}}}}\n"
        "      - {run: 'git branch --show-current; git tag; echo $HOME; false | true; exit 3'}\n"
        "      - {run: echo not this}\n      - {if: failure(), run: echo but this}\n"
        + one("run: echo never", "needs: a", "b")
        + one("run: 'echo always ${{ needs.a.outputs.it }} ${{ needs.a.result }}'", "needs: a, if: always()", "c")
        + one("run: echo in", "environment: prod", "p")
    )
    known = (Variable("S", "s1", secret=True), Variable("S", "s2", "dev", secret=True), Variable("V", "v", "dev"))
    run = github.Run(actions(jobs), forge(repository, *known), push(repository), tmp_path / "run")
    ended = run.go()
    assert {name: one.status for name, one in ended.items()} == {
        **{"a": "failure", "b": "skipped", "c": "success", "p": "waiting"},
    }
    assert ended["a"].outputs == {"it": "v-s2-content"}
    assert ended["a"].address == "https://v-s2-content"
    assert "main\n" in ended["a"].log
    assert "v1" not in ended["a"].log, "checkout fetches no tags"
    assert "but this" in ended["a"].log
    assert "not this" not in ended["a"].log.splitlines()
    assert "add-mask::x" not in ended["a"].log.splitlines()
    assert ended["a"].left == ("tmp/left",)
    assert "always v-s2-content failure" in ended["c"].log
    again = run.go(frozenset({"prod"}))
    assert again["p"].status == "success"
    assert again["a"].status == "failure"
    assert ended["a"].url == "https://ci.example/team/web/actions/runs/1"


def test_a_pipeline_of_gitlab(repository: Path, tmp_path: Path) -> None:
    pipeline = yaml.safe_load(
        """
stages: [a, b, c]
workflow: {rules: [{if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH}, {if: $CI_COMMIT_TAG}]}
.base: {image: "${I}", variables: {I: image, FROM: base}, before_script: [mkdir out]}
a:
  extends: .base
  stage: a
  environment: {name: dev, url: 'https://$X.example'}
  variables: {FROM: job}
  script: ['echo "X=$FROM" > out/env', 'git branch --show-current', 'cat $FILE', 'echo $OPEN $GUARDED']
  artifacts: {paths: [out], reports: {dotenv: out/env}}
b: {extends: .base, stage: b, before_script: [], script: ['cat out/env', 'test "$X" = job']}
n: {extends: .base, stage: b, dependencies: [], script: ['test -z "$X"']}
t: {extends: .base, stage: b, rules: [{if: $CI_COMMIT_TAG}], script: ['false']}
c: {extends: .base, stage: c, environment: prod, before_script: [], rules: [{when: manual}], script: [echo $WHERE]}
"""
    )
    known = (
        *(Variable("FILE", "in a file", "dev", file=True), Variable("OPEN", "open", "dev")),
        *(Variable("GUARDED", "guarded", protected=True), Variable("WHERE", "in prod", "prod")),
    )
    run = gitlab.Run(pipeline, forge(repository, *known), push(repository), tmp_path / "run")
    ended = run.go()
    assert {name: one.status for name, one in ended.items()} == {
        **{"a": "success", "b": "success", "n": "success", "c": "waiting"},
    }
    assert "in a file" in ended["a"].log
    assert ended["a"].address == "https://job.example"
    assert "open guarded" in ended["a"].log
    assert "main" not in ended["a"].log.splitlines(), "HEAD is at no branch"
    assert "in prod" in run.go(frozenset({"prod"}))["c"].log
    other = gitlab.Run(pipeline, forge(repository, *known), push(repository, ref="topic"), tmp_path / "other")
    assert other.go() == {}
    open_tags = forge(repository, *known, protected_refs=("main",))
    tagged = gitlab.Run(pipeline, open_tags, push(repository, "tag", "v1"), tmp_path / "tagged").go()
    assert tagged["t"].status == "failure"
    assert tagged["c"].status == "skipped"
    assert "open\n" in tagged["a"].log, "a protected variable is for protected tags"


@pytest.mark.parametrize(
    ("cancelling", "script", "told"),
    [
        (GITHUB, "exec python3 trap.py", "told 2"),
        (GITLAB["docker"], ": | eval 'exec python3 trap.py'", "told 15"),
        (GITLAB["shell"], ": | eval 'exec python3 trap.py'", "told 15"),
        (GITLAB["shell"], "python3 trap.py; true", "told 15"),
    ],
)
def test_a_program_in_place_of_the_shell_hears_of_a_cancellation(
    cancelling: Cancelling, script: str, told: str, tmp_path: Path
) -> None:
    place = _cancelled(cancelling, script, tmp_path)
    assert told in place.log
    assert place.orphans == []


def test_behind_a_shell_a_program_never_hears_of_it(tmp_path: Path) -> None:
    """As on the platforms; it is why the shipped pipelines say `exec`."""
    brief = Cancelling(tuple((number, seconds / 5) for number, seconds in GITHUB.signals), "process")
    began = time.monotonic()
    place = _cancelled(brief, "python3 trap.py; true", tmp_path)
    assert time.monotonic() - began >= 1.5
    assert "told" not in place.log
    assert [orphan for orphan in place.orphans if "trap.py" in orphan]


def _cancelled(cancelling: Cancelling, script: str, folder: Path) -> Workplace:
    place = Workplace(folder / "job", f"t-{os.getpid()}-{time.monotonic()}", cancelling, lambda log: "ready" in log)
    (place.work / "trap.py").write_text(TRAP)
    assert place.run(["bash", "-e", "-c", script + "\ntrue"], place.environ(os.environ)) != 0
    place.clear()
    assert place.cancelled
    return place
