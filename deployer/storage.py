"""Helm's own record of a release, read where helm keeps it: one Secret a revision, without a program to start.

Helm 3 and 4 write the same form (`type: helm.sh/release.v1`): `data.release` is JSON, gzipped, in base64, in the
Secret's base64 (helm.sh/helm/pkg/storage/driver/util.go).
"""

import base64
import binascii
import gzip
import json
from dataclasses import dataclass, field

from deployer.cluster import Cluster, Json, path
from deployer.errors import DeployError
from deployer.model import Revision, Values
from deployer.plan import canary


@dataclass(frozen=True)
class Stored:
    """One revision as helm keeps it."""

    revision: Revision
    manifest: str = field(repr=False)  # the objects, without hooks
    values: Values = field(repr=False)  # what was given, without the chart's own


def history(cluster: Cluster, namespace: str, release: str) -> tuple[Stored, ...]:
    """All revisions helm keeps, oldest first; empty where there is no release. One request."""
    secrets, _ = cluster.list(path("Secret", namespace), label_selector=f"owner=helm,name={release}")
    found = [_stored(secret) for secret in secrets if secret.get("type") == "helm.sh/release.v1"]
    return tuple(sorted(found, key=lambda one: one.revision.number))


def secret(release: str, revision: int) -> str:
    """The name of the Secret that holds a revision."""
    return f"sh.helm.release.v1.{release}.v{revision}"


def fail(cluster: Cluster, namespace: str, release: str, revision: int, description: str) -> None:
    """Mark a revision failed, as helm does when it is interrupted; nothing else of it changes."""
    where = path("Secret", namespace, secret(release, revision))
    item = cluster.get(where)
    kept = _unpacked(item)
    kept["info"] |= {"status": "failed", "description": description}
    packed = base64.b64encode(gzip.compress(json.dumps(kept, separators=(",", ":")).encode()))
    item["data"]["release"] = base64.b64encode(packed).decode()
    item["metadata"]["labels"]["status"] = "failed"
    cluster.replace(where, item)


def remove(cluster: Cluster, namespace: str, release: str, revision: int) -> None:
    """Take a revision out of the history, and the record of it that its Secret owns."""
    cluster.delete(path("Secret", namespace, secret(release, revision)))


def _unpacked(secret: Json) -> Json:
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    kept: Json = json.loads(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
    return kept


def _stored(secret: Json) -> Stored:
    try:
        kept = _unpacked(secret)
        info, chart = kept["info"], (kept.get("chart") or {}).get("metadata") or {}
        values = kept.get("config") or {}
        revision = Revision(
            number=int(kept["version"]),
            status=info["status"],
            updated=info.get("last_deployed", ""),
            chart=f"{chart.get('name', '')}-{chart.get('version', '')}",
            description=info.get("description", ""),
            canary=canary.standing(values),
        )
        return Stored(revision, kept.get("manifest", ""), values)
    except (KeyError, TypeError, ValueError, EOFError, gzip.BadGzipFile, binascii.Error):
        name = secret["metadata"]["name"]
        raise DeployError(
            f"Secret {name} is not a revision that helm wrote",
            hint=f"compare with: kubectl get secret {name} --output yaml",
        ) from None
