"""A builder of buildx beside docker: platforms, attestations, a cache in the registry, and a registry that refuses it.

`make registries` starts BuildKit and runs these.
"""

import base64
import io
import json
import os
import re
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from between import Answer, Asked, Between, Broken, Shortened, times
from conftest import ROOT, Deployed, Project, run
from processes import CI
from test_promote import OCI_INDEX, Registry, digest

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.buildkit]

BOTH = ["linux/amd64", "linux/arm64"]
BUILD = ("build", "--env", "dev", "--output", "json")
GOOD = 10**6
"""More requests than anybody makes: for good."""


@pytest.fixture(scope="session", autouse=True)
def builder() -> str:
    """The lab's builder, which plain `make lab` does not start."""
    if "LAB_BUILDER" not in os.environ:
        pytest.exit("BuildKit is not in the environment: make registries starts it", returncode=1)
    return os.environ["LAB_BUILDER"]


@pytest.fixture
def store() -> Registry:
    """The lab's registry, asked by its API."""
    return Registry(os.environ["REGISTRY_URL"], os.environ["REG_USER"], os.environ["REG_PASS"])


@pytest.fixture
def stamp(project: Project, builder: str) -> Project:
    """A project whose image is one file, built by the lab's builder."""
    folder = project.folder / "stamp"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY stamp /stamp\n")
    (folder / "stamp").write_text(project.namespace)
    project.git("add", ".")
    project.git("commit", "-q", "-m", "A small image")
    project.profile(
        "dev", image={"repository": project.namespace, "context": "stamp", "tag": "commit", "builder": builder}
    )
    return project


@pytest.fixture
def registry(stamp: Project) -> Iterator[Between]:
    """The registry that the project uses, with a server of the test's own before it."""
    host, port = os.environ["REGISTRY_URL"].split(":")
    between = Between("registry", f"{host}:{port}")
    stamp.environ["REGISTRY_URL"] = f"{host}:{between.server_port}"
    yield between
    between.shutdown()
    between.server_close()


def index(store: Registry, repository: str, name: str) -> dict[str, Any]:
    """An index, which is what its digest says."""
    body = store.manifest(repository, name)
    assert not name.startswith("sha256:") or digest(body) == name
    found: dict[str, Any] = json.loads(body)
    assert found["mediaType"] in (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
    return found


def platforms(found: dict[str, Any]) -> list[str]:
    """The platforms of an index, without its attestations."""
    named = (f"{one['platform']['os']}/{one['platform']['architecture']}" for one in found["manifests"])
    return sorted(one for one in named if one != "unknown/unknown")


def blob(store: Registry, repository: str, name: str) -> bytes:
    return store.ask("GET", f"/v2/{repository}/blobs/{name}")[0]


def test_the_service_for_two_platforms_with_all_that_is_attested(
    project: Project, store: Registry, builder: str
) -> None:
    """Built and pushed at once, deployed by the digest of its index, known again, promoted."""
    repository = project.namespace
    project.profile(
        "dev",
        image={
            "repository": repository,
            "builder": builder,
            "platforms": BOTH,
            "provenance": "max",
            "sbom": os.environ["LAB_SBOM_GENERATOR"],
            "cache": f"{repository}:layers",
        },
    )
    environ = {"RUNTIME_IMAGE": os.environ["LAB_RUNTIME_IMAGE"], **CI}
    up = ("up", "--env", "dev", "--output", "json")
    dry = project.deploy(*up, "--dry-run", environ=environ)
    assert dry.code == 0, dry
    assert sum("buildx build --push" in line for line in json.dumps(dry.json).split('", "')) <= 1
    done = project.deploy(*up, environ=environ)
    assert done.code == 0, done
    assert done.json["warnings"] == [], "a cache that is not there yet is no trouble"
    named = done.json["image"]["digest"]
    found = index(store, repository, named)
    assert platforms(found) == BOTH

    attested = _attested(store, repository, found)
    assert set(attested) == set(BOTH)
    for platform, said in attested.items():
        provenance, sbom = said["https://slsa.dev/provenance/v0.2"], said["https://spdx.dev/Document"]
        arguments = provenance["invocation"]["parameters"]["args"]
        assert arguments["build-arg:REVISION"] == project.git("rev-parse", "HEAD").strip()
        assert "buildDefinition" in provenance or provenance["buildType"].startswith("https://mobyproject.org/buildkit")
        packages = {one["name"] for one in sbom["packages"]}
        assert {"stdlib", "github.com/prometheus/client_golang"} <= packages, platform
    assert {platform: _machine(store, repository, found, platform) for platform in BOTH} == {
        "linux/amd64": 0x3E,
        "linux/arm64": 0xB7,
    }

    (pod,) = [one for one in project.objects("pods") if not one["metadata"].get("deletionTimestamp")]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(named), "the digest of the index"
    status = project.deploy("status", "--env", "dev", "--fail-on-drift", "--output", "json")
    assert status.code == 0, status
    again = project.deploy(*up, environ=environ)
    assert again.code == 0, again
    assert again.json["changed"] is False
    project.profile("test", release={"name": "web-test"}, image={"repository": repository})
    promoted = project.deploy("promote", "--from", "dev", "--to", "test", "--yes", "--output", "json", environ=environ)
    assert promoted.code == 0, promoted
    assert promoted.json["image"]["digest"] == named


def _attested(store: Registry, repository: str, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is attested to each platform's manifest: the predicate under its in-toto type."""
    named = {one["digest"]: one for one in found["manifests"]}
    attested: dict[str, dict[str, Any]] = {}
    for one in found["manifests"]:
        notes = one.get("annotations") or {}
        if notes.get("vnd.docker.reference.type") != "attestation-manifest":
            continue
        of = named[notes["vnd.docker.reference.digest"]]["platform"]
        said = attested.setdefault(f"{of['os']}/{of['architecture']}", {})
        for layer in json.loads(store.manifest(repository, one["digest"]))["layers"]:
            assert layer["mediaType"] == "application/vnd.in-toto+json"
            statement = json.loads(blob(store, repository, layer["digest"]))
            assert statement["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
            assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == notes["vnd.docker.reference.digest"]
            said[statement["predicateType"]] = statement["predicate"]
    return attested


def _machine(store: Registry, repository: str, found: dict[str, Any], platform: str) -> int:
    """For which processor the program in an image is, by its ELF header."""
    of = next(one for one in found["manifests"] if platforms({"manifests": [one]}) == [platform])
    layers = json.loads(store.manifest(repository, of["digest"]))["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(store, repository, layers[-1]["digest"]))) as files:
        program = files.extractfile("web")
        assert program
        machine: int = struct.unpack("<H", program.read(20)[18:20])[0]
    return machine


def test_an_image_without_a_wanted_platform_is_not_there(stamp: Project, store: Registry) -> None:
    """And no docker engine is needed at all."""
    environ = {"DOCKER_HOST": "unix:///nowhere"}

    def built(platforms: list[str]) -> dict[str, Any]:
        stamp.profile("dev", image={"platforms": platforms})
        done = stamp.deploy(*BUILD, environ=environ)
        assert done.code == 0, done
        found: dict[str, Any] = done.json["build"]
        return found

    first = built(BOTH[:1])
    assert first["built"] is True
    assert built(BOTH[:1]) == {**first, "built": False}
    second = built(BOTH)
    assert second["built"] is True
    assert second["digest"] != first["digest"]
    assert platforms(index(store, stamp.namespace, second["digest"])) == BOTH
    assert built(BOTH) == {**second, "built": False}
    assert built(BOTH[1:]) == {**second, "built": False}


def test_provenance_of_the_least_and_none(stamp: Project, store: Registry) -> None:
    plain = stamp.deploy(*BUILD, "--tag", "plain")
    assert plain.code == 0, plain
    assert "manifests" not in json.loads(store.manifest(stamp.namespace, plain.json["build"]["digest"]))
    stamp.profile("dev", image={"provenance": "min"})
    least = stamp.deploy(*BUILD, "--tag", "min")
    assert least.code == 0, least
    found = index(store, stamp.namespace, least.json["build"]["digest"])
    assert [*_attested(store, stamp.namespace, found)["linux/amd64"]] == ["https://slsa.dev/provenance/v0.2"]


@pytest.mark.parametrize(
    ("image", "environ", "said", "way"),
    [
        (
            {"builder": None, "platforms": BOTH},
            {"BUILDX_CONFIG": ""},
            "the builder that docker uses is docker's own, which cannot do image.platforms",
            "docker buildx create --name deploy --driver docker-container",
        ),
        (
            {"builder": "default", "sbom": True, "provenance": "max"},
            {},
            "builder `default` is docker's own, which cannot do image.provenance, image.sbom",
            "image.builder: deploy",
        ),
        (
            {"builder": "nobody"},
            {},
            "docker has no builder `nobody` (image.builder)",
            "docker buildx create --name nobody --driver docker-container",
        ),
        ({"builder": "gone"}, {}, "builder `gone` does not work: nobody answers at unix:///nowhere/sock", "buildx ls"),
    ],
    ids=["in use", "default", "unknown", "away"],
)
def test_a_builder_that_cannot(
    stamp: Project, tmp_path: Path, image: dict[str, Any], environ: dict[str, str], said: str, way: str
) -> None:
    """It is told before anything is done, with the way to one that can."""
    config = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    run(
        "docker",
        "buildx",
        "create",
        "--name",
        "gone",
        "--driver",
        "remote",
        "unix:///nowhere/sock",
        env=os.environ | config,
    )
    stamp.profile("dev", image=image)
    done = stamp.deploy("up", "--env", "dev", "--output", "json", environ={**config, **environ})
    assert done.code == 3, done
    assert said in done.json["message"] + str(done.json["detail"]), done
    assert way in str(done.json["hint"]) + str(done.json["detail"]), done
    assert done.json["changed"] is False


def test_a_builder_of_the_users_own(stamp: Project, tmp_path: Path) -> None:
    """It is in the user's docker configuration, which the run sees though it has one of its own."""
    config = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    environ = {name: value for name, value in os.environ.items() if name != "BUILDX_CONFIG"} | config
    socket = f"unix://{os.environ['LAB_STATE']}/buildkit/sock"
    run("docker", "buildx", "create", "--name", "mine", "--driver", "remote", socket, env=environ)
    del stamp.environ["BUILDX_CONFIG"]
    stamp.profile("dev", image={"builder": "mine"})
    done = stamp.deploy(*BUILD, environ=config)
    assert done.code == 0, done
    assert done.json["build"]["built"] is True


def test_what_the_page_shows(stamp: Project, tmp_path: Path) -> None:
    """docs/registries.md: the ways to a builder, and the look at an SBOM. No container of the engine's is started."""
    page = (ROOT / "docs" / "registries.md").read_text()
    there = f"unix://{os.environ['LAB_STATE']}/buildkit/sock"
    lines = re.findall(r"^    (docker buildx create .*)$", page, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        assert "--name ci " in line
        remote = "--driver remote" in line
        config = {"BUILDX_CONFIG": str(tmp_path / ("remote" if remote else "container"))}
        made = line.replace("unix:///run/buildkit/buildkitd.sock", there)
        assert (made != line) == remote
        run("bash", "-ec", made, env=os.environ | config)
        assert "ci" in run("docker", "buildx", "ls", env=os.environ | config).stdout.split()
    generator = os.environ["LAB_SBOM_GENERATOR"]
    stamp.profile("dev", image={"builder": "ci", "provenance": "max", "sbom": generator})
    done = stamp.deploy(*BUILD, environ={"BUILDX_CONFIG": str(tmp_path / "remote")})
    assert done.code == 0, done

    (shown,) = re.findall(r"`(docker buildx imagetools inspect [^`]*)`", page)
    home = tmp_path / "home"
    home.mkdir()
    login = base64.b64encode(f"{os.environ['REG_USER']}:{os.environ['REG_PASS']}".encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {os.environ["REGISTRY_URL"]: {"auth": login}}}))
    image = done.json["build"]["image"]
    said = run("bash", "-ec", shown.replace("IMAGE", image), env=os.environ | {"DOCKER_CONFIG": str(home)}).stdout
    assert json.loads(said)["SPDX"]["spdxVersion"].startswith("SPDX-")


def cached(asked: Asked) -> bool:
    """The cache is asked for, or sent."""
    return "/layers/" in asked.path


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Answer(503), "503 Service Unavailable"),
        (Answer(403, '{"errors": [{"code": "DENIED", "message": "no caches here"}]}'), "403 Forbidden"),
    ],
    ids=["503", "403"],
)
def test_a_cache_that_is_not_to_be_had_is_a_warning(
    stamp: Project, registry: Between, refusal: Answer, said: str
) -> None:
    stamp.profile("dev", image={"cache": "layers/cache"})
    registry.script = times(GOOD, refusal, cached)
    done = stamp.deploy(*BUILD)
    assert done.code == 0, done
    assert done.json["build"]["built"] is True
    read, written = (one for one in done.json["warnings"])
    assert read.startswith("the cache could not be read: "), done
    assert written.startswith("the cache could not be written: "), done
    assert said in read + written


def test_what_another_builder_built_is_not_built_again(stamp: Project) -> None:
    """What is forgotten here comes from the registry's cache, and nothing of it is secret."""
    repository = f"{stamp.namespace}/layers"
    (stamp.folder / "stamp" / "Dockerfile").write_text(
        f"FROM {os.environ['GO_IMAGE']}\nCOPY stamp /stamp\nRUN cat /proc/sys/kernel/random/uuid > /once\n"
    )
    stamp.profile("dev", image={"cache": repository})

    def built(tag: str) -> Deployed:
        done = stamp.deploy(*BUILD, "--tag", tag, "--verbose")
        assert done.code == 0, done
        assert done.json["warnings"] == []
        return done

    built("first")
    prune = ("docker", "buildx", "prune", "--builder", os.environ["LAB_BUILDER"], "--force")
    run(*prune, "--filter", "type=regular", env=os.environ)
    second = built("second")
    lines = [line.partition(" | ")[2] for line in second.err.splitlines()]
    step = next(line.split()[0] for line in lines if "RUN cat /proc" in line)
    assert f"{step} CACHED" in lines, second


def layer(asked: Asked) -> bool:
    return asked.method in ("POST", "PATCH", "PUT") and "/blobs/uploads/" in asked.path


def sent(asked: Asked) -> bool:
    """BuildKit sends the bytes of a layer."""
    return asked.method == "PUT" and layer(asked) and "urllib3" not in asked.agent


def manifest(asked: Asked) -> bool:
    return asked.method == "PUT" and "/manifests/" in asked.path


def answer(status: int, code: str = "UNKNOWN", **headers: str) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]})
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("asks", "refusal", "code", "said"),
    [
        (layer, answer(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="lab"'), 15, "does not take the login (401)"),
        (layer, answer(403, "DENIED"), 15, "does not allow it (403): DENIED: denied"),
        (manifest, answer(403, "DENIED"), 15, "does not allow it: denied: denied"),
        (layer, answer(429, "TOOMANYREQUESTS", Retry_After="1"), 16, "is asked too much (429): TOOMANYREQUESTS"),
        (layer, answer(503, "UNAVAILABLE"), 16, "is not available (503): UNAVAILABLE"),
        (manifest, answer(500), 16, "is not available (500)"),
        (layer, answer(507), 17, "has no room left (507): UNKNOWN: unknown"),
        (sent, Broken(10), 16, "broke off"),
        (sent, Shortened(10), 16, "broke off"),
    ],
    ids=["401", "403", "403 manifest", "429", "503", "500 manifest", "507", "cut", "truncated"],
)
def test_the_registry_takes_no_push_of_the_builder(
    stamp: Project,
    registry: Between,
    asks: Callable[[Asked], bool],
    refusal: Answer | Broken | Shortened,
    code: int,
    said: str,
) -> None:
    registry.script = times(GOOD, refusal, asks)
    done = stamp.deploy(*BUILD)
    assert done.code == code, done
    url = stamp.environ["REGISTRY_URL"]
    assert f"the image could not be built and pushed: registry {url} {said}" in done.json["message"], done
    assert done.json["hint"]
    registry.back()
    mended = stamp.deploy(*BUILD)
    assert mended.code == 0, mended
    assert mended.json["build"]["built"] is True


@pytest.mark.parametrize(
    ("asks", "trouble"),
    [
        (manifest, answer(429, "TOOMANYREQUESTS", Retry_After="1")),
        (manifest, answer(503, "UNAVAILABLE")),
        (sent, Broken(10)),
        (sent, Shortened(10)),
    ],
    ids=["429", "503", "cut", "truncated"],
)
def test_the_registry_stumbles_and_the_builders_push_goes_on(
    stamp: Project, registry: Between, asks: Callable[[Asked], bool], trouble: Answer | Broken | Shortened
) -> None:
    """The same digest as where nothing goes wrong."""
    registry.script = times(1, trouble, asks)
    done = stamp.deploy(*BUILD)
    assert done.code == 0, done
    stamp.profile("dev", image={"repository": f"{stamp.namespace}-control"})
    control = stamp.deploy(*BUILD, environ={"REGISTRY_URL": os.environ["REGISTRY_URL"]})
    assert control.code == 0, control
    assert done.json["build"]["digest"] == control.json["build"]["digest"]


def test_a_dockerfile_that_fails_is_not_tried_again(stamp: Project) -> None:
    (stamp.folder / "stamp" / "Dockerfile").write_text("FROM scratch\nCOPY nothing /nothing\n")
    began = time.monotonic()
    done = stamp.deploy(*BUILD)
    assert done.code == 4, done
    assert done.json["warnings"] == [], "tried once"
    assert "nothing" in str(done.json["detail"])
    assert time.monotonic() - began < 120
