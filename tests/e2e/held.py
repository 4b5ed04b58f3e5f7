"""Programs that wait at a moment until the test lets them go on."""

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import Project
from processes import until

WRAPPER = """#!/bin/sh
# Stops once at the moment, until it is let go, or the folder is away.
case "$*" in MOMENT*)
    touch FOLDER/reached
    while [ -d FOLDER ] && [ ! -e FOLDER/go ]; do sleep 0.1; done;;
esac
exec PROGRAM "$@"
"""


@dataclass
class Held:
    """One program of a project, held where its arguments begin so."""

    folder: Path

    def reached(self) -> bool:
        """Whether it waits."""
        return (self.folder / "reached").exists()

    def wait(self, process: "subprocess.Popen[str]") -> None:
        """Await that it waits, in that process."""
        until(lambda: self.reached() or process.poll() is not None, "the moment to be held")
        assert process.poll() is None, process.communicate()

    def go(self) -> None:
        """Let it go on, and all after it."""
        (self.folder / "go").touch()


def hold(project: Project, program: str, moment: str, folder: Path) -> Held:
    """Hold `helm`, `helm3` or `docker` at a command: "upgrade", "buildx build"."""
    place = folder / f"held-{program}"
    place.mkdir()
    real = shutil.which(program, path=project.environ["PATH"])
    assert real
    wrapper = place / program
    text = WRAPPER.replace("MOMENT", shlex.quote(moment)).replace("FOLDER", str(place))
    wrapper.write_text(text.replace("PROGRAM", real))
    wrapper.chmod(0o755)
    project.profile("dev", tools={program.rstrip("3"): str(wrapper)})
    return Held(place)
