"""Fetch what a diagnosis asks for, while the failed pods still exist."""

import base64
import bisect
import dataclasses
import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from deployer.cluster import Cluster, ClusterError, Forbidden, path
from deployer.health import diagnosis
from deployer.health.diagnosis import Diagnosis, LogQuestion
from deployer.health.verdict import Judgement, Object, Snapshot

HIDDEN = (8, 4096)
"""Characters of a text in a Secret that is worth hiding, and that can be hidden in no time."""

MOST = 32_768
"""Characters of all these together: a second or two to learn."""

WORTH = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"
"""Not what helm keeps for itself, up to a megabyte each; nor tokens as long as that, which no pod has had for years."""

BASIC, BOOTSTRAP = "kubernetes.io/basic-auth", "bootstrap.kubernetes.io/token"

PATIENCE = 5.0
"""Seconds for all questions together: a diagnosis must not hold a rollback up."""


@dataclass(frozen=True)
class Log:
    """The end of a log, and of which run it is."""

    question: LogQuestion
    text: str


@dataclass(frozen=True)
class Events:
    """What happened to one object."""

    items: tuple[Object, ...]


Answer = Log | Events | ClusterError | None
"""None: it did not come in time."""


def collect(
    cluster: Cluster,
    namespace: str,
    judgement: Judgement,
    snapshot: Snapshot,
    *,
    since: float,
    patience: float = PATIENCE,
) -> Diagnosis:
    """The diagnosis of a judgement, with events and logs. What cannot be had is named in it, and never an error."""
    asked = diagnosis.questions(judgement, snapshot)
    logs: dict[LogQuestion, str] = {}
    events: list[Object] = []
    missing: dict[str, None] = {}
    deeds = [partial(_log, cluster, namespace, question) for question in asked.logs]
    deeds += [partial(_events, cluster, namespace, uid) for uid in asked.uids]
    for number, answer in enumerate(_side_by_side(deeds, patience)):
        what = "logs" if number < len(asked.logs) else "events"
        match answer:
            case Log(question, text):
                logs[question] = text
            case Events(items):
                events += items
            case Forbidden():
                missing[f"no permission to read {what}"] = None
            case ClusterError():
                missing[f"{what}: {answer.message}"] = None
            case None:
                missing[f"{what} did not come within {patience:.0f} s"] = None
    return diagnosis.diagnose(judgement, snapshot, since=since, events=events, logs=logs, missing=tuple(missing))


@dataclass(frozen=True)
class Held:
    """Texts out of a namespace's Secrets."""

    texts: tuple[str, ...] = ()
    left: int = 0  # how many more there are than can be hidden in no time

    @property
    def warning(self) -> str | None:
        """What is not hidden, if anything is not."""
        many = f"{self.left} long text{'s' * (self.left > 1)} of the namespace's Secrets"
        return f"{many} {'are' if self.left > 1 else 'is'} too much to hide: see docs/secrets.md" if self.left else None


def secrets(cluster: Cluster, namespace: str, labels: str | None = None) -> Held:
    """What the namespace's Secrets hold: who has no profile, or an old revision before him, has to hide that.

    Texts of 8 to 4096 characters, the shortest first, up to `MOST` characters of them; nothing where Secrets may not
    be read.
    """
    try:
        items, _ = cluster.list(path("Secret", namespace), label_selector=labels, field_selector=WORTH)
    except ClusterError:
        return Held()
    found = {text for item in items for text in _texts(item) if HIDDEN[0] <= len(text) <= HIDDEN[1]}
    texts = sorted(found, key=lambda text: (len(text), text))
    ends = list(itertools.accumulate(map(len, texts)))
    fit = bisect.bisect_right(ends, MOST)
    return Held(tuple(texts[:fit]), len(texts) - fit)


def _texts(item: Object) -> Iterator[str]:
    """The values of a Secret that are secret."""
    kind, data = item.get("type"), item.get("data") or {}
    for key, value in data.items():
        if (kind == BOOTSTRAP and key != "token-secret") or (kind == BASIC and key == "username"):
            continue
        try:
            text = base64.b64decode(value).decode()
        except ValueError:  # no text
            continue
        if key in (".dockerconfigjson", ".dockercfg"):
            yield from _logins(text)
        elif "-----BEGIN CERTIFICATE" not in text or "PRIVATE KEY-----" in text:
            yield text


def _logins(text: str) -> Iterator[str]:
    """The passwords and tokens of a docker configuration; it says who logs in where, too, which is no secret."""
    try:
        data = json.loads(text)
        logins = list(data.get("auths", data).values())
        for login in logins:
            yield from (login[key] for key in ("password", "identitytoken", "registrytoken") if login.get(key))
            with suppress(ValueError):  # no base64
                yield base64.b64decode(login.get("auth") or "").decode().partition(":")[2]
    except (ValueError, AttributeError, TypeError):  # no docker configuration
        yield text


def _log(cluster: Cluster, namespace: str, question: LogQuestion) -> Answer:
    """The log asked for; where it is empty or there is no such run, that of the other run."""
    silent: Answer = None
    for one in (question, dataclasses.replace(question, previous=not question.previous)):
        try:
            text = cluster.logs(namespace, one.pod, one.container, previous=one.previous, tail_lines=diagnosis.LINES)
        except ClusterError as error:
            if error.status != 400:  # it has not started, or has had no run before this one
                return error
            silent = silent or error
        else:
            if text.strip():
                return Log(one, text)
            silent = Log(one, "")
    return silent


def _events(cluster: Cluster, namespace: str, uid: str) -> Answer:
    try:
        return Events(cluster.list(path("Event", namespace), field_selector=f"involvedObject.uid={uid}")[0])
    except ClusterError as error:
        return error


def _side_by_side(deeds: Sequence[Callable[[], Answer]], patience: float) -> list[Answer]:
    """The answers, in order. Nobody waits for a late one, not even the end of the program: hence no thread pool."""
    inbox: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()

    def run(number: int, deed: Callable[[], Answer]) -> None:
        inbox.put((number, deed()))

    for number, deed in enumerate(deeds):
        threading.Thread(target=run, args=(number, deed), name="evidence", daemon=True).start()
    answers: list[Answer] = [None] * len(deeds)
    until = time.monotonic() + patience
    for _ in deeds:
        try:
            number, answer = inbox.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        answers[number] = answer
    return answers
