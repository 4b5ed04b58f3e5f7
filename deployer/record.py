"""What was judged of a revision: one ConfigMap a revision, owned by helm's Secret of it, so that helm prunes both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from deployer import storage
from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.model import Record, Revision

RELEASE, REVISION, VERDICT = "deploy/release", "deploy/revision", "deploy/verdict"


def write(cluster: Cluster, namespace: str, release: str, revision: int, record: Record) -> None:
    """Put a verdict and its facts on record, a key a fact; helm's Secret of the revision must exist."""
    secret = cluster.get(path("Secret", namespace, storage.secret(release, revision)))
    name = f"deploy.{release}.v{revision}"
    owner = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": secret["metadata"]["name"],
        "uid": secret["metadata"]["uid"],
    }
    cluster.apply(
        path("ConfigMap", namespace, name),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "ownerReferences": [owner],
                "labels": {
                    "app.kubernetes.io/managed-by": "deploy",
                    RELEASE: release,
                    REVISION: str(revision),
                    VERDICT: record.verdict,
                },
            },
            "data": {
                key: value if isinstance(value, str) else json.dumps(value) for key, value in asdict(record).items()
            },
        },
    )


def read(cluster: Cluster, namespace: str, release: str) -> Mapping[int, Record]:
    """The record of each revision that has one: one list. Without the right to it nothing is on record."""
    try:
        items, _ = cluster.list(path("ConfigMap", namespace), label_selector=f"{RELEASE}={release}")
    except (Forbidden, NotFound):
        return {}
    return {int(item["metadata"]["labels"][REVISION]): _record(item) for item in items}


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
