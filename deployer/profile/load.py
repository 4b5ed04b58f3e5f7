"""environments/base.yaml under environments/<env>.yaml, filled in and checked; all problems at once."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from deployer.errors import UsageError
from deployer.profile.schema import Profile, Target
from deployer.profile.sources import TARGETS, VALUES, Lack, Sources, dotted, environments, nearest, sources
from deployer.values import layers as stack
from deployer.values.document import Keys
from deployer.values.layers import Layer

RESERVED = "kube-"
"""Namespaces that begin so are Kubernetes' own."""

PLACE = ("context", "namespace")
"""What a target needs, of its own or from `target:`."""

LAST = ("rest", "all")
"""What reports call the targets that no wave names."""

PRODUCTION = "prod"
"""The environment that is always protected."""


@dataclass(frozen=True)
class Read:
    """An environment as far as it can be read, with everything that is wrong with it."""

    profile: Profile | None  # None where there are problems
    layers: tuple[Layer, ...]
    lacks: tuple[Lack, ...]  # variables that are not set
    problems: tuple[str, ...]  # what the profile's shape does not allow, each with its place
    refusals: tuple[str, ...]  # a cluster or a namespace that it may not mean

    def checked(self) -> Profile:
        """The profile, where nothing is wrong with it. Raises UsageError that lists every problem."""
        if self.lacks:
            raise _unset(self.lacks)
        problems = self.problems + self.refusals
        if problems or self.profile is None:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise UsageError(problems[0] + more, detail=problems[1:])
        return self.profile


def load(project: Path, environment: str, variables: Mapping[str, str]) -> Profile:
    """The profile of an environment. Raises UsageError that lists every problem with file, line and key."""
    return read(project, environment, variables).checked()


def read(project: Path, environment: str, variables: Mapping[str, str]) -> Read:
    """All that can be said of an environment, even where variables are missing: what they fill is not judged.

    Raises UsageError for an environment that is not there, and for what is no YAML.
    """
    found = sources(project, environment, variables)
    filled = found.filled({**variables, **{lack.name: STAND_IN for lack in found.lacks}}) if found.lacks else found
    others = tuple(name for name in environments(project) if name != environment)
    profile, problems = _validated(filled, frozenset(lack.keys for lack in found.lacks), others)
    return Read(profile, found.layers, found.lacks, problems, tuple(_refusals(filled, environment, profile)))


STAND_IN = "unset"
"""What a missing variable is taken for, where only the rest is judged: a name wherever a name is wanted."""


def defaults() -> Layer:
    """What a profile has where no file says anything."""
    return stack.everywhere(stack.DEFAULT, _defaults(Profile), "the profile's default")


def _unset(lacks: tuple[Lack, ...]) -> UsageError:
    unset = sorted({lack.name for lack in lacks})
    return UsageError(
        f"variable{'s' if len(unset) > 1 else ''} not set: {', '.join(unset)}",
        detail=tuple(map(str, lacks)),
        hint="set them in the job or in .env, or give a default: ${NAME:default}",
    )


def _validated(
    found: Sources, unknown: frozenset[Keys], others: tuple[str, ...]
) -> tuple[Profile | None, tuple[str, ...]]:
    """The profile, or what is wrong with it, but for the key paths whose value nobody knows."""
    # x-…: a team's own notes. A null takes back what the base says; among the values it is helm's to understand.
    data = stack.merged(found.layers)
    kept = {key: value for key, value in data.items() if value is not None and not key.startswith("x-")}
    data = {key: value if key == VALUES else _without_nulls(value) for key, value in kept.items()}
    first = _first(data)
    if first:
        data = {**data, "target": {**first, **(data.get("target") or {})}}
    try:
        return Profile.model_validate(data, context={"environments": others}), ()
    except ValidationError as error:
        problems = [(_written(data, tuple(one["loc"])), one) for one in error.errors()]
        taken = {("target", key) for key in first}  # what is wrong with these is said of the target they are of
        return None, tuple(_explain(found, keys, one) for keys, one in problems if keys not in unknown | taken)


def _first(data: Mapping[str, Any]) -> dict[str, Any]:
    """Where each target says its context and its namespace, `target:` need not: what it has of the first."""
    targets, target = data.get(TARGETS), data.get("target") or {}
    if not (isinstance(targets, list) and targets and isinstance(targets[0], Mapping) and isinstance(target, Mapping)):
        return {}
    return {key: targets[0][key] for key in PLACE if key in targets[0] and key not in target}


def _written(data: Any, keys: Keys) -> Keys:
    """The key path as far as the data goes: pydantic adds which kind of many it tried, or an index of its own."""
    for depth, key in enumerate(keys):
        if isinstance(data, Mapping):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return keys[:depth]
    return keys


def _refusals(found: Sources, environment: str, profile: Profile | None) -> Iterator[str]:
    """Where a profile may not lead, whatever the cluster says."""
    if profile is None:
        return
    if environment == PRODUCTION and profile.protected is False:
        yield f"{found.place(('protected',))}: `{PRODUCTION}` is always protected"
    yield from _registry(found, profile.registry.url)
    if not profile.targets:
        yield from _led(found, environment, profile, profile.target, ("target",))
    for index, one in enumerate(profile.targets):
        yield from _led(found, environment, profile, one.over(profile.target), (TARGETS, index))
    yield from _unlike(found, profile)
    yield from _strategy(found, profile)
    yield from _delivery(found, profile)


def _registry(found: Sources, url: str) -> Iterator[str]:
    """Where docker would push to another registry than the one that is asked."""
    place, (host, _, rest) = found.place(("registry", "url")), url.partition("/")
    port = host.partition(":")[2]
    if port and int(port) > 65535:
        yield f"{place}: registry.url: {port} is no port"
    if url != STAND_IN and host != "localhost" and not re.search(r"[.:A-Z]", host):
        yield (
            f"{place}: registry.url is `{url}`, which docker takes for a name at Docker Hub; give `{host}` its port or "
            f"its whole name, `{host}:443{'/' * bool(rest)}{rest}`; at Docker Hub it is docker.io/{url}"
        )


def _led(found: Sources, environment: str, profile: Profile, target: Target, keys: Keys) -> Iterator[str]:
    """Where one target may not lead."""
    path, identity = dotted(keys), target.identity
    if (profile.protected or environment == PRODUCTION) and not (identity.uid or identity.ca_sha256):
        yield (
            f"{found.place((*keys, 'identity'))}: `{environment}` is protected, so {path}.identity must pin its "
            f"cluster by uid or caSha256"
            + (f"; `deploy config pin --env {environment}` writes them" if not profile.targets else "")
        )
    place = found.place((*keys, "namespace"))
    if target.namespace.startswith(RESERVED):
        yield f"{place}: {path}.namespace is `{target.namespace}`: what begins with {RESERVED} is Kubernetes' own"
    if target.namespace == "default" and not profile.target.allow_default_namespace:
        yield (
            f"{place}: {path}.namespace is `default`, where everything lands that names no namespace; "
            "give the release one of its own, or set target.allowDefaultNamespace: true"
        )


def _delivery(found: Sources, profile: Profile) -> Iterator[str]:
    """What does not go with the way the release is delivered."""
    settings = profile.argocd
    match profile.delivery:
        case "helm":
            owner = stack.owner(found.layers, ("argocd",)) if "argocd" in profile.model_fields_set else None
            if owner and owner.name == stack.ENVIRONMENT:  # the base may say it for others
                yield f"{found.place(('argocd',))}: argocd is only for `delivery: argocd`, and this one is by helm"
        case "argocd":
            if not settings.repository:
                yield (
                    f"{found.place(('delivery',))}: delivery is argocd, and argocd.repository is missing: the URL of "
                    "the repository that Argo CD deploys from"
                )
            if profile.targets:
                yield (
                    f"{found.place((TARGETS,))}: targets go by helm, wave after wave; with delivery: argocd an "
                    "ApplicationSet brings what is committed to many clusters"
                )
            for key, other in (("username", "password"), ("password", "username")):
                if getattr(settings, f"{key}_variable") and not getattr(settings, f"{other}_variable"):
                    yield (
                        f"{found.place(('argocd', f'{key}Variable'))}: argocd.{key}Variable goes with "
                        f"argocd.{other}Variable, which is missing"
                    )
            if profile.strategy == "canary":
                yield (
                    f"{found.place(('strategy',))}: a canary goes by helm, step after step; with delivery: argocd "
                    "the strategy is rolling"
                )
            for path in profile.secrets:
                yield (
                    f"{found.place(('secrets', path))}: the secret {path} is a variable's, and would stand in git for "
                    "all to read; with delivery: argocd keep it in a file of sops, or in a Secret of the cluster"
                )


def _unlike(found: Sources, profile: Profile) -> Iterator[str]:
    """Targets that cannot be told apart, lead nowhere, or are in no wave that names them."""
    shared = stack.merged(found.layers).get("target") or {}
    names: dict[str, int] = {}
    places: dict[tuple[str, str, str], int] = {}
    for index, one in enumerate(profile.targets):
        for key in PLACE:
            if getattr(one, key) is None and key not in shared:
                place = found.place((TARGETS, index))
                yield f"{place}: target `{one.name}` has no {key}, and there is no target.{key} for all"
        if names.setdefault(one.name, index) != index:
            yield f"{found.place((TARGETS, index, 'name'))}: there are two targets `{one.name}`"
        there = one.over(profile.target)
        first = places.setdefault((there.kubeconfig, there.context, there.namespace), index)
        if first != index:
            yield (
                f"{found.place((TARGETS, index))}: target `{one.name}` is where `{profile.targets[first].name}` is: "
                f"namespace {there.namespace} of context {there.context}"
            )
    waves: dict[str, int] = {}
    for index, wave in enumerate(profile.fleet.waves):
        at = ("fleet", "waves", index)
        if wave.name in LAST:
            yield f"{found.place((*at, 'name'))}: no wave can be called `{wave.name}`: that is whoever no wave names"
        if waves.setdefault(wave.name, index) != index:
            yield f"{found.place((*at, 'name'))}: there are two waves `{wave.name}`"
        if isinstance(wave.select, dict) and profile.targets:
            for key, value in wave.select.items():
                known = tuple(dict.fromkeys(one.labels[key] for one in profile.targets if key in one.labels))
                keys = tuple(dict.fromkeys(name for one in profile.targets for name in one.labels))
                if not known:
                    yield f"{found.place((*at, 'select', key))}: no target has the label `{key}`{nearest(key, keys)}"
                elif value not in known:
                    yield (
                        f"{found.place((*at, 'select', key))}: no target has the label {key}={value}"
                        f"{nearest(value, known)}"
                    )


def _strategy(found: Sources, profile: Profile) -> Iterator[str]:
    """What a canary cannot be without."""
    if profile.strategy != "canary":
        return
    place = found.place(("strategy",))
    if not profile.canary.steps:
        yield f"{place}: strategy is canary, so canary.steps must say its steps: [{{weight: 5, pause: 1m}}, …]"
    if not profile.rollback.automatic:
        yield (
            f"{found.place(('rollback', 'automatic'))}: strategy is canary, which takes a bad version back by itself, "
            "so rollback.automatic cannot be false"
        )


def _defaults(section: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        kind, key = field.annotation, field.alias or name
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found[key] = _defaults(kind)
        elif not field.is_required():
            value = field.get_default(call_default_factory=True)
            if dataclasses.is_dataclass(value):
                value = {to_camel(one.name): getattr(value, one.name) for one in dataclasses.fields(value)}
            found[key] = str(value) if isinstance(value, Path) else value
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value is not None
    }


def _without_nulls(data: Any) -> Any:
    if not isinstance(data, Mapping):
        return data
    return {key: _without_nulls(value) for key, value in data.items() if value is not None}


def _explain(found: Sources, keys: Keys, problem: Any) -> str:
    place, path, given = found.place(keys), dotted(keys), found.written(keys, problem["input"])
    match problem["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            section = f" in {dotted(keys[:-1])}" if keys[:-1] else ""
            return f"{place}: unknown key `{keys[-1]}`{section}{nearest(str(keys[-1]), tuple(_known(keys[:-1])))}"
        case "missing":
            return f"{place}: `{path}` is required and missing"
        case "literal_error":
            allowed = tuple(re.findall(r"'([^']+)'", problem["ctx"]["expected"]))
            meant = nearest(str(given), allowed)
            return f"{place}: {path} is `{given}`; it must be one of {', '.join(allowed)}{meant}"
        case "string_pattern_mismatch" if (
            "a-z0-9" in problem["ctx"]["pattern"] and "_" not in problem["ctx"]["pattern"]
        ):
            return (
                f"{place}: {path} is `{given}`, which is not a DNS label: "
                "small letters, digits and hyphens, a letter or digit at both ends"
            )
        case "value_error":
            said = str(problem["ctx"]["error"]).replace(str(problem["input"]), str(given))
            return f"{place}: {path}: {said}"
        case _:
            message = problem["msg"].removeprefix("Input ").replace("Input ", "it ")
            value = f" is `{given}`" if isinstance(given, str | int | float | bool) else ""
            return f"{place}: {path}{value}: {message}"


def _known(keys: Keys) -> Iterator[str]:
    """The keys that a section of the profile knows."""
    section: Any = Profile
    for key in keys:
        if isinstance(key, int):  # an item of the list that the section before is made of
            continue
        fields = getattr(section, "model_fields", {})
        found = next((field for field in fields.values() if field.alias == key), None)
        if found is None:
            return
        section = next(iter(get_args(found.annotation)), found.annotation)
    if isinstance(section, type) and issubclass(section, BaseModel):
        yield from (field.alias or name for name, field in section.model_fields.items())
    elif dataclasses.is_dataclass(section):
        yield from (to_camel(field.name) for field in dataclasses.fields(section))
