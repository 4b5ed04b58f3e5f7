"""`make bench-cache`: a build of the example on a runner that has nothing, with the registry's cache and without.

Each pair builds one commit twice: it changes a line of the service after the commit that filled the cache. Before each
build all that the builder has kept is removed, base images and cache mounts too, as on a runner that was just made.
"""

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAIRS = int(os.environ.get("PAIRS", "3"))
DEMANDED = 3.0


def run(*argv: str | Path, cwd: Path | None = None, stdin: str | None = None) -> str:
    """A program run to its end; its output. Ends the benchmark where it fails."""
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"bench-cache: {argv[:4]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Runner:
    """The example in a repository of its own, built for two platforms by `deploy build`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"bench-{secrets.token_hex(4)}"
        for part in ("service", "chart", "environments"):
            shutil.copytree(ROOT / part, folder / part)
        for line in (("init", "-q", "-b", "main"), ("config", "user.email", "a@b.c"), ("config", "user.name", "A")):
            run("git", *line, cwd=folder)
        self.commit("begin")

    def commit(self, text: str) -> None:
        """A change of one line of the service."""
        with open(self.folder / "service" / "main.go", "a") as file:
            file.write(f'\nconst benchmark{secrets.token_hex(4)} = "{text}"\n')
        run("git", "add", ".", cwd=self.folder)
        run("git", "commit", "-q", "-m", text, cwd=self.folder)

    def build(self, *, tag: str, cache: str) -> float:
        """Seconds of a build on a runner that has nothing. `cache`: the profile's line, or none."""
        (self.folder / "environments" / "dev.yaml").write_text(
            f"""target: {{context: dev, namespace: dev}}
image:
  repository: {self.name}
  builder: {os.environ["LAB_BUILDER"]}
  platforms: [linux/amd64, linux/arm64]
  {cache}
"""
        )
        run("docker", "buildx", "prune", "--builder", os.environ["LAB_BUILDER"], "--all", "--force")
        began = time.monotonic()
        run(sys.executable, "-m", "deployer", "build", "--env", "dev", "--tag", tag, cwd=self.folder)
        return time.monotonic() - began


def main() -> int:
    """Run, print, and say with the exit code whether the cache is worth what is demanded."""
    os.environ |= {"PYTHONPATH": str(ROOT), "RUNTIME_IMAGE": os.environ["LAB_RUNTIME_IMAGE"]}
    with tempfile.TemporaryDirectory(prefix="bench-cache-") as folder:
        runner = Runner(Path(folder))
        cached = f"cache: {runner.name}/layers"
        first = runner.build(tag="first", cache=cached)
        print(f"first build, which fills the cache: {first:.1f} s", flush=True)
        ratios = []
        for number in range(1, PAIRS + 1):
            runner.commit(f"change {number}")
            order = (("with", cached), ("without", ""))  # in turn: what the machine does else falls on both
            took = {
                name: runner.build(tag=f"{number}-{name}", cache=line)
                for name, line in (order if number % 2 else reversed(order))
            }
            ratios.append(took["without"] / took["with"])
            print(
                f"pair {number}: without {took['without']:6.1f} s, with {took['with']:6.1f} s: {ratios[-1]:.1f}x",
                flush=True,
            )
    ratio = statistics.median(ratios)
    well = ratio >= DEMANDED
    print(f"cache: {ratio:.1f}x (at least {DEMANDED:.0f}x): {'as expected' if well else 'NOT AS EXPECTED'}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
