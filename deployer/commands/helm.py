"""helm 3 and 4: the one place where they differ."""

from dataclasses import dataclass
from pathlib import Path

from deployer.model import Command, Target


@dataclass(frozen=True)
class Helm:
    """The helm program of a run and the release it works on."""

    program: str
    major: int  # 3 or 4
    target: Target
    release: str

    def _command(self, *args: str, stdin: str | None = None) -> Command:
        where = (
            *("--kubeconfig", str(self.target.kubeconfig)),
            *("--kube-context", self.target.context),
            *("--namespace", self.target.namespace),
        )
        return Command((self.program, *args, *where), stdin=stdin)

    def upgrade(self, chart: Path, values: str, *, timeout: float, history_max: int, wait: str = "hooks") -> Command:
        """Install or upgrade; the answer is the release as JSON.

        `wait`: "hooks", since the workloads are ours to judge; "workloads" where a hook runs after them.
        """
        return self._command(
            *("upgrade", self.release, str(chart), "--install", "--values", "-", "--reset-values"),
            *("--timeout", f"{timeout:.0f}s", "--history-max", str(history_max), "--hide-notes", "--output", "json"),
            *self._waiting(wait),
            *self._winning(),
            stdin=values,
        )

    def foresee(self, chart: Path, values: str) -> Command:
        """What `upgrade` would release, as JSON. The cluster is asked what it serves, and nothing is changed."""
        return self._command(
            *("upgrade", self.release, str(chart), "--install", "--values", "-", "--reset-values"),
            *("--dry-run=server", "--hide-notes", "--output", "json"),
            stdin=values,
        )

    def _waiting(self, what: str) -> tuple[str, ...]:
        if self.major >= 4:
            return ("--wait=watcher",) if what == "workloads" else ("--wait=hookOnly",)
        return ("--wait",) if what == "workloads" else ()

    def _winning(self) -> tuple[str, ...]:
        """Helm 4 applies on the server, where what kubectl changed is a conflict. The release wins, as in 3."""
        return ("--server-side=true", "--force-conflicts") if self.major >= 4 else ()

    def rollback(self, revision: int, *, timeout: float, history_max: int) -> Command:
        """Put a revision back, as a new revision."""
        return self._command(
            *("rollback", self.release, str(revision)),
            *("--timeout", f"{timeout:.0f}s", "--history-max", str(history_max), "--cleanup-on-fail"),
            *(("--wait=hookOnly",) if self.major >= 4 else ()),
            *self._winning(),
        )

    def uninstall(self, *, timeout: float) -> Command:
        """Remove the release and its history; done when its objects are gone."""
        return self._command(
            *("uninstall", self.release, "--timeout", f"{timeout:.0f}s", "--cascade", "foreground"),
            # Helm 4.3's watcher takes what it has not looked at yet for gone (seen on a cluster).
            "--wait=legacy" if self.major >= 4 else "--wait",
        )

    def template(self, chart: Path, values: str) -> Command:
        """Render the chart without a cluster, and without what only `helm test` makes."""
        return Command(
            (
                *(self.program, "template", self.release, str(chart), "--values", "-", "--skip-tests"),
                *("--namespace", self.target.namespace),
            ),
            stdin=values,
        )


def version(program: str) -> Command:
    """`v4.3.1`, on helm 3 and 4 alike."""
    return Command((program, "version", "--template", "{{.Version}}"))


def supported(version: str) -> str | None:
    """Why a helm version cannot be used, or None. 4.2.1 hangs on hooks (helm#32214, helm#32224)."""
    try:
        parts = tuple(int(part) for part in version.strip().lstrip("v").split("-")[0].split("+")[0].split("."))
    except ValueError:
        return f"`{version.strip()}` is no helm version"
    if parts == (4, 2, 1):
        return "helm 4.2.1 hangs on hooks (helm#32214)"
    if parts < (3, 18) or (4,) <= parts < (4, 1, 2):
        return f"helm {version.strip()} is too old"
    return None
