"""Every helm there is: HELM (helm on PATH by default) and HELM3."""

import pytest
from rendering import Helm, program


@pytest.fixture(scope="session", params=["HELM", "HELM3"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Each helm in turn."""
    return Helm(program(request.param, {"HELM": "helm"}.get(request.param)))
