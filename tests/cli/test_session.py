"""What a session keeps from the programs it starts, and from those who observe."""

from pathlib import Path

import pytest

from deployer.cli.session import session, withheld
from deployer.profile import load

PROFILE = """\
registry: {url: r.lab, usernameVariable: REG_USER, passwordVariable: REG_PASS}
image: {repository: web}
release: {name: web}
target: {context: dev, namespace: shop}
secrets: {env.DB: DB_URL}
telemetry: {otlp: "http://otel.lab", headers: {x-key: OTEL_KEY}}
"""
KNOWN = {
    "REG_USER": "robot",
    "REG_PASS": "of-the-registry",
    "DB_URL": "of-the-database",
    "OTEL_KEY": "of-the-collector",
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


def test_a_secret_by_its_name_alone_is_told_to_nobody(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KNOWN | {"OTHER_TOKEN": "of-somebody-else"}).items():
        monkeypatch.setenv(name, value)
    with session(project, "dev", None) as run:
        assert run.mask("helm says of-somebody-else") == "helm says ***"
