"""What git said when it failed, as what it means and what to do. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["behind", "away", "absent", "broken", "final"]
"""behind: the branch went on meanwhile · away: the server does not answer, for now · absent: there is no such
branch · final: asking again changes nothing.

broken: git failed with words that nobody expected; the server may have done what was asked.
"""


@dataclass(frozen=True)
class Refusal:
    """Why git failed."""

    kind: Kind
    message: str
    hint: str = ""
    detail: tuple[str, ...] = ()


_TABLE: tuple[tuple[str, Kind, str, str], ...] = (
    # The branch went on while we wrote: git's own word, and what a server says where two pushes meet.
    (
        r"\[rejected\] \((fetch first|non-fast-forward|stale info)\)"
        r"|\[remote rejected\] \((cannot lock ref|failed to update ref|incorrect old value|reference already exists"
        r"|failed to lock)",
        "behind",
        "the branch has gone on meanwhile",
        "run again",
    ),
    (r"couldn't find remote ref", "absent", "{url} has no branch `{branch}`", "push the branch, or name another one"),
    # A server's disk first: its words come with a rejection that says less.
    (
        r"remote: .*(No space left on device|disk quota exceeded)|unpacker error|unpack-objects abnormal exit",
        "final",
        "{server} cannot store the commit",
        "whoever runs the server has to make room on it",
    ),
    (
        r"No space left on device|Disk quota exceeded|unable to (write|create temporary) file",
        "final",
        "there is no room left for the clone of the configuration repository",
        "make room, or name another folder in TMPDIR",
    ),
    (
        r"\[remote rejected\]|protected branch|pre-receive hook declined|hook declined|GH\d{3}:",
        "final",
        "{server} refused the commit: {reason}",
        "allow this login to push to `{branch}`, or deliver by merge request",
    ),
    (
        r"could not read (Username|Password)",
        "final",
        "{server} asks for a login, and there is none",
        "name the variables that hold the login, or let a credential helper of git know it",
    ),
    (
        r"Authentication failed|returned error: 401|Invalid username or password|HTTP Basic: Access denied",
        "final",
        "{server} does not take the login (401)",
        "see whether the token has run out, and belongs to this server",
    ),
    (
        r"returned error: 403|Permission to .* denied|You are not allowed to|insufficient permission",
        "final",
        "the login may not do this at {server} (403)",
        "give it the right to read and to push `{branch}` of this repository",
    ),
    (
        r"Permission denied \((publickey|password|keyboard)",
        "final",
        "{server} takes none of the ssh keys",
        "load the right key (`ssh-add`), and register it at the server",
    ),
    (
        r"Host key verification failed",
        "final",
        "ssh does not know the host key of {server}",
        "compare the key, and add it to ~/.ssh/known_hosts",
    ),
    (
        r"repository '.*' not found|Repository not found|returned error: 404|does not appear to be a git repository"
        r"|The project you were looking for could not be found|repository .* does not exist",
        "final",
        "there is no repository at {url}, or the login may not see it",
        "look at the URL and at the rights of the login",
    ),
    (
        r"certificate has expired",
        "final",
        "the certificate of {server} has expired",
        "whoever runs the server has to renew it",
    ),
    (
        r"SSL certificate problem|certificate verification failed|certificate verify failed|self[- ]signed certificate"
        r"|no alternative certificate subject name|issuer is unknown",
        "final",
        "the certificate of {server} is not to be trusted, as far as git knows",
        "name the file of its CA: `git config --global http.sslCAInfo FILE`, or GIT_SSL_CAINFO",
    ),
    (
        r"Could not resolve host|Name or service not known|Temporary failure in name resolution",
        "away",
        "the name of {server} is not known here",
        "look at the URL, and at the network and DNS of this machine",
    ),
    (
        r"Operation too slow|Operation timed out|[Cc]onnection timed out|Timeout, server|timed out",
        "away",
        "{server} does not answer in time",
        "see whether it runs, and whether this machine reaches it",
    ),
    (
        r"Failed to connect|Couldn't connect|Connection refused|No route to host|Network is unreachable"
        r"|Could not connect|could not connect",
        "away",
        "{server} cannot be reached",
        "see whether it runs, and whether this machine reaches it",
    ),
    (
        r"returned error: (429|5\d\d)",
        "away",
        "{server} answers with an error of its own ({code})",
        "try again later",
    ),
    (
        r"returned error: 413|HTTP (code = )?413\b",
        "final",
        "{server} takes no push of this size (413)",
        "whoever runs the server has to allow more (nginx before it: client_max_body_size), or large files have to go",
    ),
    (
        r"RPC failed|hung up|early EOF|Connection reset|Empty reply|unexpected disconnect|Recv failure|Broken pipe"
        r"|invalid index-pack output|bad pack header|expected flush|Connection closed|transfer closed",
        "away",
        "the connection to {server} broke off",
        "try again",
    ),
    (
        r"invalid refspec|invalid branch name",
        "final",
        "`{branch}` is no name of a branch",
        "name the branch as `git branch` lists it",
    ),
)


def refusal(said: tuple[str, ...], url: str, branch: str) -> Refusal:
    """What the last lines of git's output come to; `detail` is what of it is worth showing."""
    text = "\n".join(said)
    detail = tuple(line for line in map(str.rstrip, said) if _WORTH.search(line) and not _PROGRESS.search(line))
    code = re.search(r"returned error: (\d+)", text)
    reason = re.search(r"\[(?:remote )?rejected\] \((.*)\)", text)
    facts = {
        "server": server(url),
        "url": url,
        "branch": branch,
        "code": code[1] if code else "",
        "reason": reason[1] if reason else "it says why below",
    }
    for pattern, kind, message, hint in _TABLE:
        if re.search(pattern, text):
            return Refusal(kind, message.format(**facts), hint.format(**facts), detail)
    return Refusal("broken", f"git failed at {server(url)}", "what it says below should tell why", detail or said)


def server(url: str) -> str:
    """The server's name as people know it; of a local repository its path."""
    if found := re.match(r"\w+://(?:[^/@]*@)?([^/]+)", url) or re.match(r"(?:[^/@:]*@)?([^/:]+):", url):
        return found[1]
    return url


_WORTH = re.compile(r"^(remote: |fatal: |error: |ssh: |ERROR: |!\t)")
_PROGRESS = re.compile(r"^remote: *$|^remote: (Enumerating|Counting|Compressing|Resolving|Total|Processing) ")
