"""What was judged of a revision: one ConfigMap a revision, owned by helm's Secret of it, so that helm prunes both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.cluster import Cluster, Forbidden, NotFound, path
from deployer.health.verdict import Verdict
from deployer.model import Image, Revision

RELEASE, REVISION, VERDICT = "deploy/release", "deploy/revision", "deploy/verdict"


def write(
    cluster: Cluster, namespace: str, release: str, revision: int, verdict: Verdict, *, cause: str, image: Image | None
) -> None:
    """Put a verdict on record. Nothing secret: the image and the cause are what the pods say of themselves."""
    secret = cluster.get(path("Secret", namespace, f"sh.helm.release.v1.{release}.v{revision}"))
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
                    VERDICT: str(verdict),
                },
            },
            "data": {"verdict": str(verdict), "cause": cause, "image": image.reference if image else ""},
        },
    )


def read(cluster: Cluster, namespace: str, release: str) -> Mapping[int, str]:
    """The verdict of each revision that has one: one list. Without the right to it nothing is on record."""
    try:
        items, _ = cluster.list(path("ConfigMap", namespace), label_selector=f"{RELEASE}={release}")
    except (Forbidden, NotFound):
        return {}
    labels = [item["metadata"]["labels"] for item in items]
    return {int(one[REVISION]): one[VERDICT] for one in labels}


def judged(history: Sequence[Revision], verdicts: Mapping[int, str]) -> tuple[Revision, ...]:
    """The history with the verdicts on record."""
    return tuple(replace(revision, verdict=verdicts.get(revision.number)) for revision in history)
