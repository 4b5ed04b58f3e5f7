"""Argo CD's Application against a commit of ours: seen, synced, refused, or nothing known yet. Pure.

What an Application says of another commit is never taken for ours. Sources are Argo CD 3.2's
controller/appcontroller.go (autoSync, refreshAppConditions, persistAppStatus) and controller/sync.go (SyncAppState).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

REFRESH = "argocd.argoproj.io/refresh"
"""The annotation that asks for a comparison with the newest commit. Its removal says that one was made."""

State = Literal["waiting", "synced", "failed", "refused", "lost", "closed", "start", "end"]
"""failed: our commit cannot be delivered, whoever tries · refused: the Application may not, with any commit ·
lost: the branch has gone on without our commit · closed: a sync window is · start: a sync has to be asked for ·
end: a sync that is in the way has to be ended.
"""

SILENT = 90.0
"""Seconds without an answer to a refresh after which Argo CD is taken to be down. On a good day it is one."""

UNSEEN = 45.0
"""Seconds in which a comparison that was asked for should know our commit."""

IDLE = 45.0
"""Seconds in which an automated sync should begin."""

TROUBLE = 60.0
"""Seconds for which Argo CD may have trouble with the repository or the cluster that is not our commit's fault."""

UNRENDERED = re.compile(
    r"helm template|app path does not exist|[Uu]nmarshal|values don't meet|execution error at|parse error"
    r"|error calling|[Nn]o such file or directory"
)
"""What a ComparisonError says where the commit is at fault: the chart does not render with its values.

All else (a login, a network, a repo server that is away) may be over in a moment.
"""

CUT_OFF = re.compile(r"failed timeout|signal: killed|[Dd]eadline ?[Ee]xceeded")
"""What it says where helm was not given the time, or the memory: that may be over in a moment too."""

UNAPPLIED = re.compile(r"is invalid: |field is immutable|denied the request|is forbidden: User")
"""What a sync says that the API server has refused: Argo CD tries it five times more, and it is refused five times."""

CLOSED = "blocked by sync window"


@dataclass(frozen=True)
class Wanted:
    """What is waited for."""

    sha: str  # of our commit
    path: str  # of the source in the configuration repository that it is in
    since: float  # seconds since 1970, by Argo CD's clock, from before our commit: what ended earlier is no news
    contains: Callable[[str, str], bool]  # whether a commit has another one in its history
    running: Literal["awaited", "ended"] = "awaited"  # what becomes of a sync to an older commit that runs


@dataclass(frozen=True)
class Seen:
    """What an Application says of our commit."""

    state: State
    words: str
    patience: float | None = None  # seconds after which it is doubtful that more comes; None: the deadline tells
    notes: tuple[str, ...] = ()
    idle: bool = False  # it knows our commit, and does not begin
    nameless: bool = False  # our commit does not stand beside it: it may be said of another one


def judge(item: Mapping[str, Any], wanted: Wanted) -> Seen:
    """What the object says of our commit, read after a refresh was asked for."""
    status = item.get("status") or {}
    compared = revision(item, wanted.path)
    state = status.get("operationState") or {}
    running = bool(item.get("operation")) or state.get("phase") in ("Running", "Terminating")
    if REFRESH in (item["metadata"].get("annotations") or {}):
        return Seen("waiting", "Argo CD has not looked at the repository yet", SILENT)
    if refused := _condition(status, "InvalidSpecError", "UnknownError"):
        return Seen("refused", refused)
    if not compared or (status.get("sync") or {}).get("status") == "Unknown":
        said = _condition(status, "ComparisonError") or "Argo CD could not compare the commit with the cluster"
        if UNRENDERED.search(said) and not CUT_OFF.search(said):
            return Seen("failed", said, nameless=compared != wanted.sha)
        return Seen("waiting", said, TROUBLE)
    if not _has(wanted, compared):
        if wanted.contains(wanted.sha, compared):
            return Seen("waiting", f"Argo CD still sees commit {compared[:12]}", UNSEEN)
        return Seen(
            "lost",
            f"the branch is at {compared[:12]}, and commit {wanted.sha[:12]} is not in its history: it was rewritten",
        )
    if running:
        return _running(state, wanted)
    return _still(item, status, state, wanted)


def revision(item: Mapping[str, Any], path: str) -> str:
    """The commit that the Application was compared with last, of the source with our path; empty: none."""
    sync = (item.get("status") or {}).get("sync") or {}
    return _of_source(item, path, sync.get("revision"), sync.get("revisions"))


@dataclass(frozen=True)
class Delivered:
    """An Application as it is."""

    name: str
    namespace: str
    sync: str  # Argo CD's word: Synced, OutOfSync, Unknown; empty where there is no Application
    health: str  # likewise: Healthy, Progressing, Degraded, Suspended, Missing, Unknown
    compared: str  # the commit that it was compared with last
    commit: str  # the newest one of this release
    current: bool  # whether it was compared with that, or with one that has it in its history
    said: tuple[str, ...] = ()  # conditions that keep it from being synced, and how the last sync went wrong


def delivered(item: Mapping[str, Any], wanted: Wanted) -> Delivered:
    """What an Application says of itself; `wanted`: the newest commit of the release."""
    status, metadata = item.get("status") or {}, item["metadata"]
    compared, state = revision(item, wanted.path), status.get("operationState") or {}
    kinds = ("InvalidSpecError", "UnknownError", "ComparisonError", "SyncError")
    said = [_condition(status, kind) for kind in kinds]
    if state.get("phase") in ("Failed", "Error"):
        said.append(f"the last sync failed: {state.get('message', '')}")
    return Delivered(
        name=str(metadata.get("name", "")),
        namespace=str(metadata.get("namespace", "")),
        sync=str((status.get("sync") or {}).get("status") or "Unknown"),
        health=str((status.get("health") or {}).get("status") or "Unknown"),
        compared=compared,
        commit=wanted.sha,
        current=bool(compared and wanted.sha) and _has(wanted, compared),
        said=tuple(filter(None, said)),
    )


def automated(item: Mapping[str, Any]) -> bool:
    """Whether Argo CD syncs by itself."""
    policy = ((item.get("spec") or {}).get("syncPolicy") or {}).get("automated")
    return policy is not None and policy.get("enabled") is not False


def _of_source(item: Mapping[str, Any], path: str, one: Any, many: Any) -> str:
    """Of each source's commit that of ours; empty: the branch's name stands there, where Argo CD cannot ask for it."""
    sources = (item.get("spec") or {}).get("sources") or ()
    for index, source in enumerate(sources):
        if str(source.get("path", "")).strip("/") == path:
            return _sha(many[index]) if many and index < len(many) else ""
    return _sha(one)


def _sha(found: Any) -> str:
    return found if isinstance(found, str) and re.fullmatch(r"[0-9a-f]{7,64}", found) else ""


def _has(wanted: Wanted, sha: str) -> bool:
    return sha == wanted.sha or wanted.contains(sha, wanted.sha)


def _synced_to(item: Mapping[str, Any], state: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether the last sync was one to our commit."""
    result, asked = state.get("syncResult") or {}, (state.get("operation") or {}).get("sync") or {}
    sha = _of_source(item, wanted.path, result.get("revision"), result.get("revisions"))
    sha = sha or _of_source(item, wanted.path, asked.get("revision"), asked.get("revisions"))
    return bool(sha) and _has(wanted, sha)


def _running(state: Mapping[str, Any], wanted: Wanted) -> Seen:
    """A sync that runs, or is to begin."""
    asked, result = (state.get("operation") or {}).get("sync") or {}, state.get("syncResult") or {}
    shas = [
        sha
        for found in (result.get("revision"), *(result.get("revisions") or ()), asked.get("revision"))
        if (sha := _sha(found))
    ]
    said = str(state.get("message") or "")
    if CLOSED in said:
        return Seen("closed", "a sync window of its project is closed")
    if not shas or any(_has(wanted, sha) for sha in shas):
        if state.get("retryCount") and UNAPPLIED.search(said) and _moment(state.get("startedAt")) >= wanted.since:
            return Seen("failed", said)
        return Seen("waiting", f"syncing: {said}" if said else "syncing")
    if wanted.running == "ended" and state.get("phase") == "Running":
        return Seen("end", f"a sync to {shas[0][:12]} is in the way")
    return Seen("waiting", f"a sync to {shas[0][:12]} is still at work" + (f": {said}" if said else ""))


def _still(item: Mapping[str, Any], status: Mapping[str, Any], state: Mapping[str, Any], wanted: Wanted) -> Seen:
    """Argo CD knows our commit, and no sync runs."""
    ours = _synced_to(item, state, wanted)
    fresh = _moment(state.get("finishedAt")) >= wanted.since
    said = str(state.get("message") or "")
    asked = (state.get("operation") or {}).get("sync") or {}
    whole = not asked.get("resources") and not asked.get("dryRun")
    failed = ours and whole and state.get("phase") in ("Failed", "Error")
    if failed and fresh:
        return Seen("failed", said or "the sync failed")
    # Where only a hook failed, all that is compared is as the commit says.
    if (status.get("sync") or {}).get("status") == "Synced" and not failed:
        return Seen("synced", "synced")
    if ours and fresh and whole and state.get("phase") == "Succeeded":
        # What is out of sync in a comparison from before the sync is no news.
        later = _moment(status.get("reconciledAt")) > _moment(state.get("finishedAt"))
        return Seen("synced", "synced", notes=tuple(_left(status)) if later else ())
    if pruned := _only_pruning(status):
        return Seen("synced", "synced", notes=pruned)
    if not automated(item):
        return Seen("start", "the Application is synced by hand")
    if ours and not fresh:  # Argo CD tries no commit twice by itself
        return Seen("start", "the last sync to this commit is over, and the cluster is not as it says")
    if error := _condition(status, "SyncError"):
        return Seen("waiting", error, IDLE, idle=True)
    return Seen("waiting", "Argo CD has seen the commit, and has not begun to sync it", IDLE, idle=True)


def _left(status: Mapping[str, Any]) -> Iterator[str]:
    """What is not in sync after a sync went well."""
    for one in status.get("resources") or ():
        if one.get("status") == "OutOfSync":
            name = f"{str(one.get('kind', '')).lower()}/{one.get('name', '')}"
            yield (
                f"{name} is left in the cluster: the Application does not prune"
                if one.get("requiresPruning")
                else (f"{name} is not as the commit says, though it was synced: something in the cluster changes it")
            )


def _only_pruning(status: Mapping[str, Any]) -> tuple[str, ...]:
    """What only pruning would bring in sync, where nothing else is out of it; such a commit is never synced."""
    off = [one for one in status.get("resources") or () if one.get("status") == "OutOfSync"]
    return tuple(_left(status)) if off and all(one.get("requiresPruning") for one in off) else ()


def _condition(status: Mapping[str, Any], *kinds: str) -> str:
    found = [str(one.get("message", "")) for one in status.get("conditions") or () if one.get("type") in kinds]
    return "; ".join(dict.fromkeys(filter(None, found)))


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
