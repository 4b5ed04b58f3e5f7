"""Why a registry refuses, in one word of ours and in its own: from its answer, or from what docker says of it. Pure.

Registries answer `{"errors": [{"code", "message", "detail"}]}` (distribution spec, "Error Codes").
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployer.errors import ExitCode


class Fault(StrEnum):
    """What is the matter with a registry."""

    LOGIN = "login"  # it does not take the login, or not any more
    DENIED = "denied"  # the login is good, and may not do this
    BUSY = "busy"  # it is asked too much
    AWAY = "away"  # it, or what it stands on, is down
    SLOW = "slow"  # it does not answer in time
    BROKEN = "broken"  # the transfer was cut off, or what came is not what was sent
    FULL = "full"  # its storage, or its quota


EXIT_CODES = {
    Fault.LOGIN: ExitCode.REFUSED,
    Fault.DENIED: ExitCode.REFUSED,
    Fault.BUSY: ExitCode.UNAVAILABLE,
    Fault.AWAY: ExitCode.UNAVAILABLE,
    Fault.SLOW: ExitCode.UNAVAILABLE,
    Fault.BROKEN: ExitCode.UNAVAILABLE,
    Fault.FULL: ExitCode.FULL,
}

_SENTENCES = {
    Fault.LOGIN: "does not take the login",
    Fault.DENIED: "does not allow it",
    Fault.BUSY: "is asked too much",
    Fault.AWAY: "is not available",
    Fault.SLOW: "does not answer in time",
    Fault.BROKEN: "broke off",
    Fault.FULL: "has no room left",
}

_HINTS = {
    Fault.LOGIN: "check the user and the password in the job's variables or in .env; a robot account may have run out",
    Fault.DENIED: "give the account the right to push there, or name another one in registry.usernameVariable",
    Fault.FULL: "make room in the registry, or raise its quota: to try again alone does not help",
}

_AGAIN = "run it again later: what the registry has already is not sent twice"


@dataclass(frozen=True)
class Refusal:
    """A registry that says no, or nothing."""

    fault: Fault
    host: str  # host[:port]; empty where it is not known
    status: int = 0  # of HTTP; 0 where there was none
    said: str = ""  # the registry's own words, `CODE: message`
    pause: float = 0.0  # seconds that it asks to be left alone

    @property
    def sentence(self) -> str:
        """What people read: `registry H is asked too much (429): TOOMANYREQUESTS: slow down`."""
        number = f" ({self.status})" if self.status else ""
        words = f": {self.said}" if self.said else ""
        return f"registry {self.host}".rstrip() + f" {_SENTENCES[self.fault]}{number}{words}"

    @property
    def hint(self) -> str:
        """What to do about it."""
        return _HINTS.get(self.fault, _AGAIN)

    @property
    def exit_code(self) -> ExitCode:
        """What a job does about it."""
        return EXIT_CODES[self.fault]

    @property
    def passes(self) -> bool:
        """Whether it may be over in a moment. A token ends in the middle of a push, and the next one is good."""
        return self.fault not in (Fault.DENIED, Fault.FULL)


_ROOM = re.compile(
    r"no space left|\bENOSPC\b|\"Err\":\s*28\b|insufficient storage|quota|storage limit|disk.{0,10}full", re.I
)
_CODES = {
    "UNAUTHORIZED": Fault.LOGIN,
    "DENIED": Fault.DENIED,
    "TOOMANYREQUESTS": Fault.BUSY,
    "UNAVAILABLE": Fault.AWAY,
    "DIGEST_INVALID": Fault.BROKEN,
    "SIZE_INVALID": Fault.BROKEN,
    "BLOB_UPLOAD_INVALID": Fault.BROKEN,
    "BLOB_UPLOAD_UNKNOWN": Fault.BROKEN,
}


def answered(host: str, status: int, body: str, pause: float = 0.0) -> Refusal:
    """What an answer that is no success means."""
    said, codes = words(body)
    if status == 507 or _ROOM.search(body):
        fault = Fault.FULL
    else:
        known = [_CODES[code] for code in codes if code in _CODES]
        fault = _by_status(status) or next(iter(known), Fault.DENIED)
    return Refusal(fault, host, status, said, pause)


def words(body: str) -> tuple[str, tuple[str, ...]]:
    """The registry's own words in an answer, `CODE: message` of each error; and the codes alone."""
    try:
        errors = json.loads(body)["errors"]
        told = [(str(one.get("code") or ""), str(one.get("message") or ""), one.get("detail")) for one in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ()
    lines = []
    for code, message, detail in told:
        room = detail and _ROOM.search(json.dumps(detail))
        lines.append(": ".join(filter(None, (code, message, "no space left on its device" if room else ""))))
    return "; ".join(dict.fromkeys(lines)), tuple(code for code, _, _ in told)


def _by_status(status: int) -> Fault | None:
    match status:
        case 401:
            return Fault.LOGIN
        case 403 | 405:
            return Fault.DENIED
        case 408 | 504:
            return Fault.SLOW
        case 429:
            return Fault.BUSY
        case 413 | 507:
            return Fault.FULL
        case _:
            return Fault.AWAY if status >= 500 else None


_STATUS = re.compile(
    r"(?:unexpected (?:HTTP )?status[^\n]*?: |HTTP (?:response code |status:? )?|status(?: code)?:? )([45]\d\d)\b"
)
_SAID = (
    (Fault.BUSY, re.compile(r"toomanyrequests|too many requests", re.I)),
    (Fault.FULL, re.compile(r"insufficient storage|exceed\w* .{0,40}(quota|limit)|storage (quota|limit)", re.I)),
    (
        Fault.DENIED,
        re.compile(r"(^|: )denied\b|access (to the resource )?is denied|insufficient_scope|access forbidden", re.I),
    ),
    (Fault.LOGIN, re.compile(r"\bunauthorized\b|no basic auth credentials|authentication required", re.I)),
    (Fault.BROKEN, re.compile(r"digest.{0,20}(invalid|did not match)|(size|blob upload) (invalid|unknown)", re.I)),
    (Fault.SLOW, re.compile(r"timeout|timed out|deadline exceeded", re.I)),
    (Fault.BROKEN, re.compile(r"\bEOF\b|connection reset|broken pipe|closed network connection|server closed", re.I)),
    (Fault.AWAY, re.compile(r"connection refused|no such host|no route to host|network is unreachable", re.I)),
    (Fault.AWAY, re.compile(r"(^|: )unavailable: ", re.I)),
)
_HOST = re.compile(r"https?://([^/\s\"]+)/(?:v2/|token)?")
_NAMED = re.compile(r"(?:failed to push|failed to resolve source metadata for|pushing|from) ([^/\s:]+(?::\d+)?)/")
_BEFORE = re.compile(r"^(ERROR: |Error response from daemon: |Error: |failed to (build|solve|push \S+): )+")
_LAST = re.compile(r"^(ERROR|Error response from daemon|Error)\b")


def told(lines: Sequence[str], host: str) -> Refusal | None:
    """What docker, or BuildKit, says of a registry at its end; None where its last words are of something else.

    `host`: the registry that is meant where none is named.
    """
    shown = [line.strip() for line in lines if line.strip()]
    last = next((at for at in reversed(range(len(shown))) if _LAST.match(shown[at])), len(shown) - 1)
    text = "\n".join(shown[last:]) if shown else ""
    if "did not complete successfully" in text:  # a program of the Dockerfile's, whatever it talks to
        return None
    number = _STATUS.search(text)
    if "failed to push" in text and not number:  # BuildKit's last word is the registry's; the status is further up
        number = next(_STATUS.finditer("\n".join(reversed(shown))), None)
    status = int(number[1]) if number else 0
    fault = Fault.FULL if status and _ROOM.search(text) else _by_status(status)
    fault = fault or next((fault for fault, said in _SAID if said.search(text)), None)
    if fault is None:
        return None
    named = _HOST.search(text) or _NAMED.search(text)
    said = _BEFORE.sub("", shown[last])
    return Refusal(fault, named[1] if named else host, status, said)
