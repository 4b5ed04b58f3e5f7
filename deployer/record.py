"""What was judged of a revision: one ConfigMap a revision, owned by helm's Secret of it, so that helm prunes both.

Where Argo CD delivers there is no such Secret: a record names its commit, and old ones are removed by us.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from deployer import storage
from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.model import Record, Revision

RELEASE, REVISION, VERDICT, COMMIT = "deploy/release", "deploy/revision", "deploy/verdict", "deploy/commit"


def write(cluster: Cluster, namespace: str, release: str, revision: int, record: Record) -> None:
    """Put a verdict and its facts on record, a key a fact; helm's Secret of the revision must exist."""
    secret = cluster.get(path("Secret", namespace, storage.secret(release, revision)))
    owner = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": secret["metadata"]["name"],
        "uid": secret["metadata"]["uid"],
    }
    _apply(cluster, namespace, f"deploy.{release}.v{revision}", release, revision, record, [owner])


def write_committed(cluster: Cluster, namespace: str, release: str, revision: int, record: Record, most: int) -> None:
    """Put a verdict over a commit (`record.commit`) on record, and forget all but the newest `most`."""
    _apply(cluster, namespace, f"deploy.{release}.{record.commit[:12]}", release, revision, record, [])
    items, _ = cluster.list(path("ConfigMap", namespace), label_selector=f"{RELEASE}={release},{COMMIT}")
    for item in sorted(items, key=_number)[:-most]:
        try:
            cluster.delete(path("ConfigMap", namespace, item["metadata"]["name"]))
        except NotFound:  # another run was faster
            continue


def _apply(
    cluster: Cluster,
    namespace: str,
    name: str,
    release: str,
    revision: int,
    record: Record,
    owners: Sequence[Mapping[str, str]],
) -> None:
    cluster.apply(
        path("ConfigMap", namespace, name),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "ownerReferences": owners,
                "labels": {
                    "app.kubernetes.io/managed-by": "deploy",
                    RELEASE: release,
                    REVISION: str(revision),
                    VERDICT: record.verdict,
                    **({COMMIT: record.commit} if record.commit else {}),
                },
            },
            "data": {
                key: value if isinstance(value, str) else json.dumps(value) for key, value in asdict(record).items()
            },
        },
    )


def read(cluster: Cluster, namespace: str, release: str) -> Mapping[int, Record]:
    """The record of each revision of helm's that has one: one list. Without the right to it nothing is on record."""
    return {_number(item): _record(item) for item in _items(cluster, namespace, f"{RELEASE}={release},!{COMMIT}")}


def read_committed(cluster: Cluster, namespace: str, release: str) -> Mapping[str, Record]:
    """The same of each commit: the record of another one is of no revision, whatever its number."""
    found = map(_record, _items(cluster, namespace, f"{RELEASE}={release},{COMMIT}"))
    return {one.commit: one for one in found}


def read_numbered(cluster: Cluster, namespace: str, release: str) -> Mapping[int, Record]:
    """The same by the numbers that the commits had when they were judged: a history that was rewritten has others."""
    return {_number(item): _record(item) for item in _items(cluster, namespace, f"{RELEASE}={release},{COMMIT}")}


def _items(cluster: Cluster, namespace: str, labels: str) -> Iterable[Mapping[str, Any]]:
    try:
        items, _ = cluster.list(path("ConfigMap", namespace), label_selector=labels)
    except (Forbidden, NotFound):
        return ()
    return items


def _number(item: Mapping[str, Any]) -> int:
    return int(item["metadata"]["labels"][REVISION])


def _record(item: Mapping[str, Any]) -> Record:
    """Of whatever version of ours wrote it: facts that it does not know, or that we do not know, are left out."""
    data = item.get("data") or {}
    known: dict[str, Any] = {one.name: data[one.name] for one in fields(Record) if one.name in data}
    for name, kind in (("seconds", float), ("overrides", dict), ("secrets", tuple)):
        try:
            known[name] = kind(json.loads(known[name]))
        except (KeyError, TypeError, ValueError):
            known.pop(name, None)
    return Record(**{**known, "verdict": item["metadata"]["labels"][VERDICT]})


def judged(history: Sequence[Revision], records: Mapping[int, Record]) -> tuple[Revision, ...]:
    """The history with what is on record of each revision."""
    return tuple(
        replace(revision, verdict=record.verdict, record=record)
        if (record := records.get(revision.number))
        else revision
        for revision in history
    )
