"""The chart as helm renders it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.plan import values

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "chart"
TAGGED = {"image": {"tag": "v1"}}
Object = dict[str, Any]


def laid(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            under = result.get(key)
            result[key] = laid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


@dataclass(frozen=True)
class Rendered:
    """What helm made of the chart."""

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        return [item for item in yaml.load_all(self.text, yaml.CSafeLoader) if item]

    @cached_property
    def kinds(self) -> set[str]:
        return {item["kind"] for item in self.objects}

    def all(self, kind: str) -> dict[str, Object]:
        """All objects of a kind by name."""
        return {item["metadata"]["name"]: item for item in self.objects if item["kind"] == kind}

    def one(self, kind: str, name: str = "web") -> Object:
        """The object of that kind and name; there must be one."""
        return self.all(kind)[name]

    @property
    def template(self) -> Object:
        """The service's pods."""
        pods: Object = self.one("Deployment")["spec"]["template"]
        return pods

    @property
    def pod(self) -> Object:
        """The spec of the service's pods."""
        spec: Object = self.template["spec"]
        return spec

    @property
    def container(self) -> Object:
        """The service's container."""
        first: Object = self.pod["containers"][0]
        return first

    @property
    def env(self) -> dict[str, Any]:
        """Its variables: text, or where it comes from."""
        return {item["name"]: item.get("value", item.get("valueFrom")) for item in self.container["env"]}


@dataclass(frozen=True)
class Helm:
    """One helm program. --kube-version: a helm that was built by `go install` believes in Kubernetes 1.20."""

    program: str

    def _run(self, *argv: str, given: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *argv, "--kube-version", "1.34.0", "--namespace", "shop", "--values", "-"],
            input=values.text(given),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def render(self, *layers: Mapping[str, Any], release: str = "web") -> Rendered:
        """The chart with values that it must take. Without an image's name in them it gets one."""
        done = self._run("template", release, str(CHART), given=laid(TAGGED, *layers))
        assert done.returncode == 0, done.stderr
        return Rendered(done.stdout)

    def refuse(self, *layers: Mapping[str, Any]) -> str:
        """What helm says of values that the chart must not take."""
        done = self._run("template", "web", str(CHART), given=laid(*layers))
        assert done.returncode != 0, done.stdout
        assert not done.stdout.strip()
        return done.stderr

    def lint(self, given: Mapping[str, Any]) -> str:
        """What `helm lint --strict` says of clean values."""
        done = self._run("lint", "--strict", str(CHART), given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def environment(name: str) -> dict[str, Any]:
    """The values of an environment."""
    text = (HERE / "values" / f"{name}.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def program(variable: str, otherwise: str | None) -> str:
    """The helm that a variable names. Skips where there is none."""
    name = os.environ.get(variable) or otherwise
    if not name:
        pytest.skip(f"{variable} names no helm (make lab sets it)")
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{variable}={name} is not there (make lab brings it)")
    return found
