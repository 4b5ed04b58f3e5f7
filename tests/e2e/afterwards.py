"""What is left of a run, and that the next one converges."""

import subprocess

from conftest import Deployed, Project
from processes import CI


def ended(process: "subprocess.Popen[str]") -> Deployed:
    """How a job ended that was started."""
    out, err = process.communicate(timeout=400)
    assert "Traceback" not in out + err, err
    return Deployed(process.returncode, out, err)


def history(project: Project) -> list[str]:
    """helm's word for each revision, oldest first."""
    labels = [item["metadata"].get("labels", {}) for item in project.objects("secrets")]
    helms = [one for one in labels if one.get("owner") == "helm"]
    return [one["status"] for one in sorted(helms, key=lambda one: int(one["version"]))]


def untouched(project: Project) -> None:
    """Nothing was released."""
    assert history(project) == []
    assert project.objects("deployments") == []


def converges(project: Project, *argv: str) -> Deployed:
    """The next `up` ends well, with one deployed revision, none pending, and no lease."""
    done = project.deploy(*argv, environ=CI)
    assert done.code == 0, done
    found = history(project)
    assert found[-1] == "deployed", found
    assert set(found[:-1]) <= {"superseded", "failed"}, found
    assert project.objects("leases") == []
    (deployment,) = project.objects("deployments")
    assert deployment["status"].get("readyReplicas") == 2, deployment["status"]
    return done
