"""Lines that a CI system folds away in its log, under a title. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
"""What GitLab takes in no name of a section."""


@dataclass(frozen=True)
class Fold:
    """A part of a job's log. Neither platform nests them, so one is closed before the next is opened."""

    platform: Literal["github", "gitlab", "ci", ""]
    stage: str
    number: int  # of the fold in this log: GitLab wants a name of its own for each

    def opened(self, moment: float) -> str | None:
        """The line that opens it; `moment`: Unix time in seconds. None where the log cannot be folded."""
        title = f"{self.stage}: output of the program"
        match self.platform:
            case "github":
                return f"::group::{title}"
            case "gitlab":
                return f"\x1b[0Ksection_start:{int(moment)}:{self._name}[collapsed=true]\r\x1b[0K{title}"
            case _:
                return None

    def closed(self, moment: float) -> str | None:
        """The line that closes it."""
        match self.platform:
            case "github":
                return "::endgroup::"
            case "gitlab":
                return f"\x1b[0Ksection_end:{int(moment)}:{self._name}\r\x1b[0K"
            case _:
                return None

    @property
    def _name(self) -> str:
        return f"deploy_{_UNFIT.sub('_', self.stage)}_{self.number}"
