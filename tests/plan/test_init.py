"""What is seen of a repository, and what is made of the working example for it."""

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from deployer.plan import init
from deployer.plan.init import PIPELINES, Platform, Service, files
from deployer.scaffold import shipped

SERVICE = Service(
    name="orders",
    context=".",
    module=".",
    main="./cmd/orders",
    port=9000,
    alive="/health",
    ready="/ready",
    registry="registry.example.com/team",
    ci="github",
    arguments=None,
)
SHIPPED = shipped()


def base(**facts: Any) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(files(replace(SERVICE, **facts), SHIPPED)["environments/base.yaml"])
    return made


def test_every_file() -> None:
    made = files(SERVICE, SHIPPED)
    chart = {path for path in SHIPPED if path.startswith("chart/")}
    assert {"chart/Chart.yaml", "chart/values.yaml", "chart/templates/_helpers.tpl", "chart/.helmignore"} < chart
    profiles = {f"environments/{name}" for name in ("base.yaml", "dev.yaml", "test.yaml", "prod.yaml", "schema.json")}
    assert set(made) - chart - profiles == {
        *(".dockerignore", ".github/workflows/deploy.yml", ".gitignore", "Dockerfile", "Makefile", "deploy.mk"),
    }
    assert profiles <= set(made)
    assert all(text.endswith("\n") for text in made.values())
    assert "GREETING" not in "".join(made[path] for path in profiles)


def test_the_chart_is_the_example_s_but_for_its_name() -> None:
    made = files(SERVICE, SHIPPED)
    differ = [path for path, text in made.items() if path.startswith("chart/") and text != SHIPPED[path]]
    assert differ == ["chart/Chart.yaml"]
    assert yaml.safe_load(made["chart/Chart.yaml"])["name"] == "orders"


def test_the_example_itself_comes_out_as_it_is() -> None:
    service = replace(
        SERVICE,
        name="web",
        context="service",
        module="service",
        main=".",
        port=8080,
        alive="/healthz",
        ready="/readyz",
        registry="",
        arguments=init.arguments(SHIPPED["service/Dockerfile"]),
    )
    made = files(service, SHIPPED)
    ours, theirs = (yaml.safe_load(text["environments/base.yaml"]) for text in (made, SHIPPED))
    assert ours["values"].pop("test") == {"enabled": False}
    assert ours["values"].pop("lifecycle")
    assert ours == theirs
    for name in ("dev", "test", "prod"):
        ours, theirs = (yaml.safe_load(text[f"environments/{name}.yaml"]) for text in (made, SHIPPED))
        del theirs["values"]["env"]["GREETING"]
        if name == "prod":
            del theirs["image"], theirs["guards"]["tag"]
            theirs["guards"]["healthyIn"] = ["test"]
        assert ours == theirs
    assert not [path for path in made if "ocker" in path]


def test_the_base() -> None:
    made = base()
    assert made["image"]["repository"] == made["release"]["name"] == "orders"
    assert made["image"]["context"] == "."
    assert "context" not in base(context="service")["image"], "it is the default"
    assert set(made["image"]["buildArgs"]) == {"GO_IMAGE", "RUNTIME_IMAGE"}
    assert made["registry"]["url"] == "${REGISTRY_URL:registry.example.com/team}"
    assert made["values"]["containerPort"] == 9000
    assert made["values"]["startupProbe"] == made["values"]["livenessProbe"] == {"httpGet": {"path": "/health"}}
    assert made["values"]["readinessProbe"] == {"httpGet": {"path": "/ready"}}
    assert made["values"]["test"] == {"enabled": False}
    assert made["values"]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}, "a usual service ends at SIGTERM"


@pytest.mark.parametrize("path", ["/a}b", "/a, b", "/a #b", "/a: b", "/é", '/"'])
def test_any_path_is_probed(path: str) -> None:
    assert base(alive=path)["values"]["livenessProbe"] == {"httpGet": {"path": path}}


def test_a_port_is_probed_where_no_path_is_known() -> None:
    made = base(alive="", ready="")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert made["values"][probe] == {"httpGet": None, "tcpSocket": {"port": "http"}}


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (frozenset({"GO_IMAGE", "RUNTIME_IMAGE", "X"}), {"GO_IMAGE", "RUNTIME_IMAGE"}),
        (frozenset({"GO_IMAGE"}), {"GO_IMAGE"}),
        (frozenset(), None),
    ],
)
def test_a_dockerfile_that_is_there(arguments: frozenset[str], kept: set[str] | None) -> None:
    made = base(arguments=arguments)
    assert (set(made["image"]["buildArgs"]) if kept else made["image"].get("buildArgs")) == kept
    assert "Dockerfile" not in files(replace(SERVICE, arguments=arguments), SHIPPED)


def test_the_dockerfile_that_is_written() -> None:
    text = files(SERVICE, SHIPPED)["Dockerfile"]
    assert "COPY go.mod go.sum* ./" in text
    assert "-o /out/orders ./cmd/orders\n" in text
    assert "EXPOSE 9000\n" in text
    assert 'ENTRYPOINT ["/orders"]' in text
    assert not re.search(r"\bweb\b|small HTTP", text)
    assert "chart\n" in files(SERVICE, SHIPPED)[".dockerignore"]
    made = files(replace(SERVICE, context="shop", module="shop"), SHIPPED)
    assert "shop/Dockerfile" in made
    assert "chart\n" not in made["shop/.dockerignore"]


@pytest.mark.parametrize("platform", PIPELINES)
def test_the_pipeline(platform: Platform) -> None:
    known = files(replace(SERVICE, ci=platform, module="shop"), SHIPPED)[PIPELINES[platform]]
    unknown = files(replace(SERVICE, ci=platform, registry=""), SHIPPED)[PIPELINES[platform]]
    assert "SERVICE_FOLDER" not in known + unknown
    if platform == "github":
        assert "go-version-file: shop/go.mod" in known
        assert "REGISTRY_URL:" not in known, "an empty variable would win over the profile's default"
        assert "REGISTRY_URL:" in unknown
    jobs = [key for key in yaml.safe_load(known).get("jobs", yaml.safe_load(known)) if not key.startswith(".")]
    order = [name for name in jobs if name in ("lint", "unit", "build", "push", "dev", "test", "prod")]
    assert order == ["lint", "unit", "build", "push", "dev", "test", "prod"]


def test_on_github_no_run_of_a_branch_cancels_that_of_a_tag() -> None:
    """Of those that wait in a concurrency group GitHub keeps the newest; a release's is to go all the way."""
    jobs = yaml.safe_load(files(SERVICE, SHIPPED)[PIPELINES["github"]])["jobs"]
    groups = [one["concurrency"]["group"] for one in jobs.values() if "concurrency" in one]
    assert len(groups) == 2
    assert all("${{ github.ref }}" in one for one in groups)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("module example.com/team/orders\n\ngo 1.26\n", "orders"),
        ("// a comment\nmodule example.com/orders/v2\n", "orders"),
        ('module "example.com/Order_Service"\n', "order-service"),
        ("module web\n", "web"),
        ("module example.com/" + "a" * 80, "a" * 53),
        ("go 1.26\n", ""),
    ],
)
def test_the_name(module: str, name: str) -> None:
    assert init.name(module) == name


@pytest.mark.parametrize(
    ("dockerfile", "port"),
    [
        ("EXPOSE 8080", 8080),
        ("FROM a\nEXPOSE 80\nFROM b\n  expose 9000/tcp\n", 9000),
        ("EXPOSE 9000/udp", None),
        ("EXPOSE $PORT", None),
        ("# EXPOSE 80", None),
    ],
)
def test_the_port(dockerfile: str, port: int | None) -> None:
    assert init.exposed(dockerfile) == port


def test_the_build_arguments() -> None:
    assert init.arguments("ARG A=1\nFROM x\n  arg B\n# ARG C\nRUN echo ARG D\n") == {"A", "B"}


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (['mux.HandleFunc("GET /healthz", h)', 'mux.Handle("/readyz", r)'], ("/healthz", "/readyz")),
        (['r.Get("/health", h)'], ("/health", "/health")),
        (["r.Get(`/livez`, h)", 'r.Get("/ready", h)'], ("/livez", "/ready")),
        (['r.Get("/ready", h)'], ("", "/ready")),
        (['r.Get("/health/deep", h)', "// /healthz"], ("", "")),
    ],
)
def test_the_probes(sources: list[str], found: tuple[str, str]) -> None:
    assert init.probes(sources) == found


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://git.example.com/team/web.git", "git.example.com", "team/web"),
        ("https://user:word@git.example.com/team/web", "git.example.com", "team/web"),
        ("git@git.example.com:team/sub/web.git", "git.example.com", "team/sub/web"),
        ("ssh://git@git.example.com:2222/team/web.git", "git.example.com", "team/web"),
        ("/srv/git/web.git", "", ""),
        ("", "", ""),
    ],
)
def test_a_remote(url: str, host: str, path: str) -> None:
    assert init.remote(url) == (host, path)


@pytest.mark.parametrize(
    ("url", "there", "platform", "registry"),
    [
        ("git@gitlab.example.com:Team/web.git", [], "gitlab", "registry.gitlab.example.com/team/web"),
        ("https://github.example.com/team/web", [], "github", ""),
        ("https://git.example.com/team/web", [], None, ""),
        ("https://git.example.com/team/web", [".github", "go.mod"], "github", ""),
        ("https://git.example.com/team/web", [".gitlab-ci.yml"], "gitlab", ""),
        ("", [], None, ""),
    ],
)
def test_what_a_remote_tells(url: str, there: list[str], platform: str | None, registry: str) -> None:
    assert (init.platform(url, there), init.registry(url)) == (platform, registry)


@pytest.mark.parametrize(
    ("path", "there", "wanted", "held"),
    [
        ("deploy.mk", "a\n", "a\n", True),
        ("deploy.mk", "a\nb\n", "a\n", False),
        (".gitignore", "bin/\n.env\n", ".env\n", True),
        (".gitignore", "bin/\n# .env\n", ".env\n", False),
        ("service/.dockerignore", "b\na/\n", "# why\na\nb\n", True),
        ("Makefile", "all:\n\ninclude deploy.mk\n", "include deploy.mk\n", True),
    ],
)
def test_what_a_file_has_already(path: str, there: str, wanted: str, held: bool) -> None:
    assert init.holds(path, there, wanted) is held
