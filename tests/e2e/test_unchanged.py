"""What is already as asked for is left as it is."""

import json

import pytest
from conftest import Deployed, Project

pytestmark = pytest.mark.lab

UP = ("up", "--env", "dev", "--tag", "v1", "-o", "json")
NULL = ("--set", "env.NOTHING=null", "--set", "terminationGracePeriodSeconds=20")


def left_alone(done: Deployed, revision: int) -> None:
    """Nothing was released, and that is said."""
    assert done.code == 0, done
    assert done.json["changed"] is False
    assert done.json["release"]["revision"] == revision
    assert f"is unchanged: healthy at revision {revision}" in done.json["message"]
    assert done.json["stages"] == []


def released(done: Deployed, revision: int, because: str) -> None:
    """A revision was made, and it is said why."""
    assert done.code == 0, done
    assert done.json["changed"] is True
    assert done.json["release"]["revision"] == revision
    assert because in done.err


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_nothing_is_released_until_something_changes(fault: Project, helm: str) -> None:
    fault.environ["DEPLOY_HELM"] = helm
    released(fault.deploy(*UP, *NULL), 1, "")
    # Neither helm nor docker is started: there are none.
    without = {"DEPLOY_HELM": "/nowhere/helm", "DOCKER_HOST": "unix:///nowhere"}
    left_alone(fault.deploy(*UP, *NULL, environ=without), 1)
    released(fault.deploy(*UP), 2, "values changed: env.NOTHING, terminationGracePeriodSeconds")
    released(fault.deploy(*UP, "--force"), 3, "forced")
    left_alone(fault.deploy(*UP), 3)
    (fault.folder / "chart" / "templates" / "more.yaml").write_text("# nothing\n")
    released(fault.deploy(*UP), 4, "the chart changed")
    left_alone(fault.deploy(*UP), 4)


def test_what_the_cluster_has_lost_is_put_right(fault: Project) -> None:
    released(fault.deploy(*UP), 1, "")
    fault.kubectl("scale", "deployment/web", "--replicas=1")
    released(fault.deploy(*UP), 2, "deployment/web is not as released: spec.replicas")
    assert fault.objects("deployments")[0]["spec"]["replicas"] == 2
    fault.kubectl("delete", "service", "web")
    released(fault.deploy(*UP), 3, "service/web is not as released: it is gone")
    assert fault.answer().strip() == "v1"


def test_a_bad_chart_is_not_taken_for_what_was_put_back(fault: Project) -> None:
    released(fault.deploy(*UP), 1, "")
    template = fault.folder / "chart" / "templates" / "deployment.yaml"
    sound = template.read_text()
    template.write_text(sound.replace('{{ include "web.image" . | quote }}', '"{{ .Values.image.registry }}/none:1"'))
    bad = fault.deploy(*UP)
    assert bad.code == 5, bad
    assert bad.json["release"]["restored"] == 1
    again = fault.deploy(*UP)
    assert again.code == 5, again
    template.write_text(sound)
    left_alone(fault.deploy(*UP), 5)


def test_the_pull_secret_gets_the_login_of_today(fault: Project) -> None:
    released(fault.deploy(*UP), 1, "")
    fault.kubectl("delete", "secret", "registry")
    done = fault.deploy(*UP)
    assert done.code == 0, done
    assert "is unchanged: healthy at revision 1" in done.json["message"]
    assert done.json["changed"] is True
    secret = next(one for one in fault.objects("secrets") if one["metadata"]["name"] == "registry")
    assert json.dumps(secret)
    left_alone(fault.deploy(*UP), 1)
