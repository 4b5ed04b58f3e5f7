"""What each `uses:` of GitHub's stands for. An action that is not here is refused."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.runner.forge import Event, Forge, Unknown
from lab.runner.workplace import Workplace


@dataclass(frozen=True)
class Using:
    """One step that uses an action."""

    given: Mapping[str, str]  # `with:`, filled
    place: Workplace
    forge: Forge
    event: Event
    artifacts: Path  # of the run: a folder for each
    environ: Mapping[str, str]
    path: list[str]  # folders that the job has in front of PATH: an action may add

    def need(self, program: str) -> str:
        """The path of a program that the machine must have."""
        found = shutil.which(program, path=os.pathsep.join([*self.path, self.environ["PATH"]]))
        if found is None:
            raise Unknown(f"{program} is not on the runner's PATH")
        return found

    def run(self, *argv: str | Path) -> bool:
        """A program of the action's own."""
        return self.place.run([str(one) for one in argv], self.environ) == 0


def checkout(step: Using) -> bool:
    """actions/checkout: one commit (`fetch-depth`), the branch or tag of the event under its name, no other tags."""
    depth, event = step.given.get("fetch-depth", "1"), step.event
    ref = {"push": f"refs/remotes/origin/{event.ref}", "tag": f"refs/tags/{event.ref}"}.get(
        event.kind, f"refs/remotes/pull/{event.request}/merge"
    )
    git = ("git", "-C", step.place.work)
    deep = () if depth == "0" else (f"--depth={depth}",)
    onto = ("-B", event.ref, ref) if event.kind == "push" else (ref,)
    return (
        step.run(*git, "init", "--quiet")
        and step.run(*git, "remote", "add", "origin", f"file://{step.forge.repository}")
        and step.run(*git, "fetch", "--quiet", "--no-tags", *deep, "origin", f"+{event.sha}:{ref}")
        and step.run(*git, "checkout", "--quiet", "--force", *onto)
    )


def setup_python(step: Using) -> bool:
    """actions/setup-python: a Python with pip of the job's own, in front of PATH."""
    folder = step.place.folder / "python"
    if not step.run(step.forge.machine.python, "-m", "venv", folder):
        return False
    version = step.given.get("python-version", "")
    step.place.say(f"python {version} is asked for; what stands for it:")
    step.path.insert(0, str(folder / "bin"))
    return step.run(folder / "bin" / "python", "--version")


def setup_go(step: Using) -> bool:
    """actions/setup-go: go must be there; the file with the version too. Its cache is the machine's."""
    file = step.place.work / step.given.get("go-version-file", "")
    if "go-version-file" in step.given and not file.is_file():
        step.place.say(f"The specified go version file at: {step.given['go-version-file']} does not exist")
        return False
    return step.run(step.need("go"), "version")


def setup_helm(step: Using) -> bool:
    """azure/setup-helm: helm must be there."""
    return step.run(step.need("helm"), "version", "--short")


def upload(step: Using) -> bool:
    """actions/upload-artifact: a file, or a folder's content, under a name that is there once."""
    source, target = Path(step.given["path"]), step.artifacts / step.given.get("name", "artifact")
    if not source.exists():
        told = step.given.get("if-no-files-found", "warn")
        step.place.say(f"No files were found with the provided path: {source}")
        return told != "error"
    if target.exists():
        if step.given.get("overwrite") != "true":
            step.place.say(f"an artifact with the name {target.name} exists already")
            return False
        shutil.rmtree(target)
    target.mkdir(parents=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
    return True


def download(step: Using) -> bool:
    """actions/download-artifact: the content of an artifact, into a folder."""
    source = step.artifacts / step.given["name"]
    if not source.is_dir():
        step.place.say(f"Artifact not found for name: {source.name}")
        return False
    shutil.copytree(source, step.place.work / step.given.get("path", "."), dirs_exist_ok=True)
    return True


Action = Callable[[Using], bool]
ACTIONS: Mapping[str, tuple[Action, set[str]]] = {
    "actions/checkout@v4": (checkout, {"fetch-depth"}),
    "actions/setup-python@v5": (setup_python, {"python-version"}),
    "actions/setup-go@v5": (setup_go, {"go-version-file", "cache-dependency-path"}),
    "azure/setup-helm@v4": (setup_helm, {"version"}),
    "actions/upload-artifact@v4": (upload, {"name", "path", "if-no-files-found", "overwrite"}),
    "actions/download-artifact@v4": (download, {"name", "path"}),
}
"""The action → what it does, the keys of `with:` that it knows."""
