"""Why an image does not come: rows 15 to 19."""

import re
from collections.abc import Sequence

from deployer.health.limits import Limits
from deployer.health.verdict import Object

PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImagePullBackOff")

_TRANSIENT = re.compile(
    r"connection refused|connection reset|i/o timeout|timed? ?out|deadline exceeded|no such host|temporary failure"
    r"|toomanyrequests|too many requests|\b429\b|status: 5\d\d|status code 5\d\d|\b50[0234]\b|\bEOF\b|TLS handshake"
    r"|server misbehaving|no route to host|network is unreachable",
    re.IGNORECASE,
)
_ABSENT = re.compile(r"not found|manifest unknown|name unknown|does not exist|no match for platform", re.IGNORECASE)
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|no basic auth|forbidden|\b40[13]\b|x509|certificate"
    r"|insufficient_scope",
    re.IGNORECASE,
)
_URL_SECRET = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]*")


def clean(text: str) -> str:
    """A message without what registries put into it: tokens in query strings, account names of rate limits."""
    text = _URL_SECRET.sub(r"\1?…", text)
    return re.sub(r"(as|account) '[^']+': .*token.*", r"\1 …", text)


def why(text: str) -> str | None:
    """absent, denied or transient; None where the text does not say."""
    if _TRANSIENT.search(text):
        return "transient"
    if _ABSENT.search(text):
        return "absent"
    if _DENIED.search(text):
        return "denied"
    return None


def secret_unseen(events: Sequence[Object]) -> bool:
    """The kubelet pulled without the pull secret, since it had not seen it yet (event FailedToRetrieveImagePullSecret).

    Seen on a cluster: a pod bound right after its Secret was made is pulled for anonymously; the next try has it.
    """
    return any(event.get("reason") == "FailedToRetrieveImagePullSecret" for event in events)


def grace(kind: str | None, limits: Limits) -> float:
    """How long a failing pull may go on."""
    if kind is None:
        return limits.image_pull_unknown
    return limits.image_pull_transient if kind == "transient" else limits.image_pull
