"""Why an image does not come: rows 15 to 19."""

import re
from collections.abc import Sequence

from deployer.health.limits import Limits
from deployer.health.objects import happened, times
from deployer.health.verdict import Object

PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImagePullBackOff")

_TRANSIENT = re.compile(
    r"connection refused|connection reset|i/o timeout|timed? ?out|deadline exceeded|no such host|temporary failure"
    r"|toomanyrequests|too many requests|\b429\b|status: 5\d\d|status code 5\d\d|\b50[0234]\b|\bEOF\b|TLS handshake"
    r"|server misbehaving|no route to host|network is unreachable",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"no match for platform|no matching manifest for", re.IGNORECASE)
_ABSENT = re.compile(rf"not found|manifest unknown|name unknown|does not exist|{_FOREIGN.pattern}", re.IGNORECASE)
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|no basic auth|forbidden|\b40[13]\b|x509|certificate"
    r"|insufficient_scope",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"access denied|may require authori[sz]ation|insufficient_scope", re.IGNORECASE)
"""A registry that does not tell strangers what it has says that too is "not found"."""

_NAMES = re.compile(r'"[^"]*"|https?://\S+')
_USERINFO = re.compile(r"(https?://)[^/\s\"@]+@")
_URL_SECRET = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]*")


def clean(text: str) -> str:
    """A message without what registries put into it: tokens in query strings, account names of rate limits."""
    text = _URL_SECRET.sub(r"\1?…", text)
    text = _USERINFO.sub(r"\1…@", text)
    return re.sub(r"(as|account) '[^']+'(: \S*token\S*?(?=[:\s]|$))?", r"\1 …", text)


def why(text: str, image: str) -> str | None:
    """absent, denied or transient; None where the text does not say. What the image is called says nothing."""
    text = _NAMES.sub("", text).replace(image, "").replace(image.partition("@")[0], "")
    if _TRANSIENT.search(text):
        return "transient"
    if _HIDDEN.search(text):
        return "denied"
    if _ABSENT.search(text):
        return "absent"
    if _DENIED.search(text):
        return "denied"
    return None


def foreign(text: str) -> bool:
    """The registry has the image, but for other platforms than the node's."""
    return bool(_FOREIGN.search(text))


def told(events: Sequence[Object], image: str) -> str | None:
    """The text of a failed pull from the pod's events: before Kubernetes 1.32 the status soon loses it."""
    failed = [event for event in events if event.get("reason") == "Failed"]
    newest = sorted(failed, key=lambda event: (happened(event), str(event.get("message"))), reverse=True)
    texts = [str(event.get("message") or "") for event in newest]
    return next(
        (text for text in texts if text.startswith("Failed to pull image") and image in text and why(text, image)), None
    )


def secret_unseen(events: Sequence[Object]) -> bool:
    """Every pull so far was without the pull secret, which the kubelet had not seen yet.

    Seen on a cluster: the first pod that needs a Secret on a node is pulled for anonymously (event
    FailedToRetrieveImagePullSecret), and the next try has it.
    """
    blind = sum(times(event) for event in events if event.get("reason") == "FailedToRetrieveImagePullSecret")
    failed = sum(
        times(event)
        for event in events
        if event.get("reason") == "Failed" and str(event.get("message", "")).startswith("Failed to pull image")
    )
    return blind > 0 and failed <= 1


def grace(kind: str | None, limits: Limits) -> float:
    """How long a failing pull may go on."""
    if kind is None:
        return limits.image_pull_unknown
    return limits.image_pull_transient if kind == "transient" else limits.image_pull
