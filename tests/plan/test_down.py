"""Where a release may be removed."""

from pathlib import Path
from typing import Any

import pytest
from test_plan import profile

from deployer.errors import PreflightError
from deployer.model import Revision, Target
from deployer.plan import down
from deployer.plan.steps import Uninstall

TARGET = Target(Path("k"), "dev", "shop")
HISTORY = (Revision(1, "deployed", "", "web-1"),)


@pytest.mark.parametrize(
    ("environment", "guards", "allowed"),
    [
        ("dev", {}, True),
        ("prod", {}, False),
        ("production", {}, False),
        ("prod", {"down": "allow"}, True),
        ("dev", {"down": "refuse"}, False),
    ],
)
def test_the_guard(environment: str, guards: dict[str, Any], allowed: bool) -> None:
    made = profile(guards=guards)
    if allowed:
        assert [step.deed for step in down.down(environment, made, TARGET, HISTORY).steps] == [Uninstall()]
        return
    with pytest.raises(PreflightError, match=r"is not to be taken down \(guards.down\)") as error:
        down.down(environment, made, TARGET, HISTORY)
    assert f"environments/{environment}.yaml" in (error.value.hint or "")


def test_nothing_to_remove() -> None:
    assert down.down("dev", profile(), TARGET, ()).steps == ()


def test_what_argo_cd_delivers_is_not_ours_to_remove() -> None:
    made = profile(delivery="argocd", argocd={"repository": "https://git.lab/config.git"})
    with pytest.raises(PreflightError, match="would bring back") as error:
        down.down("dev", made, TARGET, HISTORY)
    assert "argocd app delete web-dev" in (error.value.hint or "")
