"""`deploy config` without a cluster. With the real helm, and pinning a real cluster: tests/e2e."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.cli import config, run

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-value"
HELM = (  # several run side by side
    '#!/bin/sh\n[ "$1" = version ] && echo v4.3.0 && exit\ncat > "$0.values.$$" && mv "$0.values.$$" "$0.values"\n'
)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped profiles and chart, with a helm that takes everything, and nothing set but the registry."""
    for name in ("environments", "chart"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("PROD_CLUSTER_UID", "DEV_CONTEXT", "DEV_NAMESPACE", "TOKEN", "DEPLOY_KUBECONFIG", "REG_PASS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTRY_URL", "registry.lab")
    helm(tmp_path, HELM)
    monkeypatch.setenv("DEPLOY_HELM", str(tmp_path / "helm"))
    return tmp_path


def helm(project: Path, script: str) -> None:
    (project / "helm").write_text(script)
    (project / "helm").chmod(0o755)


def more(project: Path, name: str, text: str) -> None:
    with open(project / "environments" / f"{name}.yaml", "a") as file:
        file.write(text)


def said(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["config", *arguments, "-C", str(project)]) == code, capsys.readouterr()
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    return told.out + told.err


def test_show_tells_layer_place_and_what_was_overridden(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(project, capsys, "show", "--env", "dev")
    assert 'target.context: "dev"  # environment, environments/dev.yaml:3, default of ${DEV_CONTEXT}\n' in out
    assert 'registry.url: "registry.lab"  # base, environments/base.yaml:9, from ${REGISTRY_URL}\n' in out
    assert re.search(r'values.env.LOG_LEVEL: "debug"  # environment, .*\n    over "info"  # base, ', out)
    assert re.search(r"values.replicaCount: 1  # environment, .*\n    over 3  # chart, chart/values.yaml:\d+\n", out)
    assert 'values.image.tag: "(of the run)"  # image, the image of the run\n' in out
    assert "release.timeout: 300  # the profile's default\n" in out


def test_explain_one_key(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(said(project, capsys, "show", "--env", "dev", "--explain", "values.env.LOG_LEVEL", "-o", "json"))
    assert (made["schema"], made["verb"], made["environment"], made["exitCode"]) == (
        "deploy/v1",
        "config show",
        "dev",
        0,
    )
    (one,) = made["settings"]
    assert (one["key"], one["value"], one["layer"]) == ("values.env.LOG_LEVEL", "debug", "environment")
    assert one["place"].startswith("environments/dev.yaml:")
    assert [(under["layer"], under["value"]) for under in one["overrode"]] == [("base", "info")]
    out = said(project, capsys, "show", "--env", "dev", "--explain", "values.env.LOGLEVEL", code=2)
    assert "nothing is set at `values.env.LOGLEVEL`; did you mean `values.env.LOG_LEVEL`?" in out


def test_show_hides_secrets(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    more(
        project,
        "dev",
        "  secret: {data: {TOKEN: ''}}\n  config: {data: {AGAIN: 'x ${TOKEN:} y'}}\n"
        "secrets: {secret.data.TOKEN: TOKEN}\n",
    )
    assert '"(not set)"' not in said(project, capsys, "show", "--env", "dev")
    monkeypatch.setenv("TOKEN", SECRET)
    out = said(project, capsys, "show", "--env", "dev", "--explain", "values")
    assert 'values.secret.data.TOKEN: ***  # secret variable, variable TOKEN\n    over ""  # environment' in out
    assert 'values.config.data.AGAIN: "x *** y"' in out
    said(project, capsys, "show", "--env", "dev", "-o", "json")
    said(project, capsys, "diff", "dev", "test")


def test_show_lists_every_variable_that_is_missing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "values.yaml").write_text("env: {ZONE: '${ZONE:?name the zone}'}\n")
    more(project, "prod", "valueFiles: [values.yaml]\n")
    out = said(project, capsys, "show", "--env", "prod", code=2)
    assert "variables not set: PROD_CLUSTER_UID, ZONE" in out
    assert "values.yaml:1: values.env.ZONE needs ${ZONE}: name the zone" in out


def test_check_of_what_is_shipped(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(project, capsys, "check")
    assert "· environments/prod.yaml:6: target.identity.uid needs ${PROD_CLUSTER_UID}, which is not set (prod)\n" in out
    assert out.endswith("ok: dev, prod, test: 4 notes\n")
    rendered = json.loads((project / "helm.values").read_text())
    assert rendered["image"]["registry"] == "registry.lab"
    out = said(project, capsys, "check", "--env", "prod", code=2)
    assert "✗ environments/prod.yaml:6: target.identity.uid needs ${PROD_CLUSTER_UID}, which is not set\n" in out


def test_check_finds_everything_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more(project, "dev", "  replcaCount: 3\n  image: {tag: mine}\n")
    more(project, "test", "  env: {LOG_LEVEL: info}\n".replace("  env: {", "x-none: {"))
    (project / "environments/bad.yaml").write_text("target: {contxt: a, namespace: kube-system}\n")
    (project / "environments/worse.yaml").write_text("target: [\n")
    (project / "environments/sys.yaml").write_text("target: {context: a, namespace: kube-system}\n")
    made = json.loads(said(project, capsys, "check", "-o", "json", code=2))
    assert (made["verb"], made["outcome"]) == ("config check", "usage")
    assert made["environments"] == ["bad", "dev", "prod", "sys", "test", "worse"]
    problems = [
        (one["environments"], f"{one['place']} {one['message']}")
        for one in made["findings"]
        if one["severity"] == "problem"
    ]
    for name, words in (
        ("bad", "unknown key `contxt` in target; did you mean `context`?"),
        ("dev", "values.replcaCount: nothing in the chart reads it; did you mean `replicaCount`?"),
        ("dev", "values.image.tag is not used"),
        ("sys", "target.namespace is `kube-system`"),
        ("worse", "environments/worse.yaml:2: not valid YAML"),
    ):
        assert any(names == [name] and words in message for names, message in problems), (name, words, problems)


def test_check_tells_of_a_watch_too_short_to_fail(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more(project, "dev", "metrics: { url: https://p.example.com, duration: 1m, failAfter: 20, guards: [errorRatio] }\n")
    told = "metrics.duration is too short for metric errorRatio to fail the rollout: that takes more than 190 s"
    assert f"! {told} (20 looks, one every 10 s)" in said(project, capsys, "check", "--env", "dev")


def test_check_goes_on_without_secrets(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(project, "dev", "  nowhere: 1\nsecrets: {secret.data.TOKEN: TOKEN}\n")
    out = said(project, capsys, "check", "--env", "dev", code=2)
    assert "· secrets: TOKEN is not set: what it fills is not judged\n" in out
    assert "values.nowhere: nothing in the chart reads it" in out
    monkeypatch.setenv("TOKEN", SECRET)
    helm(project, "#!/bin/sh\ngrep TOKEN >&2\nexit 1\n")
    out = said(project, capsys, "check", "--env", "dev", code=2)
    assert "does not render" in out
    assert "***" in out


def test_check_places_what_helm_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    helm(
        project,
        "#!/bin/sh\ncat >&2 <<'END'\nError: values don't meet the specifications of the schema(s)\nweb:\n"
        "- at '/replicaCount': got string, want integer\n"
        "- at '': additional properties 'nowhere', 'other' not allowed\n"
        "END\nexit 1\n",
    )
    more(project, "dev", "  nowhere: 1\n")
    out = said(project, capsys, "check", "--env", "dev", code=2)
    assert re.search(r"✗ environments/dev.yaml:13: values.replicaCount: got string, want integer\n", out)
    assert out.count("values.nowhere") == 1
    assert "values.other: the chart's schema does not know it" in out


def test_check_without_helm_or_chart(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_HELM", "./no-helm")
    assert "✗ `./no-helm` is not installed" in said(project, capsys, "check", "--env", "dev", code=2)
    shutil.rmtree(project / "chart")
    assert "✗ there is no chart at chart (release.chart)" in said(project, capsys, "check", "--env", "dev", code=2)
    shutil.rmtree(project / "environments")
    assert "there is no environments/<name>.yaml" in said(project, capsys, "check", code=2)


def test_diff_shows_both_sides_even_where_variables_are_missing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(project, capsys, "diff", "dev", "prod")
    assert re.search(r"values.replicaCount\n  dev   1  # environment, .*\n  prod  5  # environment, ", out)
    assert re.search(r'target.identity.uid\n  dev   not set\n  prod  "\$\{PROD_CLUSTER_UID\}"  # environment', out)
    assert "registry.url" not in out
    made = json.loads(said(project, capsys, "diff", "dev", "prod", "-o", "json"))
    found = {one["key"]: one for one in made["differences"]}
    assert found["values.replicaCount"]["prod"]["value"] == 5
    assert found["target.identity.uid"]["dev"] is None
    assert said(project, capsys, "diff", "dev", "dev").endswith("0 settings differ\n")
    said(project, capsys, "diff", "dev", "nope", code=2)


def test_schema_writes_the_file(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = project / "environments/schema.json"
    shipped = file.read_text()
    assert "is up to date" in said(project, capsys, "schema")
    file.unlink()
    assert "is written" in said(project, capsys, "schema")
    assert file.read_text() == shipped
    out = tmp_path / "other.json"
    made = json.loads(said(project, capsys, "schema", "--out", str(out), "-o", "json"))
    assert (made["verb"], made["changed"], made["file"]) == ("config schema", True, str(out))
    assert json.loads(said(project, capsys, "schema", "--out", "-"))["title"]
    said(project, capsys, "schema", "--out", str(tmp_path / "no" / "folder.json"), code=2)


class Door:
    """A cluster that says who it is."""

    server, ca_sha256 = "https://api:6443", "ab" * 32

    def get(self, path: str) -> dict[str, dict[str, str]]:
        return {"metadata": {"uid": "uid-1"}}


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    asked: list[tuple[str, str]] = []

    def connect(kubeconfig: Path, context: str) -> Door:
        asked.append((str(kubeconfig), context))
        return Door()

    monkeypatch.setattr(config.cluster, "connect", connect)
    return asked


def test_pin_writes_what_the_cluster_says(
    project: Path, capsys: pytest.CaptureFixture[str], reached: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "environments/prod.yaml"
    before = file.read_text()
    out = said(project, capsys, "pin", "--env", "prod", code=2)
    assert "uid is ${PROD_CLUSTER_UID}, and the cluster says uid-1" in out
    assert "hint: --yes replaces it" in out
    assert file.read_text() == before
    monkeypatch.setenv("PROD_CLUSTER_UID", "uid-1")
    monkeypatch.setenv("DEPLOY_KUBECONFIG", "kube")
    made = json.loads(said(project, capsys, "pin", "--env", "prod", "-o", "json"))
    assert reached[-1] == (str(project / "kube"), "prod")
    assert (made["changed"], made["replaced"], made["file"]) == (True, {}, "environments/prod.yaml")
    after = file.read_text()
    assert [line for line in after.splitlines() if line not in before] == [
        "    server: https://api:6443",
        f"    caSha256: {'ab' * 32}",
    ]
    assert "uid: ${PROD_CLUSTER_UID} # kubectl get" in after
    assert "already" in said(project, capsys, "pin", "--env", "prod")
    assert file.read_text() == after
    monkeypatch.setenv("PROD_CLUSTER_UID", "uid-2")
    assert "uid is uid-2, and the cluster says uid-1" in said(project, capsys, "pin", "--env", "prod", code=2)
    assert "uid: uid-1 instead of uid-2" in said(project, capsys, "pin", "--env", "prod", "--yes")
    assert re.search(r"uid: uid-1 +# kubectl get", file.read_text())


def test_pin_makes_a_protected_environment_whole(
    project: Path, capsys: pytest.CaptureFixture[str], reached: list[tuple[str, str]]
) -> None:
    more(project, "dev", "protected: true # like prod\n")
    assert "target.identity must pin" in said(project, capsys, "show", "--env", "dev", code=2)
    said(project, capsys, "pin", "--env", "dev")
    assert "# like prod" in (project / "environments/dev.yaml").read_text()
    assert f'target.identity.caSha256: "{"ab" * 32}"' in said(project, capsys, "show", "--env", "dev")


def test_pin_needs_to_know_where_the_cluster_is(
    project: Path, capsys: pytest.CaptureFixture[str], reached: list[tuple[str, str]]
) -> None:
    file = project / "environments/dev.yaml"
    file.write_text(file.read_text().replace("${DEV_CONTEXT:dev}", "${DEV_CONTEXT}"))
    assert "target.context needs ${DEV_CONTEXT}" in said(project, capsys, "pin", "--env", "dev", code=2)
    assert reached == []


def test_a_chart_is_rendered_without_what_a_job_keeps_secret(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    helm(project, f"{HELM}env >> {project}/environ\n")
    monkeypatch.setenv("SOPS_AGE_KEY_CMD", SECRET)
    said(project, capsys, "check", "--env", "dev")
    assert SECRET not in (project / "environ").read_text()


def test_a_fleet_is_not_pinned_to_its_first_cluster(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more(project, "dev", "targets:\n  - {name: one, context: a}\n  - {name: two, context: b}\n")
    before = (project / "environments" / "dev.yaml").read_text()
    assert "environment `dev` has 2 targets" in said(project, capsys, "pin", "--env", "dev", "--yes", code=2)
    assert (project / "environments" / "dev.yaml").read_text() == before


def test_what_each_target_says_is_judged(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The chart as each target makes it, never without what all of them say; a key that many have is told once."""
    script = HELM + """grep -q '"SITE"' "$0.values" || { echo 'Error: required env.SITE' >&2; exit 1; }\n"""
    helm(project, script)
    values = "values: {env: {SITE: %s}, nodeSelektor: {zone: a}, image: {tag: v1}}"
    targets = [f"  - {{name: t{n}, context: c{n}, {values % n}}}\n" for n in range(2)]
    more(project, "dev", "targets:\n" + "".join(targets))
    out = said(project, capsys, "check", "--env", "dev", code=2)
    assert "required env.SITE" not in out
    assert out.count("values.nodeSelektor.zone: nothing in the chart reads it") == 1
    assert out.count("values.image.tag is not used") == 1
