"""`deploy build` in one job, `deploy up --image` in another, on the lab."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Project

pytestmark = pytest.mark.lab


def test_what_one_job_builds_another_deploys_without_docker(project: Project) -> None:
    file = project.folder.parent / "image.json"
    # A tag of the test's own: the registry is shared.
    building = replace(project, environ={**project.environ, "DEPLOY_KUBECONFIG": "/nowhere"})
    left = {name: file.with_name(name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://ci.example",
        "GITHUB_REPOSITORY": "shop/web",
        "GITHUB_RUN_ID": "7",
        **{name: str(one) for name, one in left.items()},
    }
    build = ("build", "--env", "dev", "--tag", project.namespace, "--out", str(file), "-o", "json")
    first = building.deploy(*build, "--verbose", environ=github)
    assert first.code == 0, first
    lines = first.err.splitlines()
    assert lines.index("::group::build: output of the program") < lines.index("::endgroup::"), first
    assert first.json["changed"] is True
    assert [stage["name"] for stage in first.json["stages"]] == ["build", "push"]
    built = first.json["build"]
    assert built["built"] is True
    assert built["job"] == "https://ci.example/shop/web/actions/runs/7"
    outputs = f"image={built['image']}\ndigest={built['digest']}\nrevision=\nurl=\noutcome=ok\n"
    assert left["GITHUB_OUTPUT"].read_text() == outputs
    assert f"| image | `{built['image']}` |" in left["GITHUB_STEP_SUMMARY"].read_text()
    assert built["sha"] == project.git("rev-parse", "HEAD").strip()
    assert json.loads(file.read_text())["build"] == built
    assert stat.S_IMODE(file.stat().st_mode) == 0o644

    docker = {"DOCKER_HOST": "unix:///nowhere"}
    again = building.deploy(*build, environ=docker)
    assert again.code == 0, again
    assert (again.json["changed"], again.json["stages"]) == (False, [])
    assert again.json["build"] == {**built, "built": False, "job": ""}

    project.git("commit", "-q", "--allow-empty", "-m", "Another")
    plan = ("plan", "--env", "dev", "--image", str(file))
    summary = file.with_name("plan.md")
    planned = project.deploy(*plan, "-o", "markdown", "--summary", str(summary), environ=docker)
    assert planned.code == 11, planned
    assert built["digest"] in planned.out
    assert summary.read_text() == planned.out
    assert project.deploy(*plan, "--tag", "other").code == 2
    dotenv = file.with_name("deploy.env")
    up = ("up", "--env", "dev", "--image", str(file), "-o", "json")
    done = project.deploy(*up, "--dotenv", str(dotenv), environ=docker)
    assert done.code == 0, done
    facts = ("DEPLOYED_IMAGE=" + built["image"], "DEPLOYED_DIGEST=" + built["digest"])
    assert dotenv.read_text().splitlines() == [*facts, "DEPLOYED_REVISION=1", "DEPLOYED_URL=", "DEPLOYED_OUTCOME=ok"]
    assert done.json["image"]["reference"] == built["image"]
    assert {stage["name"] for stage in done.json["stages"]} == {"release", "rollout"}
    assert f"it was built of commit {built['sha'][:12]}" in done.err
    record = project.deploy("history", "--env", "dev", "-o", "json").json["revisions"][-1]["record"]
    assert (record["sha"], record["image"]) == (built["sha"], built["image"])
    same = project.deploy(*up, environ=docker)
    assert same.code == 0, same
    assert same.json["changed"] is False


def test_a_report_that_does_not_fit_is_refused(fault: Project) -> None:
    file = fault.folder.parent / "image.json"
    known = fault.deploy("build", "--env", "dev", "--tag", "v1", "--out", str(file), "-o", "json")
    assert known.code == 0, known
    assert known.json["build"]["built"] is False
    up = ("up", "--env", "dev", "--image", str(file))

    both = fault.deploy(*up, "--tag", "v2")
    assert both.code == 2, both
    lost = _changed(file, digest="sha256:" + "0" * 64)
    gone = fault.deploy(*up[:-1], str(lost), "-o", "json")
    assert gone.code == 3, gone
    assert "does not have" in gone.json["message"]
    fault.profile("dev", image={"repository": "another"})
    other = fault.deploy(*up)
    assert other.code == 3, other
    assert "this environment's image.repository is another" in other.err
    assert fault.objects("deployments") == []


def test_a_build_that_fails_leaves_no_report(project: Project) -> None:
    file = project.folder.parent / "image.json"
    (project.folder / "service" / "Dockerfile").write_text("FROM scratch\nCOPY nothing /nothing\n")
    failed = project.deploy("build", "--env", "dev", "--out", str(file), "-o", "json")
    assert failed.code == 4, failed
    assert "build" not in failed.json
    assert not file.exists()
    nowhere = project.deploy("build", "--env", "dev", "--out", str(file / "image.json"))
    assert nowhere.code == 2, nowhere


def _changed(file: Path, **said: str) -> Path:
    document = json.loads(file.read_text())
    document["build"] |= said
    one = document["build"]
    one["image"] = f"{one['registry']}/{one['repository']}:{one['tag']}@{one['digest']}"
    other = file.with_name("changed.json")
    other.write_text(json.dumps(document))
    return other
