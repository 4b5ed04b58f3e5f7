"""What git is told by its environment: who logs in, how long it waits, and what of the job's it must not hear."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from deployer.credentials import Login
from deployer.errors import UsageError

SILENCE = 30
"""Seconds without a byte after which git gives a server up; while a hook works, the server sends some every 5."""

KEPT = re.compile(r"GIT_(SSH|SSL|PROXY|HTTP|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_|VALUE_)|EXEC_PATH)")
"""Variables for git that reach it: how a machine gets to its servers. GIT_DIR and the like would lead it elsewhere."""

SSH = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=10 -o ServerAliveCountMax=3"

TOLD = frozenset({"DEPLOY_GIT_USER", "DEPLOY_GIT_PASSWORD"})
"""The variables by which git gets a login of ours; a profile may call its own so."""

HELPER = (
    '!f() { test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "$DEPLOY_GIT_USER" "$DEPLOY_GIT_PASSWORD"; }; f'
)
"""A credential helper without a file: it says what it has in its environment, and stores nothing."""

SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.quotePath": "true",
    "core.symlinks": "false",  # a link that somebody committed leads nowhere on our disk
    "core.fsmonitor": "false",
    "credential.interactive": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",  # in a folder that is gone in a moment
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": str(SILENCE),
    "i18n.commitEncoding": "utf-8",
    "i18n.logOutputEncoding": "utf-8",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "push.followTags": "false",
    "push.gpgSign": "false",  # most servers take no signed push
    "push.pushOption": "",  # empties the list
    "push.recurseSubmodules": "no",
    "safe.bareRepository": "all",  # our clone is one
}
"""What a person may have set otherwise, and must not alter what we read and write."""


def checked(url: str) -> str:
    """The URL, where git may be given it. Raises UsageError where it holds a login, or is of another kind."""
    if "://" not in url:
        if url.startswith("/"):
            return url
        if re.match(r"[^/:@\s-][^/:\s]*:[^:]", url):  # user@host:path
            return url
        raise UsageError(
            f"`{_bare(url)}` is no URL of a git repository", hint="https://host/path.git and git@host:path.git are some"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError(f"`{_bare(url)}` is no URL of a git repository") from None
    if parts.scheme not in ("http", "https", "ssh", "file"):
        raise UsageError(
            f"`{_bare(url)}`: git repositories are reached by https, http, ssh or file, not by `{parts.scheme}`"
        )
    if parts.password is not None or (parts.username and parts.scheme in ("http", "https")):
        raise UsageError(
            f"the URL of the configuration repository holds a login, which would be in logs: {_bare(url)}",
            hint="take it out of the URL; argocd.usernameVariable and passwordVariable name variables that hold it. "
            "A password or token that was there is to be changed at the server",
        )
    return url


def over_ssh(url: str) -> bool:
    """Whether git starts ssh for a URL that was checked."""
    return url.startswith("ssh://") or not ("://" in url or url.startswith("/"))


def environment(environ: Mapping[str, str], url: str, login: Login | None, ssh: str) -> dict[str, str]:
    """git's environment; `ssh` is the command that a person has git start, with what they gave it.

    A person's configuration of git is read, since proxies, certificates, credential helpers and rewritten URLs are in
    it; what in it would alter the result is set over. With a login of ours no helper of theirs is asked: it would
    be told our password, and store it.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_") or KEPT.match(name)}
    if over_ssh(url) and not environ.get("GIT_SSH"):
        kept["GIT_SSH_COMMAND"] = f"{ssh} {SSH}"
    kept |= {
        "GIT_ALLOW_PROTOCOL": "http:https:ssh:file",
        "GIT_ASKPASS": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS": "",
        "LC_ALL": "C",
        "LANGUAGE": "",
    }
    settings = list(SETTINGS.items())
    if login:
        settings += _login(url)
        kept |= {"DEPLOY_GIT_USER": login.username, "DEPLOY_GIT_PASSWORD": login.password}
    before = int(kept.get("GIT_CONFIG_COUNT") or 0)
    for number, (key, value) in enumerate(settings, before):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    kept["GIT_CONFIG_COUNT"] = str(before + len(settings))
    return kept


def _login(url: str) -> Iterator[tuple[str, str]]:
    """For this server alone: where it redirects to another one, that one is not told."""
    parts = urlsplit(url)
    yield "credential.helper", ""
    if parts.scheme in ("http", "https"):
        yield f"credential.{parts.scheme}://{parts.netloc}.helper", HELPER


def _bare(url: str) -> str:
    """The URL without who logs in."""
    return re.sub(r"(?<=//)[^/]*@", "", url)
