"""The job's environment over .env. The only dotenv import."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from dotenv import dotenv_values

from deployer.errors import PreflightError, UsageError


@dataclass(frozen=True)
class Login:
    """A login at a registry or a git server; never shown."""

    username: str
    password: str = field(repr=False)


def variables(file: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """All variables a profile may name: those of `file`, if it is there, under those of the job."""
    try:
        values = dotenv_values(file, interpolate=False, encoding="utf-8-sig") if file.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None
    return {**{name: value for name, value in values.items() if value is not None}, **environ}


_SECRET = re.compile(r"(^|_)(PASS|PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|(API|ACCESS|PRIVATE|SECRET)_?KEY)$", re.I)
_PROXY = re.compile(r"(?:\w+://)?[^/@:]*:([^/]+)@")  # as in http://user:password@host
SHORTEST = 8
"""Characters. A shorter value of a variable that only sounds like a secret may be an ordinary word."""


def sensitive(known: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that by their name are secrets, whether a profile names them as such or not."""
    named = (value for name, value in known.items() if len(value) >= SHORTEST and _SECRET.search(name))
    proxies = (_PROXY.match(value) for name, value in known.items() if name.lower().endswith("_proxy"))
    return (*named, *(word for proxy in proxies if proxy for word in {proxy[1], unquote(proxy[1])}))


def login(
    username: str | None, password: str | None, known: Mapping[str, str], *, what: str = "the registry login"
) -> Login | None:
    """The login under these variable names; None where the profile names none.

    Raises PreflightError that lists the variables that are not set.
    """
    if username is None or password is None:
        return None
    require((username, password), known, what=what)
    return Login(known[username], known[password])


def require(names: tuple[str, ...], known: Mapping[str, str], *, what: str) -> None:
    """Raises PreflightError where one of the variables is not set or empty."""
    absent = [name for name in names if not known.get(name)]
    if absent:
        raise PreflightError(
            f"{what} needs variables that are not set: {', '.join(absent)}", hint="set them in the job or in .env"
        )
