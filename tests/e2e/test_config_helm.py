"""`deploy config check` with the real helm."""

import pytest
from conftest import Project

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("program", ["helm", "helm3"])
def test_what_is_shipped_has_no_problem(project: Project, program: str) -> None:
    project.environ["DEPLOY_HELM"] = program
    done = project.deploy("config", "check")
    assert done.code == 0, done
    assert done.out.splitlines()[-1].startswith("ok: dev, prod, test")


@pytest.mark.parametrize("program", ["helm", "helm3"])
def test_what_the_chart_does_not_take_has_its_place(project: Project, program: str) -> None:
    project.environ["DEPLOY_HELM"] = program
    with open(project.folder / "environments/dev.yaml", "a") as file:
        file.write("  containerPort: http\n  replcaCount: 3\n  redis: {pasword: x}\n")
    lines = len((project.folder / "environments/dev.yaml").read_text().splitlines())
    done = project.deploy("config", "check", "--env", "dev", "-o", "json")
    assert done.code == 2, done
    problems = {(one["place"], one["message"]) for one in done.json["findings"] if one["severity"] == "problem"}
    place = "environments/dev.yaml"
    assert (f"{place}:{lines - 2}", "values.containerPort: got string, want integer") in problems
    unread = "nothing in the chart reads it"
    assert (f"{place}:{lines - 1}", f"values.replcaCount: {unread}; did you mean `replicaCount`?") in problems
    assert any(message.startswith(f"values.redis.pasword: {unread}") for _, message in problems), problems
    assert len([message for _, message in problems if "replcaCount" in message]) == 1


def test_a_template_that_fails_is_told(project: Project) -> None:
    file = project.folder / "chart/templates/service.yaml"
    file.write_text('{{ fail "no service today" }}\n' + file.read_text())
    done = project.deploy("config", "check", "--env", "dev")
    assert done.code == 2, done
    assert "✗ chart: does not render: " in done.out
    assert "no service today" in done.out


def test_the_values_of_each_target_are_rendered_too(project: Project) -> None:
    project.profile(
        "dev",
        targets=[
            {"name": "good", "namespace": "a", "values": {"replicaCount": 2}},
            {"name": "wrong", "namespace": "b", "values": {"replicaCount": "many"}},
        ],
    )
    done = project.deploy("config", "check", "--env", "dev")
    assert done.code == 2, done
    assert "target wrong: values.replicaCount" in done.out, done
    assert "target good" not in done.out
