"""The profile's shape. With load.py the only pydantic import."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from deployer.health.limits import Limits
from deployer.metrics.query import PLACEHOLDERS, READY_MADE, unknown

_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def seconds(value: Any) -> Any:
    """`5m`, `1h30m`, `90s` or a number of seconds. Raises ValueError where it is none of these."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is expected, such as 90s, 5m or 1h30m")
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not value or not match:
        raise ValueError(f"`{value}` is not a duration; write it as 90s, 5m or 1h30m")
    return int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + int(match["s"] or 0)


def share(value: Any) -> Any:
    """`30%` or a number from 0 to 1, as a number. Raises ValueError where it is neither."""
    if isinstance(value, str) and (match := _SHARE.fullmatch(value)):
        return float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a share is expected: 30% or 0.3")
    return value


def fingerprint(value: Any) -> Any:
    """A SHA-256 as `AB:CD:…`, as openssl prints it, or with `sha256:` before it; all as plain hex."""
    return value.lower().removeprefix("sha256:").replace(":", "") if isinstance(value, str) else value


def platform(text: str) -> str:
    """`linux/amd64`, or with a variant `linux/arm/v7`. Raises ValueError for another spelling of one, or for none."""
    usual = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm/v7", "i386": "386"}
    system, _, machine = text.partition("/")
    meant = f"{system or 'linux'}/{usual[machine]}" if machine in usual else ""
    if text in {*usual, *usual.values()}:
        meant = f"linux/{usual.get(text, text)}"
    if meant:
        raise ValueError(f"`{text}` is not how a platform is written; did you mean `{meant}`?")
    if not _PLATFORM.fullmatch(text):
        raise ValueError(f"`{text}` is no platform; write linux/amd64, linux/arm64, linux/arm/v7")
    return text


_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(/v[0-9]+)?")

Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0, allow_inf_nan=False)]
Pause = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]
Share = Annotated[
    float, BeforeValidator(share), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "%$"}]})
]
DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
ReleaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=53)]
Fingerprint = Annotated[str, BeforeValidator(fingerprint), StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HOST = r"^[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?$"
Host = Annotated[str, StringConstraints(pattern=HOST)]
Repository = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$")]
Platform = Annotated[str, AfterValidator(lambda text: platform(text))]
CacheName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")
]
Provenance = Annotated[
    Literal["false", "min", "max"],
    BeforeValidator(lambda value: "false" if value is False else value),
    WithJsonSchema({"enum": [False, "min", "max"]}),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=False)


class Identity(_Section):
    """Which cluster the context must lead to. What is given must match; context names prove nothing."""

    server: str | None = Field(None, description="URL of the API server, as in the kubeconfig")
    ca_sha256: Fingerprint | None = Field(None, description="SHA-256 fingerprint of the cluster's CA certificate, hex")
    uid: str | None = Field(None, description="uid of the namespace kube-system")


class Target(_Section):
    """Where the release lives."""

    kubeconfig: str = Field("~/.kube/config", description="kubeconfig file; relative to the project folder")
    context: str = Field(description="context in the kubeconfig; the current context is never used")
    namespace: DnsLabel = Field(description="namespace of the release; it must exist; never kube-…")
    allow_default_namespace: bool = Field(False, description="let the release live in the namespace `default`")
    identity: Identity = Field(Identity(), description="which cluster this must be")


class Registry(_Section):
    """Where the image is pushed to."""

    url: Host = Field(description="host[:port] of the registry, without a scheme")
    username_variable: Variable | None = Field(None, description="variable of the job or .env that holds the user")
    password_variable: Variable | None = Field(None, description="variable of the job or .env that holds the password")
    pull_secret: DnsLabel | None = Field(None, description="image pull secret to create from the login, if any")


class ImageSettings(_Section):
    """How the image is built and named."""

    repository: Repository = Field(description="repository in the registry")
    context: Path = Field(Path("service"), description="build context, relative to the project folder")
    dockerfile: Path | None = Field(None, description="Dockerfile; by default the one in the context")
    tag: Literal["branch", "commit", "version"] = Field(
        "commit", description="branch: BRANCH-SHA; commit: SHA; version: the git tag of HEAD"
    )
    build_args: dict[str, str] = Field(default_factory=dict, description="build arguments; never a secret")
    builder: str | None = Field(None, min_length=1, description="builder of buildx that builds and pushes")
    platforms: tuple[Platform, ...] = Field((), description="platforms of the image, linux/amd64; none: the builder's")
    cache: CacheName | None = Field(
        None, description="repository[:tag] in the registry that keeps the layers for the next builder; tag: cache"
    )
    provenance: Provenance = Field("false", description="false, min, max: attest to how the image was built")
    sbom: bool | Annotated[str, Field(min_length=1)] = Field(
        False, description="attest to what is in the image: true, or the image of the generator"
    )

    @property
    def beyond_docker(self) -> bool:
        """Whether it takes a builder: the docker driver has one platform, no attestations and no cache elsewhere."""
        return bool(self.builder or self.platforms or self.cache or self.provenance != "false" or self.sbom)


class Release(_Section):
    """The Helm release."""

    name: ReleaseName = Field(description="name of the release")
    chart: Path = Field(Path("chart"), description="the chart, relative to the project folder")
    timeout: Duration = Field(300, description="longest time for helm, and longest time for the rollout")
    history_max: int = Field(10, ge=2, description="revisions that are kept")


@dataclass(frozen=True, config=ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_name=True))
class Health(Limits):
    """The rollout rules' limits and graces, in the profile's spelling."""

    @field_validator("*", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds(value) if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _possible(cls, value: float) -> float:
        if not 0 <= value < math.inf:
            raise ValueError("a number from 0 on is expected")
        return value


class CanaryStep(_Section):
    """One step of a canary."""

    weight: int = Field(ge=1, le=100, description="percent of the requests that the new version gets")
    pause: Pause = Field(60, description="how long it is watched at that weight")


class Canary(_Section):
    """A release in steps (strategy: canary)."""

    route: Literal["httproute", "istio"] = Field(
        "httproute", description="what splits the requests: an HTTPRoute of the Gateway API, or Istio's VirtualService"
    )
    steps: tuple[CanaryStep, ...] = Field((), description="weight (percent of the requests) and pause of each step")
    replicas: int | None = Field(None, ge=1, description="pods of the canary")
    share: Share | None = Field(
        None, description="its pods, as a share of the stable version's; by default the largest weight"
    )

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[CanaryStep, ...]) -> tuple[CanaryStep, ...]:
        for before, after in pairwise(steps):
            if after.weight <= before.weight:
                raise ValueError(f"weights must rise, and {after.weight} comes after {before.weight}")
        return steps

    @field_validator("share")
    @classmethod
    def _part(cls, share: float | None) -> float | None:
        if share is not None and share > 1:
            raise ValueError(
                f"{share:.0%} of the stable version's pods; it is 100% at most, and replicas says a number"
            )
        return share

    @model_validator(mode="after")
    def _one_size(self) -> "Canary":
        if self.replicas is not None and self.share is not None:
            raise ValueError("replicas and share both say how many pods the canary has; say one of them")
        return self


class Rollback(_Section):
    """What happens after a failed rollout."""

    automatic: bool = Field(True, description="put the last good revision back when the rollout is judged failed")


def several(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


def glob(pattern: str) -> str:
    """A pattern of names: `*`, `?` and `[0-9]` stand for what they do in a shell, and `*` for a `/` too.

    Raises ValueError for what was meant as a regular expression, or never ends: it would match nothing, unseen.
    """
    if not pattern:
        raise ValueError("a pattern is empty")
    if _REGEX.search(pattern):
        raise ValueError(f"`{pattern}` is a regular expression; patterns are globs, such as release/* or v[0-9]*")
    if "[" in re.sub(r"\[!?\]?[^]]*\]", "", pattern):
        raise ValueError(f"`{pattern}` has a [ that no ] closes")
    return pattern


def clock(value: Any) -> Any:
    """A time of day, `09:00` to `24:00`. Raises ValueError where it is none."""
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError(f'`{value}` is no time of day; write it as "09:00", at most "24:00"')
    return value


def span(value: Any) -> Any:
    """A day, `2026-12-24`, or days, `2026-12-24..2027-01-01`, both ends included. Raises ValueError elsewhere."""
    try:
        days = [date.fromisoformat(day) for day in str(value).split("..")]
    except ValueError:
        days = []
    if len(days) not in (1, 2) or not isinstance(value, str):
        raise ValueError(f"`{value}` is no date; write 2026-12-24, or 2026-12-24..2027-01-01")
    if days[0] > days[-1]:
        raise ValueError(f"`{value}` ends before it begins")
    return value


def zone(value: str) -> str:
    """The name of a time zone. Raises ValueError with the nearest one where there is none of that name."""
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # an unknown name, a folder of them, a path
        close = difflib.get_close_matches(value, sorted(available_timezones()), n=1, cutoff=0.5)
        near = f"; did you mean `{close[0]}`?" if close else ""
        raise ValueError(f"there is no time zone `{value}`{near}") from None
    return value


def budget(value: Any) -> Any:
    """A number of targets, or a share such as `10%`, as a number from 0 to 1. Raises ValueError where it is neither."""
    if isinstance(value, str) and (match := _SHARE.fullmatch(value)) and float(match[1]) <= 100:
        return float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a number of targets or a share of them is expected: 2 or 10%")
    return value


def selection(value: Any) -> Any:
    """Labels as a map, a share of the targets such as `10%`, or their number. Raises ValueError elsewhere."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if not isinstance(one, str):
                raise ValueError(f"label `{name}` is `{one}`; labels are text: write it in quotes")
        if not value:
            raise ValueError("a label is expected: {region: eu}")
        return dict(value)
    try:
        found = budget(value)
    except ValueError:
        found = 0
    if not found:
        raise ValueError("labels, a share or a number of targets is expected: {region: eu}, 10% or 3")
    return found


_REGEX = re.compile(r"^\^|\$$|[\\(|]|(^|[/-])\.\*")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Budget = Annotated[
    int | float,
    BeforeValidator(budget),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "%$"}]}),
]
Selection = Annotated[
    dict[str, str] | int | float,
    BeforeValidator(selection),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": "string"}},
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "%$"},
            ]
        }
    ),
]
Globs = Annotated[tuple[Annotated[str, AfterValidator(glob)], ...], BeforeValidator(several), WithJsonSchema(_LIST)]
Names = Annotated[tuple[str, ...], BeforeValidator(several), WithJsonSchema(_LIST)]
Clock = Annotated[str, BeforeValidator(clock)]
Span = Annotated[str, BeforeValidator(span)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
GuardName = Literal[
    "cleanTree",
    "branch",
    "tag",
    "signed",
    "ciOnly",
    "healthyIn",
    "window",
    "freeze",
    "maxReplicasChange",
    "maxResourcesChange",
    "confirm",
]


class Opening(_Section):
    """Hours on days of the week."""

    days: tuple[Day, ...] = Field(("mon", "tue", "wed", "thu", "fri"), min_length=1, description="days of the week")
    start: Clock = Field("00:00", alias="from", description="the first minute")
    end: Clock = Field("24:00", alias="to", description="the minute at which it is over")

    @model_validator(mode="after")
    def _forwards(self) -> "Opening":
        if self.start >= self.end:
            raise ValueError(
                f"from {self.start} is not before to {self.end}; over midnight there are two windows, "
                "one to 24:00 and one from 00:00"
            )
        return self


class Window(_Section):
    """When changes are allowed; without any opening, always but for `not`."""

    timezone: Annotated[str, AfterValidator(zone)] = Field("UTC", description="time zone of the hours and the days")
    open: tuple[Opening, ...] = Field((), description="windows: days (mon … sun), from and to; none: always open")
    closed: tuple[Span, ...] = Field((), alias="not", description="days without change: 2026-12-24..2027-01-01")


class Guards(_Section):
    """What must be true before anything is touched."""

    clean_tree: bool = Field(False, description="refuse a git tree with uncommitted changes")
    down: Literal["allow", "refuse"] | None = Field(
        None, description="whether `deploy down` may remove the release; where nothing is said, not in prod"
    )
    branch: Globs = Field((), description="globs: HEAD must be on a branch of such a name")
    tag: Globs = Field((), description="globs: HEAD must have a tag of such a name")
    signed: Literal["commit", "tag"] | None = Field(None, description="commit, tag: git must find its signature good")
    ci_only: bool = Field(False, description="refuse a run outside of CI")
    healthy_in: Names = Field((), description="environments: the image must be on record as healthy in each")
    window: Window = Field(Window())
    freeze: Path | None = Field(None, description="file that, where it is there, stops every change; it says why")
    max_replicas_change: Share | None = Field(None, description="30%: largest change of any workload's replicas")
    max_resources_change: Share | None = Field(None, description="30%: largest share of objects changed or removed")
    confirm: bool = Field(False, description="ask for the environment's name; in CI --yes and the job's environment")
    overridable: tuple[GuardName, ...] = Field((), description="guards that --override may pass over")

    @field_validator("healthy_in")
    @classmethod
    def _there(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = (info.context or {}).get("environments", names)
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
                near = f"; did you mean `{close[0]}`?" if close else ""
                raise ValueError(f"there is no other environment `{name}`{near}")
        return names


class Lock(_Section):
    """One deploy of a release at a time."""

    wait: Duration = Field(600, description="in CI: how long another deploy of the release is waited for")
    ttl: Duration = Field(
        30, ge=5, description="how long a run may give no sign of life before its lease is taken over"
    )


class ArgoCD(_Section):
    """Where Argo CD takes the release from, and the Application that does; only for `delivery: argocd`."""

    application: DnsLabel | None = Field(None, description="name of the Application; by default RELEASE-ENVIRONMENT")
    namespace: DnsLabel = Field("argocd", description="namespace of the Application")
    context: str | None = Field(None, description="context of Argo CD's own cluster; by default target.context")
    repository: str | None = Field(None, description="URL of the configuration repository, without a login")
    branch: str = Field("main", min_length=1, description="branch that the Application follows")
    path: str | None = Field(None, description="folder in it that is this release's; by default RELEASE/ENVIRONMENT")
    username_variable: Variable | None = Field(None, description="variable that holds the user of the repository")
    password_variable: Variable | None = Field(None, description="variable that holds its password or token")
    push: Literal["branch", "mergeRequest"] = Field(
        "branch", description="branch: commit to it; mergeRequest: to a branch of its own, for people to merge"
    )

    @field_validator("repository")
    @classmethod
    def _readable(cls, url: str | None) -> str | None:
        if url and _parts(url) is None:
            raise ValueError(f"`{re.sub('(?<=//)[^/]*@', '', url)}` is no URL of a git repository")
        return url


def _or_its_name(schema: dict[str, Any]) -> None:
    """A ready-made guard may be written as its name alone."""
    schema["items"] = {"anyOf": [{"enum": list(READY_MADE)}, schema["items"]]}


class MetricGuard(_Section):
    """A metric that is watched after a rollout, and what it may be."""

    name: str = Field(min_length=1, description="errorRatio, latencyP99, or a name of your own with a query")
    query: str | None = Field(None, description="PromQL with placeholders such as $pods; not for ready-made ones")
    max: float | None = Field(None, description="the largest value that is allowed")
    min: float | None = Field(None, description="the smallest value that is allowed")
    max_ratio_to_previous: float | None = Field(None, gt=0, description="at most so many times the previous value")
    min_ratio_to_previous: float | None = Field(None, gt=0, description="at least so many times the previous value")
    margin: float | None = Field(None, ge=0, description="by how much more than that it may differ")
    window: Duration | None = Field(None, description="what $window stands for; metrics.window by default")
    interval: Duration | None = Field(None, description="time between looks; metrics.interval by default")
    fail_after: int | None = Field(None, ge=1, description="breaches in a row that fail; metrics.failAfter by default")
    min_requests: int | None = Field(None, ge=0, description="of a ready-made guard: fewer in the window are no data")
    no_data: Literal["ignore", "fail"] | None = Field(None, description="metrics.noData by default")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _judging(self) -> "MetricGuard":
        if self.name in READY_MADE:
            if self.query is not None:
                raise ValueError(f"`{self.name}` is ready-made; a query of your own needs another name")
            return self
        if self.query is None:
            raise ValueError(
                f"`{self.name}` needs a query{_near(self.name, READY_MADE)}; ready-made are {', '.join(READY_MADE)}"
            )
        for name in unknown(self.query):
            raise ValueError(
                f"the query of `{self.name}` has ${name}, which stands for nothing{_near(name, PLACEHOLDERS)}; "
                "a dollar sign is written $$"
            )
        bounds = (self.max, self.min, self.max_ratio_to_previous, self.min_ratio_to_previous)
        if all(bound is None for bound in bounds):
            raise ValueError(f"`{self.name}` has no bound: give it max, min, maxRatioToPrevious or minRatioToPrevious")
        if self.min_requests is not None:
            raise ValueError(f"minRequests is for ready-made guards; say it in the query of `{self.name}`")
        return self


class Metrics(_Section):
    """Metrics that are watched after the pods are ready; a breach is a failed rollout."""

    url: str | None = Field(None, description="Prometheus, or what speaks its API; without it nothing is watched")
    bearer_token_variable: Variable | None = Field(None, description="variable of the job or .env that holds a token")
    username_variable: Variable | None = Field(None, description="variable that holds the user of a login")
    password_variable: Variable | None = Field(None, description="variable that holds the password of a login")
    headers: dict[str, Variable] = Field(default_factory=dict, description="header: variable that holds its value")
    timeout: Duration = Field(10, description="longest time for one question")
    duration: Duration = Field(120, description="how long the guards are watched")
    window: Duration = Field(60, description="what $window stands for: twice the scrape interval or more")
    interval: Duration = Field(10, description="time between looks: the scrape interval or more")
    fail_after: int | None = Field(
        None, ge=1, description="breaches in a row that fail the rollout; by default as many as outlast the window"
    )
    no_data: Literal["ignore", "fail"] = Field("ignore", description="whether no data for a window is a breach")
    unreachable: Literal["warn", "indeterminate"] = Field(
        "warn", description="what becomes of a rollout whose metrics cannot be asked; it is never rolled back"
    )
    guards: tuple[MetricGuard, ...] = Field(
        (),
        description="what is watched: ready-made names, or queries with bounds; none: all ready-made ones",
        json_schema_extra=_or_its_name,
    )

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        return plain_url(url) if url else None

    @model_validator(mode="after")
    def _once(self) -> "Metrics":
        names = [one.name for one in self.guards]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"there are two guards of the name `{twice}`")
        if (self.username_variable is None) != (self.password_variable is None):
            raise ValueError("usernameVariable and passwordVariable belong together")
        if self.bearer_token_variable and self.username_variable:
            raise ValueError("bearerTokenVariable and usernameVariable are two logins, and one is used")
        return self


class Telemetry(_Section):
    """Who is told of each run: what cannot be told is a warning."""

    otlp: str | None = Field(None, description="collector that takes OTLP over HTTP: a trace and figures of each run")
    headers: dict[str, Variable] = Field(
        default_factory=dict, description="header for the collector: variable that holds its value"
    )
    pushgateway: str | None = Field(None, description="Prometheus' Pushgateway: figures of each run")
    grafana: str | None = Field(None, description="Grafana: an annotation for each run that changed something")
    grafana_token_variable: Variable | None = Field(None, description="variable that holds Grafana's token")
    file: Path | None = Field(None, description="the annotations as lines of JSON, in a file of the project folder")
    timeout: Duration = Field(3, description="longest time for all of it together, at the end of a run")

    @field_validator("otlp", "pushgateway", "grafana")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        return plain_url(url) if url else None  # ${OTLP:} names nobody


def plain_url(url: str) -> str:
    """A URL of http or https. Raises ValueError where it is none, or holds a login."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL is expected, such as https://prometheus.example.com")
    if parts.password or parts.username:
        raise ValueError("a login does not belong into the URL: name the variables that hold it")
    return url


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL; None where it has none: a bracket that does not end, a port that is no number."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


class Tools(_Section):
    """The programs to run."""

    helm: str = Field("helm", description="helm 3 or 4: a name on PATH, or a path")
    docker: str = Field("docker", description="the docker CLI: a name on PATH, or a path")
    sops: str = Field("sops", description="sops 3.9 or later: a name on PATH, or a path")


class FleetTarget(_Section):
    """One of many places where the release lives; what it does not say is the profile's."""

    name: DnsLabel = Field(description="what reports and --target call it")
    labels: dict[str, str] = Field(default_factory=dict, description="what waves and --select choose by")
    kubeconfig: str | None = Field(None, description="in place of target.kubeconfig")
    context: str | None = Field(None, description="in place of target.context")
    namespace: DnsLabel | None = Field(None, description="in place of target.namespace")
    identity: Identity | None = Field(None, description="in place of target.identity")
    values: dict[str, Any] = Field(default_factory=dict, description="Helm values over all but --set")

    def over(self, target: Target) -> Target:
        """Where it is."""
        own = {key: getattr(self, key) for key in ("kubeconfig", "context", "namespace", "identity")}
        return target.model_copy(update={key: value for key, value in own.items() if value is not None})


class FleetWave(_Section):
    """Targets that are deployed before others."""

    name: DnsLabel = Field(description="what reports call it")
    select: Selection = Field(description="labels, a share of all targets (10%), or their number")
    pause: Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)] = Field(
        0, description="how long to wait after it, before the next one"
    )
    gate: Literal["budget", "healthy", "ask"] = Field(
        "budget", description="what the next wave needs: the budget is not used up; no failure; a person says yes"
    )
    failure_budget: Budget | None = Field(None, description="failures that are tolerated in this wave: 2 or 10%")


class Fleet(_Section):
    """How an environment of many targets is deployed."""

    concurrency: int = Field(8, ge=1, le=64, description="targets, and so helm programs, at work at once")
    waves: tuple[FleetWave, ...] = Field((), description="which targets come first; the rest is the last wave")
    failure_budget: Budget = Field(0, description="failures that are tolerated in all: 2 or 10%")
    retries: int = Field(1, ge=0, le=10, description="further tries of a target that failed")
    offline: Literal["skip", "fail"] = Field(
        "skip", description="what a target is whose API does not answer: left out, or a failure"
    )
    connect_timeout: Duration = Field(5, description="how long a target's API may take to answer, before it is offline")


class Profile(_Section):
    """One environment, all layers merged and filled in."""

    target: Target
    targets: tuple[FleetTarget, ...] = Field(
        (), description="many places instead of one, here or in environments/<env>.targets.yaml; see docs/fleet.md"
    )
    fleet: Fleet = Field(Fleet())
    protected: bool | None = Field(
        None, description="target.identity must pin the cluster by uid or caSha256; always so in `prod`"
    )
    registry: Registry
    image: ImageSettings
    release: Release
    delivery: Literal["helm", "argocd"] = Field(
        "helm", description="helm: released from here; argocd: committed to a repository, and released by Argo CD"
    )
    argocd: ArgoCD = Field(ArgoCD())
    health: Health = Field(default_factory=Health, description="limits and graces of the rollout rules")
    strategy: Literal["rolling", "canary"] = Field(
        "rolling", description="rolling: all pods at once, as Kubernetes does; canary: in steps of requests"
    )
    canary: Canary = Field(Canary())
    rollback: Rollback = Field(Rollback())
    guards: Guards = Field(Guards())
    metrics: Metrics = Field(Metrics())
    telemetry: Telemetry = Field(Telemetry())
    lock: Lock = Field(Lock())
    tools: Tools = Field(Tools())
    secrets: dict[str, Variable] = Field(
        default_factory=dict, description="path in the values: variable of the job or .env that holds the secret"
    )
    value_files: tuple[str, ...] = Field(
        (), description="files of Helm values over `values:`, relative to the project folder, the last one strongest"
    )
    secret_files: tuple[Path, ...] = Field(
        (), description="more files that sops encrypted, over environments/<env>.secrets.yaml, the last one on top"
    )
    values: dict[str, Any] = Field(default_factory=dict, description="Helm values of the chart")
