"""`deploy init`: what a repository with a Go service needs to be deployed, made from the working example. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

PORT = 8080
"""Where the example listens, and what the chart says in PORT."""

CONTEXT = "service"
"""The build context where a profile names none."""

Platform = Literal["github", "gitlab"]
PIPELINES: Mapping[Platform, str] = {"github": ".github/workflows/deploy.yml", "gitlab": ".gitlab-ci.yml"}
"""Where each platform wants its pipeline."""

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LONGEST = 53
"""Characters in the name of a release."""

_ALIVE = ("/healthz", "/livez", "/health")
_READY = ("/readyz", "/ready")
_LISTS = (".gitignore", ".dockerignore", "Makefile")
_OURS = ("chart", "environments", ".github", ".gitlab-ci.yml", "deploy.mk", "Makefile")


@dataclass(frozen=True)
class Service:
    """What was seen of a service, or asked."""

    name: str  # of release, chart and image: a DNS label
    context: str  # build context, relative to the project: "." or "service"
    module: str  # the folder of go.mod, relative to the project
    main: str  # the package to build, relative to the module: "." or "./cmd/web"
    port: int
    alive: str  # path of the liveness probe; empty: the port is probed
    ready: str  # path of the readiness probe; empty: the port is probed
    registry: str  # host[:port][/prefix]; empty: the job's REGISTRY_URL
    ci: Platform
    arguments: frozenset[str] | None  # of the Dockerfile that is there; None: there is none


def files(service: Service, shipped: Mapping[str, str]) -> dict[str, str]:
    """Every file that the repository should have, path → text. `shipped`: the working example and the templates."""
    made = {path: text for path, text in shipped.items() if path.startswith("chart/")}
    made["chart/Chart.yaml"] = _once(made["chart/Chart.yaml"], "\nname: web\n", f"\nname: {service.name}\n")
    for path, text in shipped.items():
        if path.startswith("environments/"):
            made[path] = re.sub(r"\n    GREETING: .*", "", text)
    made["environments/base.yaml"] = _base(service, made["environments/base.yaml"])
    made["environments/prod.yaml"] = _prod(made["environments/prod.yaml"])
    if service.arguments is None:
        where = "" if service.context == "." else f"{service.context}/"
        made[f"{where}Dockerfile"] = _dockerfile(service, shipped["service/Dockerfile"])
        more = "".join(f"{name}\n" for name in _OURS) if service.context == "." else ""
        made[f"{where}.dockerignore"] = shipped["service/.dockerignore"] + more
    pipeline = shipped[f"templates/{service.ci}.yml"].replace("SERVICE_FOLDER", service.module)
    if service.registry:  # an empty variable would win over the profile's default
        pipeline = pipeline.replace("  REGISTRY_URL: ${{ vars.REGISTRY_URL }}\n", "")
    made[PIPELINES[service.ci]] = pipeline
    made["deploy.mk"] = shipped["templates/deploy.mk"].replace("SERVICE_FOLDER", service.module)
    made["Makefile"] = "include deploy.mk\n"
    made[".gitignore"] = ".env\n"
    return dict(sorted(made.items()))


def units(paths: Iterable[str]) -> dict[str, list[str]]:
    """The paths by what is written whole or not at all: the chart is one thing, every other file is one."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault("chart" if path.startswith("chart/") else path, []).append(path)
    return found


def holds(path: str, there: str, wanted: str) -> bool:
    """Whether a file that exists has what would be written: it is the same, or a list of lines that has ours."""
    if path.rpartition("/")[2] in _LISTS:
        return set(_lines(wanted)) <= set(_lines(there))
    return there == wanted


def name(module: str) -> str:
    """The name of a service from its go.mod: the last element of the module's path that is no version."""
    match = re.search(r"^module\s+\"?([^\s\"]+)", module, re.MULTILINE)
    parts = [part for part in (match[1] if match else "").split("/") if not re.fullmatch(r"v\d+", part)]
    words = re.sub(r"[^a-z0-9]+", "-", parts[-1].lower() if parts else "")
    return words[:LONGEST].strip("-")


def exposed(dockerfile: str) -> int | None:
    """The port of the last EXPOSE that names one."""
    found = re.findall(r"^\s*EXPOSE\s+(\d+)(?:/tcp)?(?=\s|$)", dockerfile, re.MULTILINE | re.IGNORECASE)
    return int(found[-1]) if found else None


def arguments(dockerfile: str) -> frozenset[str]:
    """The names of a Dockerfile's build arguments."""
    return frozenset(re.findall(r"^\s*ARG\s+([A-Za-z_]\w*)", dockerfile, re.MULTILINE | re.IGNORECASE))


def probes(sources: Iterable[str]) -> tuple[str, str]:
    """The paths of liveness and readiness that the sources name, as string literals; empty where they name none."""
    literals = {path for text in sources for path in re.findall(r"[\"`](?:GET )?(/[a-z]+)[\"`]", text)}
    alive = next((path for path in _ALIVE if path in literals), "")
    return alive, next((path for path in _READY if path in literals), alive)


def is_main(source: str) -> bool:
    """Whether a Go file belongs to a program."""
    return re.search(r"^package main\b", source, re.MULTILINE) is not None


def remote(url: str) -> tuple[str, str]:
    """Host and path of a git remote: `git@host:team/web.git`, `https://host/team/web`. Empty where it is neither."""
    match = re.fullmatch(
        r"(?:(?:https?|ssh|git)://)?(?:[^@/]+@)?([A-Za-z0-9.-]+)(?::\d+(?=/))?[:/](.+?)(?:\.git)?/?", url
    )
    return (match[1].lower(), match[2]) if match else ("", "")


def registry(url: str) -> str:
    """The registry that belongs to a git remote: GitLab has one for each project. Empty where none is known."""
    host, path = remote(url)
    return f"registry.{host}/{path.lower()}" if "gitlab" in host else ""


def platform(url: str, there: Iterable[str]) -> Platform | None:
    """The CI platform that the repository's files or its remote tell."""
    known = set(there)
    host, _ = remote(url)
    for one, marks in (("gitlab", {".gitlab-ci.yml"}), ("github", {".github"})):
        if known & marks or one in host:
            return "gitlab" if one == "gitlab" else "github"
    return None


def _lines(text: str) -> Iterable[str]:
    return (line.strip().rstrip("/") for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _base(service: Service, text: str) -> str:
    context = "" if service.context == CONTEXT else f"  context: {service.context}\n"
    text = _once(text, "  repository: web\n", f"  repository: {service.name}\n{context}")
    text = _once(text, "\n  name: web\n", f"\n  name: {service.name}\n")
    if service.registry:
        text = _once(text, "  url: ${REGISTRY_URL}\n", f"  url: ${{REGISTRY_URL:{service.registry}}}\n")
    if service.arguments is not None:
        for argument in ("GO_IMAGE", "RUNTIME_IMAGE"):
            if argument not in service.arguments:
                text = re.sub(rf"    {argument}: .*\n", "", text)
        text = re.sub(r"  buildArgs:.*\n(?!    )", "", text)
    return _once(text, "\nvalues:\n", "\nvalues:\n" + "".join(f"  {line}\n" for line in _values(service)))


def _prod(text: str) -> str:
    """The pipeline promotes every commit of the default branch: what counts is that test has seen it, not a tag."""
    text = _once(text, "\nimage:\n  tag: version # the git tag of HEAD, e.g. v1.4.0\n", "")
    text = _once(text, " healthyIn: [test], window,", " tag: v[0-9]*, window,")
    return _once(text, "\n  tag: v[0-9]*\n", "\n  healthyIn: [test]\n")


def _values(service: Service) -> Iterable[str]:
    """What differs from the example's service, as lines of YAML."""
    if service.port != PORT:
        yield f"containerPort: {service.port}"
    for probe, path, usual in (
        ("startupProbe", service.alive, "/healthz"),
        ("livenessProbe", service.alive, "/healthz"),
        ("readinessProbe", service.ready, "/readyz"),
    ):
        if not path:
            yield f"{probe}: {{ httpGet: null, tcpSocket: {{ port: http }} }} # no path is known that tells more"
        elif path != usual:
            yield f"{probe}: {{ httpGet: {{ path: {_plain(path)} }} }}"
    yield "lifecycle: { preStop: { sleep: { seconds: 5 } } } # serves until nobody sends more; from Kubernetes 1.30 on"
    yield "test: { enabled: false } # helm test runs the image with -check URL: for a service that can do that"


def _plain(path: str) -> str:
    """A path as a value of YAML."""
    return path if re.fullmatch(r"[\w./~-]+", path, re.ASCII) else json.dumps(path)


def _dockerfile(service: Service, text: str) -> str:
    name, main = service.name, service.main
    text = _once(text, "COPY go.mod go.sum ./", "COPY go.mod go.sum* ./")  # no dependencies, no go.sum
    text = _once(text, "-o /out/web .\n", f"-o /out/{name} {main}\n")
    text = _once(text, "COPY --from=build /out/web /web", f"COPY --from=build /out/{name} /{name}")
    text = _once(text, 'ENTRYPOINT ["/web"]', f'ENTRYPOINT ["/{name}"]')
    text = _once(text, f"EXPOSE {PORT}\n", f"EXPOSE {service.port}\n")
    text = _once(text, 'image.title="web"', f'image.title="{name}"')
    return re.sub(r"( +)org\.opencontainers\.image\.description=.*\n +", r"\1", text)


def _once(text: str, old: str, new: str) -> str:
    """Replace what stands in the text exactly once: the example and this module are changed together."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
    return text.replace(old, new)
