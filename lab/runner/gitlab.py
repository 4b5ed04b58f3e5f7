"""GitLab CI: a pipeline file, run from its first stage to its last."""

import re
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.runner import expressions
from lab.runner.forge import Ended, Event, Forge, Status, Stop, Unknown, never, only, sequence
from lab.runner.groups import alone
from lab.runner.workplace import GITLAB, Workplace

PIPELINE = {"stages", "workflow", "variables"}
JOB = {
    *("extends", "image", "stage", "before_script", "script", "rules", "environment", "resource_group"),
    *("dependencies", "variables", "services", "artifacts"),
}
ENGINE = {"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_CERTDIR": "/certs", "DOCKER_TLS_VERIFY": "1"}
ENGINE["DOCKER_CERT_PATH"] = "/certs/client"
"""What a job has to say to reach the service docker:dind; the machine's engine stands for it."""

DEPTH = 20
"""Commits of a clone: what a new project's settings say."""


@dataclass
class Run:
    """A pipeline. `go` runs the jobs that are not done; again, those that did not go well (Retry)."""

    pipeline: Mapping[str, Any]
    forge: Forge
    event: Event
    folder: Path  # of this pipeline
    number: int = 1
    attempt: int = 0
    jobs: dict[str, Ended] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The page of the pipeline."""
        return f"{self.forge.url}/{self.forge.path}/-/pipelines/{self.number}"

    def go(self, approved: frozenset[str] = frozenset(), stop: Stop = never) -> dict[str, Ended]:
        """Run what is to be run. `approved`: environments that somebody who may starts the manual jobs of."""
        jobs = self._parsed()
        known = self._predefined()
        workflow = only(self.pipeline.get("workflow") or {}, {"rules"}, "workflow")
        if "rules" in workflow and self._when(workflow["rules"], known, "workflow") in (None, "never"):
            return self.jobs
        self.attempt += 1
        self.jobs = {name: one for name, one in self.jobs.items() if one.status == "success"}
        good = True
        for stage in self.pipeline["stages"]:
            for name, made in jobs.items():
                if made["stage"] != stage or name in self.jobs:
                    continue
                ended = self._job(name, made, approved, stop, good)
                if ended:
                    self.jobs[name] = ended
            good = all(one.status == "success" for one in self.jobs.values())
        return self.jobs

    def _parsed(self) -> dict[str, Mapping[str, Any]]:
        made: dict[str, Mapping[str, Any]] = {}
        for name, said in self.pipeline.items():
            if name in PIPELINE:
                continue
            if not isinstance(said, Mapping) or not (name.startswith(".") or {"script", "extends"} & set(said)):
                raise Unknown(f"nothing here knows what to do about `{name}`")
            only(said, JOB, f"job {name}")
            if name.startswith("."):
                continue
            job = self._extended(said)
            if "rules" not in job and not (self.pipeline.get("workflow") or {}).get("rules"):
                raise Unknown(f"job {name}: without rules anywhere GitLab has defaults that are not known here")
            if job.get("stage") not in self.pipeline["stages"]:
                raise Unknown(f"job {name}: stage {job.get('stage')} is none of stages")
            made[name] = job
        return made

    def _extended(self, said: Mapping[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for base in sequence(said.get("extends")):
            merged = _merged(merged, self._extended(self.pipeline[base]))
        return _merged(merged, {key: value for key, value in said.items() if key != "extends"})

    def _when(self, rules: Any, known: Mapping[str, str], where: str) -> str | None:
        """`when` of the first rule that holds; None where none does."""
        for rule in rules:
            only(rule, {"if", "when"}, f"{where}, rules")
            if "if" not in rule or expressions.gitlab(rule["if"], known):
                when: str = rule.get("when", "on_success")
                if when not in ("on_success", "manual", "never", "always"):
                    raise Unknown(f"{where}: when: {when} is not known here")
                return when
        return None

    def _job(
        self, name: str, made: Mapping[str, Any], approved: frozenset[str], stop: Stop, good: bool
    ) -> Ended | None:
        """None where the pipeline does not have this job."""
        environment = made.get("environment") or {}
        if isinstance(environment, Mapping):
            only(environment, {"name", "action", "url"}, f"job {name}, environment")
        else:
            environment = {"name": environment}
        where = environment.get("name", "")
        rule = {**self._predefined(), **self._settings(where, None)}
        when = self._when(made["rules"], rule, f"job {name}") if "rules" in made else "on_success"
        if when in (None, "never"):
            return None
        if not good and when != "always":
            return Ended("skipped")
        guarded = when == "manual" or where in self.forge.protected_environments
        if guarded and where not in approved:
            return Ended("waiting")
        with alone(self.forge.repository.parent / "groups", made.get("resource_group", "")):
            return _Job(self, name, made, environment, stop).run()

    def _settings(self, environment: str, files: Path | None) -> dict[str, str]:
        """The project's variables for a job; those that are files are written into that folder, if one is given."""
        found: dict[str, str] = {}
        for one in self.forge.of(environment).values():
            if one.protected and not self._protected:
                continue
            found[one.name] = one.value
            if one.file and files:
                (files / one.name).write_text(one.value)
                (files / one.name).chmod(0o600)
                found[one.name] = str(files / one.name)
        return found

    @property
    def _protected(self) -> bool:
        return self.event.kind != "merge_request" and self.forge.protects(self.event.ref)

    def _predefined(self) -> dict[str, str]:
        event, forge = self.event, self.forge
        known = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_SERVER_URL": forge.url,
            "CI_API_V4_URL": f"{forge.url}/api/v4",
            "CI_PROJECT_ID": "7",
            "CI_PROJECT_PATH": forge.path,
            "CI_PROJECT_URL": f"{forge.url}/{forge.path}",
            "CI_DEFAULT_BRANCH": forge.default_branch,
            "CI_COMMIT_SHA": event.sha,
            "CI_COMMIT_SHORT_SHA": event.sha[:8],
            "CI_COMMIT_REF_NAME": event.ref,
            "CI_COMMIT_REF_SLUG": re.sub(r"[^a-z0-9]+", "-", event.ref.lower())[:63].strip("-"),
            "CI_COMMIT_REF_PROTECTED": "true" if self._protected else "false",
            "CI_PIPELINE_ID": str(self.number),
            "CI_PIPELINE_URL": self.url,
            "CI_PIPELINE_SOURCE": "merge_request_event" if event.kind == "merge_request" else "push",
            "GITLAB_USER_LOGIN": event.actor,
        }
        match event.kind:
            case "push":
                known["CI_COMMIT_BRANCH"] = event.ref
            case "tag":
                known["CI_COMMIT_TAG"] = event.ref
            case "merge_request":
                known["CI_MERGE_REQUEST_IID"] = str(event.request)
                known["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"] = event.ref
                known["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = forge.default_branch
        return known

    def variables(
        self, name: str, made: Mapping[str, Any], environment: Mapping[str, str], files: Path
    ) -> dict[str, str]:
        """All that a job's script sees, the strongest last: predefined, the file's, those of other jobs, settings."""
        identity = str(1000 * self.number + 100 * self.attempt + list(self.pipeline).index(name))
        known = {
            **self._predefined(),
            "CI_JOB_ID": identity,
            "CI_JOB_NAME": name,
            "CI_JOB_STAGE": made["stage"],
            "CI_JOB_URL": f"{self.forge.url}/{self.forge.path}/-/jobs/{identity}",
            "CI_JOB_TOKEN": secrets.token_hex(10),
        }
        if environment:
            known["CI_ENVIRONMENT_NAME"] = environment["name"]
            known["CI_ENVIRONMENT_ACTION"] = environment.get("action", "start")
        said = {**(self.pipeline.get("variables") or {}), **(made.get("variables") or {})}
        known |= {key: str(value) for key, value in said.items()}
        for other in self.needed(made):
            if "dotenv" in self.jobs[other].reports:
                lines = self.jobs[other].reports["dotenv"].read_text().splitlines()
                known |= dict(line.split("=", 1) for line in lines)
        known |= self._settings(environment.get("name", ""), files)
        return known

    def needed(self, made: Mapping[str, Any]) -> list[str]:
        """The jobs whose artifacts a job gets: those it names, else all before it."""
        if "dependencies" in made:
            return list(made["dependencies"])
        return [name for name, ended in self.jobs.items() if ended.status == "success"]


class _Job:
    """One job at work."""

    def __init__(
        self, run: Run, name: str, made: Mapping[str, Any], environment: Mapping[str, str], stop: Stop
    ) -> None:
        self._run, self._name, self._made, self._environment = run, name, made, environment
        folder = run.folder / f"{name}.{run.attempt}"
        track = f"gitlab_{run.number}_{run.attempt}_{name}"
        self._place = Workplace(folder, track, GITLAB[run.forge.executor], lambda log: stop(name, log))

    def run(self) -> Ended:
        run, place, made = self._run, self._place, self._made
        known = run.variables(self._name, made, self._environment, place.temp)
        known["CI_PROJECT_DIR"] = str(place.work)
        environ = place.environ({**run.forge.machine.environ, **known})
        self._engine(environ)
        environ["PATH"] = f"{self._image(known)}:{environ['PATH']}"
        try:
            ok = self._clone(environ) and self._artifacts_of_others()
            if ok:
                script = place.temp / "script.sh"
                script.write_text(_script([*sequence(made.get("before_script")), *sequence(made["script"])]))
                code = place.run(["bash", str(script)], environ)
                ok = code == 0
                place.say("Job succeeded" if ok else f"ERROR: Job failed: exit code {code}")
        finally:
            place.clear()
            shutil.rmtree(place.temp)
        status: Status = "cancelled" if place.cancelled else "success" if ok else "failure"
        reports = self._kept(status)
        return Ended(
            status,
            known["CI_JOB_URL"],
            self._address(known, reports),
            place.folder,
            place.log,
            reports=reports,
            orphans=tuple(place.orphans),
            left=place.left(),
        )

    def _image(self, known: Mapping[str, str]) -> Path:
        image = self._made.get("image")
        name = only(image, {"name"}, f"job {self._name}, image")["name"] if isinstance(image, Mapping) else str(image)
        name = _expanded(name, known)
        images = self._run.forge.machine.images
        if name not in images:
            raise Unknown(f"job {self._name}: nothing here stands for the image `{name}`")
        self._place.say(f"Using image {name}")
        return images[name]

    def _address(self, known: Mapping[str, str], reports: Mapping[str, Path]) -> str:
        """The environment's URL, whose variables the job may have told by a dotenv report."""
        told = dict(known)
        if "dotenv" in reports:
            told |= dict(line.split("=", 1) for line in reports["dotenv"].read_text().splitlines())
        return _expanded(self._environment.get("url", ""), told)

    def _engine(self, environ: dict[str, str]) -> None:
        """A docker engine for a job with the service docker:dind, and for none else."""
        services = sequence(self._made.get("services"))
        if services not in ([], ["docker:dind"]):
            raise Unknown(f"job {self._name}: services {services}: only docker:dind is known here")
        told = {name: environ.pop(name, None) for name in ENGINE}
        if services:
            if told != ENGINE:
                raise Unknown(f"job {self._name}: docker:dind is reached by {ENGINE}, and not by {told}")
            environ["DOCKER_HOST"] = self._run.forge.machine.docker

    def _clone(self, environ: Mapping[str, str]) -> bool:
        """A clone of some commits, at no branch."""
        event, git = self._run.event, ["git", "-C", str(self._place.work)]
        ref = {"push": f"+refs/heads/{event.ref}:refs/remotes/origin/{event.ref}"}.get(event.kind, "")
        ref = f"+refs/tags/{event.ref}:refs/tags/{event.ref}" if event.kind == "tag" else ref
        wanted = [f"+{event.sha}:refs/pipelines/{self._run.number}", *([ref] if ref else [])]
        steps = (
            ["init", "--quiet"],
            ["remote", "add", "origin", f"file://{self._run.forge.repository}"],
            ["fetch", "--quiet", f"--depth={DEPTH}", "origin", *wanted],
            ["checkout", "--quiet", "--force", "--detach", event.sha],
        )
        return all(self._place.run([*git, *step], environ) == 0 for step in steps)

    def _artifacts_of_others(self) -> bool:
        for other in self._run.needed(self._made):
            kept = self._run.folder / "artifacts" / other
            if kept.is_dir():
                shutil.copytree(kept, self._place.work, dirs_exist_ok=True)
        return True

    def _kept(self, status: Status) -> dict[str, Path]:
        """Take artifacts and reports out of the job's folder; the reports by their kind."""
        said = only(
            self._made.get("artifacts") or {}, {"paths", "expire_in", "when", "reports"}, f"job {self._name}, artifacts"
        )
        reports = only(said.get("reports") or {}, {"dotenv", "junit"}, f"job {self._name}, reports")
        when = said.get("when", "on_success")
        wanted = {"on_success": status == "success", "on_failure": status != "success", "always": True}[when]
        if not wanted or status == "cancelled":  # a cancelled job uploads nothing
            return {}
        kept = self._run.folder / "artifacts" / self._name
        shutil.rmtree(kept, ignore_errors=True)
        for path in said.get("paths") or ():
            self._copy(path, kept)
        for path in reports.values():
            self._copy(path, kept.with_name(f"{self._name}.reports"))
        found = {kind: kept.with_name(f"{self._name}.reports") / path for kind, path in reports.items()}
        return {kind: file for kind, file in found.items() if file.is_file()}

    def _copy(self, path: str, target: Path) -> None:
        source = self._place.work / path
        if not source.exists():
            self._place.say(f"WARNING: {path}: no matching files")
            return
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / path, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target / path)


def read(file: Path) -> Mapping[str, Any]:
    """A pipeline file."""
    made: Mapping[str, Any] = yaml.safe_load(file.read_text())
    return made


def _expanded(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda one: known.get(one[1], ""), text)


def _script(lines: list[str]) -> str:
    """As gitlab-runner writes it for bash: all lines in one shell, which is a child of the job's first process."""
    told = [part for line in lines for part in (f"echo {shlex.quote('$ ' + line)}", line)]
    return f"set -eo pipefail\nset +o noclobber\n: | eval {shlex.quote(chr(10).join(told))}\nexit 0\n"


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As `extends` does: maps merge, all else is replaced."""
    both = {key: _merged(base[key], value) if _maps(base.get(key), value) else value for key, value in over.items()}
    return {**base, **both}


def _maps(one: Any, other: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)
