"""GitHub Actions: a workflow file, run from its first job to its last."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.runner import expressions
from lab.runner.actions import ACTIONS, Using
from lab.runner.expressions import Strict
from lab.runner.forge import Ended, Event, Forge, Status, Stop, Unknown, Variable, never, only, sequence
from lab.runner.groups import alone
from lab.runner.workplace import GITHUB, Workplace

WORKFLOW = {"name", "on", "permissions", "env", "jobs"}
JOB = {"name", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "steps"}
STEP = {"name", "id", "if", "uses", "with", "run", "env", "shell"}
SHELLS = {
    None: ("bash", "-e", "{0}"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "{0}"),
    "sh": ("sh", "-e", "{0}"),
}
"""How a step's script is run: the `shell:` that it names, or names not."""

MACHINES = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04")


@dataclass
class Run:
    """A run of a workflow. `go` runs the jobs that are not done; again, those that did not go well."""

    workflow: Mapping[str, Any]
    forge: Forge
    event: Event
    folder: Path  # of this run
    number: int = 1
    attempt: int = 0
    jobs: dict[str, Ended] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The page of the run."""
        return f"{self.forge.url}/{self.forge.path}/actions/runs/{self.number}"

    def go(self, approved: frozenset[str] = frozenset(), stop: Stop = never) -> dict[str, Ended]:
        """Run what is to be run. `approved`: protected environments that a reviewer lets jobs into."""
        only(self.workflow, WORKFLOW, "workflow")
        if not _wanted(self.workflow["on"], self.event):
            return self.jobs
        self.attempt += 1
        todo = {name: self._parsed(name, made) for name, made in self.workflow["jobs"].items()}
        todo = {name: made for name, made in todo.items() if self._status(name) != "success"}
        for name in todo:
            self.jobs.pop(name, None)
        cancelled = False
        while todo:
            name = next((one for one, made in todo.items() if not set(_needs(made)) & set(todo)), None)
            if name is None:
                raise Unknown(f"jobs that need each other: {', '.join(todo)}")
            self.jobs[name] = self._job(name, todo.pop(name), approved, stop, cancelled)
            cancelled |= self.jobs[name].status == "cancelled"
        return self.jobs

    def _status(self, name: str) -> Status | None:
        return self.jobs[name].status if name in self.jobs else None

    def _parsed(self, name: str, made: Any) -> Mapping[str, Any]:
        only(made, JOB, f"job {name}")
        if made.get("runs-on") not in MACHINES:
            raise Unknown(f"job {name}: runs-on {made.get('runs-on')}: not such a machine here")
        for number, step in enumerate(made["steps"], 1):
            where = f"job {name}, step {number}"
            only(step, STEP, where)
            if ("uses" in step) == ("run" in step):
                raise Unknown(f"{where}: either `run` or `uses`")
            if "uses" in step and step["uses"] not in ACTIONS:
                raise Unknown(f"{where}: the action {step['uses']} is not known here")
            if "uses" in step:
                only(step.get("with") or {}, ACTIONS[step["uses"]][1], f"{where}, with")
            if step.get("shell") not in SHELLS:
                raise Unknown(f"{where}: the shell {step['shell']} is not known here")
        return dict(made)

    def _job(self, name: str, made: Mapping[str, Any], approved: frozenset[str], stop: Stop, cancelled: bool) -> Ended:
        needed = {one: self.jobs[one] for one in _needs(made)}
        status = {
            "success": all(one.status == "success" for one in needed.values()) and not cancelled,
            "failure": any(one.status == "failure" for one in needed.values()),
            "cancelled": cancelled,
        }
        needs = {one: {"result": ended.status, "outputs": ended.outputs} for one, ended in needed.items()}
        environment, secrets, variables = self._environment(made)
        contexts = {"github": self._github(name), "vars": variables, "needs": needs}
        if not expressions.condition(made.get("if", ""), contexts, status):
            return Ended("skipped")
        if environment in self.forge.protected_environments and environment not in approved:
            return Ended("waiting")
        folder = self.folder / f"{name}.{self.attempt}"
        contexts |= {"secrets": secrets, "runner": Strict(temp=str(folder / "temp"), os="Linux", arch="X64")}
        group = made.get("concurrency")
        if isinstance(group, Mapping):
            only(group, {"group", "cancel-in-progress"}, f"job {name}, concurrency")
            if group.get("cancel-in-progress"):
                raise Unknown(f"job {name}: cancel-in-progress is not known here")
            group = group["group"]
        with alone(self.forge.repository.parent / "groups", expressions.filled(group or "", contexts, status)):
            return _Job(self, name, made, contexts, folder, stop).run()

    def _environment(self, made: Mapping[str, Any]) -> tuple[str, dict[str, str], dict[str, str]]:
        """Its name, and the secrets and variables that a job in it gets."""
        given = made.get("environment") or ""
        name = only(given, {"name", "url"}, "environment")["name"] if isinstance(given, Mapping) else str(given)
        known = self.forge.of(name).values()
        return name, _values(one for one in known if one.secret), _values(one for one in known if not one.secret)

    def _github(self, job: str) -> Strict:
        event, forge = self.event, self.forge
        request = event.kind == "merge_request"
        ref = {"push": f"refs/heads/{event.ref}", "tag": f"refs/tags/{event.ref}"}.get(
            event.kind, f"refs/pull/{event.request}/merge"
        )
        return Strict(
            actor=event.actor,
            event=Strict(repository=Strict(default_branch=forge.default_branch)),
            event_name="pull_request" if request else "push",
            head_ref=event.ref if request else "",
            base_ref=forge.default_branch if request else "",
            job=job,
            ref=ref,
            ref_name=f"{event.request}/merge" if request else event.ref,
            ref_protected=not request and forge.protects(event.ref),
            ref_type="tag" if event.kind == "tag" else "branch",
            repository=forge.path,
            repository_owner=forge.path.partition("/")[0],
            run_attempt=self.attempt,
            run_id=self.number,
            run_number=self.number,
            server_url=forge.url,
            sha=event.sha,
            workflow=self.workflow.get("name", ""),
        )


class _Job:
    """One job at work."""

    def __init__(
        self, run: Run, name: str, made: Mapping[str, Any], contexts: dict[str, Any], folder: Path, stop: Stop
    ) -> None:
        self._run, self._name, self._made, self._contexts = run, name, made, contexts
        track = f"github_{run.number}_{run.attempt}_{name}"
        self._place = Workplace(folder, track, GITHUB, lambda log: stop(name, log), lambda line: "::add-mask::" in line)
        self._path: list[str] = []
        self._exported: dict[str, str] = {}
        self._summary: list[str] = []
        self._ok = True

    def run(self) -> Ended:
        place, steps = self._place, self._made["steps"]
        self._contexts["steps"] = {}
        self._contexts["env"] = {}
        for scope in (self._run.workflow, self._made):
            self._contexts["env"] |= self._filled(scope.get("env") or {})
        try:
            for number, step in enumerate(steps):
                self._step(number, step)
        finally:
            place.clear()
            shutil.rmtree(place.temp)
        status: Status = "cancelled" if place.cancelled else "success" if self._ok else "failure"
        return Ended(
            status,
            self._run.url,
            self._address(),
            place.folder,
            place.log,
            self._filled(self._made.get("outputs") or {}),
            "".join(self._summary),
            orphans=tuple(place.orphans),
            left=place.left(),
        )

    def _address(self) -> str:
        """The environment's URL: asked for when the steps are over."""
        given = self._made.get("environment")
        url = given.get("url", "") if isinstance(given, Mapping) else ""
        return expressions.filled(url, self._contexts, self._status)

    @property
    def _status(self) -> dict[str, bool]:
        cancelled = self._place.cancelled
        return {"success": self._ok and not cancelled, "failure": not self._ok, "cancelled": cancelled}

    def _filled(self, given: Mapping[str, Any]) -> dict[str, str]:
        return {name: expressions.filled(value, self._contexts, self._status) for name, value in given.items()}

    def _step(self, number: int, step: Mapping[str, Any]) -> None:
        if not expressions.condition(step.get("if", ""), self._contexts, self._status):
            return
        place = self._place
        files = {
            name: place.temp / f"{name.lower()}_{number}"
            for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        machine = self._run.forge.machine
        environ = {
            **place.environ({**machine.environ, "DOCKER_HOST": machine.docker}),
            **self._variables(),
            **self._contexts["env"],
            **self._exported,
            **self._filled(step.get("env") or {}),
            **{name: str(file) for name, file in files.items()},
        }
        environ["PATH"] = ":".join([*self._path, environ["PATH"]])
        place.say(f"##[group]{step.get('name') or step.get('uses') or str(step.get('run')).splitlines()[0]}")
        cancelled = place.cancelled
        if "uses" in step:
            given = self._filled(step.get("with") or {})
            run = self._run
            using = Using(given, place, run.forge, run.event, run.folder / "artifacts", environ, self._path)
            ok = ACTIONS[step["uses"]][0](using)
        else:
            script = place.temp / f"step_{number}.sh"
            script.write_text(expressions.filled(step["run"], self._contexts, self._status))
            argv = [part.replace("{0}", str(script)) for part in SHELLS[step.get("shell")]]
            code = place.run(argv, environ)
            ok = code == 0
            if not ok:
                place.say(f"##[error]Process completed with exit code {code}.")
        self._ok &= ok
        outcome = "success" if ok else "cancelled" if place.cancelled and not cancelled else "failure"
        self._exported |= dict(_assigned(files["GITHUB_ENV"].read_text()))
        self._path[:0] = reversed(files["GITHUB_PATH"].read_text().split())
        self._summary.append(files["GITHUB_STEP_SUMMARY"].read_text())
        if "id" in step:
            outputs = dict(_assigned(files["GITHUB_OUTPUT"].read_text()))
            self._contexts["steps"][step["id"]] = {"outputs": outputs, "outcome": outcome, "conclusion": outcome}

    def _variables(self) -> dict[str, str]:
        known = self._contexts["github"]
        said = {f"GITHUB_{name.upper()}": expressions.shown(value) for name, value in known.items() if name != "event"}
        event = self._place.temp / "event.json"
        event.write_text(json.dumps(known["event"]))
        return {
            **said,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_WORKSPACE": str(self._place.work),
            "RUNNER_TEMP": str(self._place.temp),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
        }


def read(file: Path) -> Mapping[Any, Any]:
    """A workflow file."""
    return parsed(file.read_text())


def parsed(text: str) -> Mapping[str, Any]:
    """A workflow. To YAML 1.1 the key `on` is a word for true."""
    return {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}


def _values(variables: Iterator[Variable]) -> dict[str, str]:
    return {one.name: one.value for one in variables}


def _needs(made: Mapping[str, Any]) -> list[str]:
    return sequence(made.get("needs"))


def _wanted(on: Any, event: Event) -> bool:
    """Whether the event starts the workflow."""
    filters = dict(on) if isinstance(on, Mapping) else dict.fromkeys(sequence(on))
    for name in filters:
        if name not in ("push", "pull_request"):
            raise Unknown(f"on: {name} is not known here")
    if event.kind == "merge_request":
        if filters.get("pull_request"):
            raise Unknown("on: pull_request with filters is not known here")
        return "pull_request" in filters
    if "push" not in filters:
        return False
    said = only(filters["push"] or {}, {"branches", "tags"}, "on: push")
    if not said:
        return True
    patterns = said.get("tags" if event.kind == "tag" else "branches")
    return patterns is not None and expressions.matches(event.ref, sequence(patterns))


def _assigned(text: str) -> Iterator[tuple[str, str]]:
    """`name=value` and `name<<END … END`, as steps write them."""
    lines = iter(text.splitlines())
    for line in lines:
        if many := re.fullmatch(r"(\w+)<<(.+)", line):
            inner: list[str] = []
            for part in lines:
                if part == many[2]:
                    break
                inner.append(part)
            yield many[1], "\n".join(inner)
        elif line:
            name, sign, value = line.partition("=")
            if not sign:
                raise Unknown(f"a step wrote `{line}`: not name=value")
            yield name, value
