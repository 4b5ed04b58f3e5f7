"""Ask helm and the API server what a release would change. Dry runs only: nothing is touched."""

from pathlib import Path
from typing import Any

from deployer import release
from deployer.cluster import Cluster
from deployer.cluster.manifest import foresee
from deployer.commands.helm import Helm
from deployer.errors import PreflightError
from deployer.model import Values
from deployer.plan import values as release_values
from deployer.plan.preview import Foreseen, name
from deployer.process import ProgramFailed, Programs
from deployer.values.document import objects


def look(
    programs: Programs, helm: Helm, cluster: Cluster, chart: Path, values: Values, before: list[dict[str, Any]]
) -> tuple[Foreseen, ...]:
    """Each object that the release would have; `before`: those of the released manifest.

    Raises PreflightError where helm would not release it.
    """
    try:
        answer = programs.read(helm.foresee(chart, release_values.text(values)))
    except ProgramFailed as error:
        raise PreflightError("helm would not release the chart", detail=error.detail[-10:]) from None
    _, manifest = release.upgraded(answer)
    known = {name(one): one for one in before}
    return tuple(
        Foreseen(one.wanted, known.get(name(one.wanted)), one.live, one.made, one.problem)
        for one in foresee(cluster, helm.target.namespace, [_owned(helm, item) for item in objects(manifest)])
    )


def _owned(helm: Helm, item: dict[str, Any]) -> dict[str, Any]:
    """The object with what helm writes on all that it applies (helm pkg/action/validate.go)."""
    metadata = item.get("metadata") or {}
    ours = {
        "meta.helm.sh/release-name": helm.release,
        "meta.helm.sh/release-namespace": helm.target.namespace,
    }
    labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    annotations = {**(metadata.get("annotations") or {}), **ours}
    return {**item, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
