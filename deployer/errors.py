"""Every way a run can end, as exceptions and as exit codes.

The tree (a class exists only where a CI job would act differently)::

    DeployError                1  FAILED         a tool or the cluster said no; read the log
    ├── UsageError             2  USAGE          the request or a file is wrong; nothing was touched
    ├── PreflightError         3  PREFLIGHT      a check before the first deed failed; nothing was touched
    ├── BuildError             4  BUILD          the image was not built or not pushed; the release is untouched
    ├── UnhealthyError         5  UNHEALTHY      the rollout failed; see what was put back
    ├── DeadlineError          6  DEADLINE       the rollout was not done in time; maybe only slow
    ├── IndeterminateError     7  INDETERMINATE  the cluster could not be asked; nothing was rolled back
    ├── PausedError            8  PAUSED         the rollout is paused; resume it
    ├── (a BuildError)         15  REFUSED        the registry does not take the login, or allows no push
    ├── (a BuildError)         16  UNAVAILABLE    the registry is overloaded, away, slow or breaks off; run again later
    ├── (a BuildError)         17  FULL           the registry has no room left
    ├── LockedError           10  LOCKED         another deploy of the release is at work, or took the lease
    └── Interrupted      130/143  INTERRUPTED    cancelled by SIGINT or SIGTERM
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The contract with CI jobs; docs/exit-codes.md says what a job should do for each."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PREFLIGHT = 3
    BUILD = 4
    UNHEALTHY = 5
    DEADLINE = 6
    INDETERMINATE = 7
    PAUSED = 8
    DRIFTED = 9
    LOCKED = 10
    CHANGES = 11
    KEPT = 12
    PARTIAL = 13
    STOPPED = 14
    REFUSED = 15
    UNAVAILABLE = 16
    FULL = 17
    INTERRUPTED = 130
    TERMINATED = 143


class DeployError(Exception):
    """What went wrong in one sentence, and what to do next.

    `detail` holds further lines to show as they are (the end of a tool's output, a list of problems).
    """

    exit_code = ExitCode.FAILED
    changed = False  # whether something was touched before it came

    def __init__(self, message: str, *, hint: str | None = None, detail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(DeployError):
    """The request, a profile or an option is wrong."""

    exit_code = ExitCode.USAGE


class PreflightError(DeployError):
    """Something the run needs is missing; found before anything was touched."""

    exit_code = ExitCode.PREFLIGHT


class BuildError(DeployError):
    """docker could not build or push the image."""

    exit_code = ExitCode.BUILD


class UnhealthyError(DeployError):
    """The new revision is judged failed."""

    exit_code = ExitCode.UNHEALTHY


class DeadlineError(DeployError):
    """The deadline passed while the rollout still moved."""

    exit_code = ExitCode.DEADLINE


class IndeterminateError(DeployError):
    """The API did not answer for so long that no verdict can be given."""

    exit_code = ExitCode.INDETERMINATE


class PausedError(DeployError):
    """The workload is paused: nothing rolls out until somebody resumes it."""

    exit_code = ExitCode.PAUSED


class LockedError(DeployError):
    """Somebody else holds the release's lease, or has taken ours."""

    exit_code = ExitCode.LOCKED


class Interrupted(DeployError):
    """SIGINT or SIGTERM ended the run; `exit_code` is 128 + the signal."""

    def __init__(self, signal_number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.exit_code = ExitCode(128 + signal_number)
