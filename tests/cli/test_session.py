"""What a session keeps from the programs it starts, and from those who observe."""

from pathlib import Path

import pytest

from deployer import sops
from deployer.cli.session import decrypted, session, withheld
from deployer.profile import load

PROFILE = """\
registry: {url: r.lab, usernameVariable: REG_USER, passwordVariable: REG_PASS}
image: {repository: web}
release: {name: web}
target: {context: dev, namespace: shop}
secrets: {env.DB: DB_URL}
telemetry: {otlp: "http://otel.lab", headers: {x-key: OTEL_KEY}, grafana: "http://g.lab", grafanaTokenVariable: GRAFANA}
"""
ARGOCD = """\
delivery: argocd
argocd: {repository: "https://git.lab/c.git", usernameVariable: GIT_USER, passwordVariable: GIT_PASS}
"""
KNOWN = {
    "REG_USER": "robot",
    "REG_PASS": "of-the-registry",
    "DB_URL": "of-the-database",
    "OTEL_KEY": "of-the-collector",
    "GIT_PASS": "of-the-git-server",
    "DEPLOY_GITLAB_TOKEN": "of-gitlab",
    "GRAFANA": "of-grafana",
    "SOPS_AGE_KEY": "AGE-SECRET-KEY-1",
    "SOPS_AGE_KEY_CMD": "cat",
    "SITE": "lyon",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text(PROFILE)
    return tmp_path


def test_what_no_program_is_given(project: Path) -> None:
    ages = {"SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD"}
    assert withheld(KNOWN) >= ages
    assert withheld(KNOWN, load(project, "dev", KNOWN)) >= ages | {"REG_PASS", "DB_URL", "OTEL_KEY"}
    assert not withheld(KNOWN, load(project, "dev", KNOWN)) & {"REG_USER", "SITE"}


SEALED = """\
a: 'ENC[AES256_GCM,data:Zm9v,iv:YQ==,tag:YQ==,type:str]'
sops: {mac: 'ENC[x]', version: 3.11.0, age: [{recipient: age1a, enc: x}]}
"""


@pytest.mark.parametrize("delivery", ["helm", "argocd"])
@pytest.mark.parametrize("asked", ["for a release", "for its files alone"])
def test_sops_gets_its_keys_and_no_login(
    project: Path, monkeypatch: pytest.MonkeyPatch, asked: str, delivery: str
) -> None:
    program = project / "sops"
    program.write_text(f'#!/bin/sh\nenv > {project}/environment\necho \'{{"a": "of-the-file"}}\'\n')
    program.chmod(0o755)
    profile = PROFILE if delivery == "helm" else PROFILE.replace("secrets: {env.DB: DB_URL}\n", ARGOCD)
    (project / "environments" / "dev.yaml").write_text(f"{profile}tools: {{sops: {program}}}\n")
    (project / "environments" / "dev.secrets.yaml").write_text(SEALED)
    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)
    if asked == "for a release":
        decrypted(project, "dev", load(project, "dev", KNOWN), KNOWN)
    else:
        door, files = sops.of(project, "dev", KNOWN, KNOWN)
        door.open(files)
    there = {line.partition("=")[0] for line in (project / "environment").read_text().splitlines()}
    assert there >= {"SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SITE"}
    own = {"DB_URL"} if delivery == "helm" else {"GIT_PASS"}
    assert not there & {"REG_PASS", "OTEL_KEY", "DEPLOY_GITLAB_TOKEN", "GRAFANA", *own}


def test_a_secret_by_its_name_alone_is_told_to_nobody(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KNOWN | {"OTHER_TOKEN": "of-somebody-else"}).items():
        monkeypatch.setenv(name, value)
    with session(project, "dev", None) as run:
        assert run.mask("helm says of-somebody-else") == "helm says ***"
