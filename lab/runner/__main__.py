"""`python3 -m lab.runner PIPELINE.yml --repository BARE --settings FILE …`: run a pipeline file by hand."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.runner import github, gitlab
from lab.runner.forge import Event, Forge, Machine, Unknown, Variable

SETTINGS = """settings file (JSON):
  {"variables": [{"name": "REG_USER", "value": "…", "environment": "dev", "secret": true, "file": false}],
   "images": {"golang:1.26": "/usr/local/go/bin"}}"""


def main() -> int:
    """Run one pipeline; 0 where every job that ran has succeeded."""
    parser = argparse.ArgumentParser(
        prog="lab.runner", description=__doc__, epilog=SETTINGS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipeline", type=Path, help=".gitlab-ci.yml, or a workflow of GitHub's")
    parser.add_argument("--repository", type=Path, required=True, help="a bare git repository that has the commit")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--path", default="team/project")
    parser.add_argument("--event", choices=("push", "tag", "merge_request"), default="push")
    parser.add_argument("--ref", default="main", help="branch or tag")
    parser.add_argument("--approve", action="append", default=[], help="a protected environment to let jobs into")
    parser.add_argument("--cancel", metavar="JOB:TEXT", help="cancel the run when the job's log has this text")
    parser.add_argument("--executor", choices=("docker", "shell"), default="docker", help="of GitLab's runner")
    given = parser.parse_args()
    settings: dict[str, Any] = json.loads(given.settings.read_text())
    machine = Machine(
        {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE", "LANG") if name in os.environ},
        Path(sys.executable),
        os.environ.get("DOCKER_HOST", ""),
        {name: Path(folder) for name, folder in settings.get("images", {}).items()},
    )
    variables = tuple(Variable(**one) for one in settings["variables"])
    repository = given.repository.resolve()
    forge = Forge(repository, "https://ci.example", given.path, machine, variables, executor=given.executor)
    event = Event(given.event, given.ref, _sha(repository, given.ref))
    folder = Path(tempfile.mkdtemp(prefix="runner-"))
    platform = gitlab if given.pipeline.name.startswith(".gitlab") else github
    job, _, text = (given.cancel or ":").partition(":")
    try:
        run = platform.Run(platform.read(given.pipeline), forge, event, folder)
        ended = run.go(frozenset(given.approve), lambda name, log: bool(text) and name == job and text in log)
    except Unknown as error:
        print(f"runner: {given.pipeline}: {error}", file=sys.stderr)
        return 2
    for name, one in ended.items():
        print(f"── {name}: {one.status}\n{one.log}", end="")
    print("\n".join(f"{name:<12}{one.status}" for name, one in ended.items()))
    print(f"runner: the jobs' folders are in {folder}")
    return 0 if all(one.status in ("success", "skipped", "waiting") for one in ended.values()) else 1


def _sha(repository: Path, ref: str) -> str:
    asked = ("git", "-C", repository, "rev-parse", f"{ref}^{{commit}}")
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
