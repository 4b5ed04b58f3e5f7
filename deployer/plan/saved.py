"""A plan in a file: what it was made from, so that an `up` does exactly that or says what has moved. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from deployer.errors import PreflightError, UsageError
from deployer.model import Target
from deployer.plan.facts import Facts, current

FORMAT = "deploy/plan/v1"


@dataclass(frozen=True)
class Saved:
    """What a plan stands on. Nothing secret: values are named by their hash, and secrets are not even in that."""

    environment: str
    context: str
    namespace: str
    release: str
    revision: int | None  # the newest one; None: nothing was released
    image: str  # registry/repository:tag
    digest: str | None  # None: the image was to be built
    tag: str | None  # as --tag gave it
    sha: str  # the commit
    values: str
    chart: str


def saved(environment: str, release: str, target: Target, facts: Facts, values: str, tag: str | None) -> Saved:
    """What a plan stands on; `values`: their fingerprint, `tag`: as it was given."""
    deployed, image = current(facts.history), facts.image
    return Saved(
        environment=environment,
        context=target.context,
        namespace=target.namespace,
        release=release,
        revision=deployed.number if deployed else None,
        image=image.tagged,
        digest=image.digest,
        tag=tag,
        sha=facts.source.sha if facts.source else "",
        values=values,
        chart=facts.chart,
    )


def text(made: Saved, preview: Mapping[str, Any]) -> str:
    """The file: for `up`, and with the preview for whoever reads it."""
    return json.dumps({"format": FORMAT, "plan": asdict(made), "preview": preview}, indent=2, ensure_ascii=False) + "\n"


def parse(file: str, content: str) -> Saved:
    """The plan in a file. Raises UsageError where it is none."""
    try:
        document = json.loads(content)
        kind = document.get("format")
        if kind == FORMAT:
            return Saved(**{one.name: document["plan"][one.name] for one in fields(Saved)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kind = None
    if isinstance(kind, str):
        raise UsageError(f"{file} is a plan of another version ({kind}; this deploy reads {FORMAT})", hint=_HINT)
    raise UsageError(f"{file} is no plan", hint=_HINT)


_HINT = "deploy plan --env ENV --out FILE writes one"


def demand(file: str, before: Saved, now: Saved) -> None:
    """Raises PreflightError where the world is not as it was when the plan was made."""
    found = tuple(_moved(before, now))
    if found:
        raise PreflightError(
            f"the plan in {file} does not hold any more: {found[0]}"
            + (f" (and {len(found) - 1} more)" * (len(found) > 1)),
            detail=found[1:],
            hint=f"make a new one: deploy plan --env {now.environment} --out {file}",
        )


def _moved(before: Saved, now: Saved) -> Iterator[str]:
    for what, was, is_ in (
        ("the release", f"{before.release} in {before.namespace}", f"{now.release} in {now.namespace}"),
        ("the context", before.context, now.context),
    ):
        if was != is_:
            yield f"{what} was {was}, and is {is_}"
    if before.revision != now.revision:
        yield f"the newest revision was {before.revision or 'none'}, and is {now.revision or 'none'}"
    if before.sha != now.sha:
        yield f"the commit was {before.sha[:12] or 'none'}, and is {now.sha[:12] or 'none'}"
    if before.image != now.image:
        yield f"the image was {before.image}, and is {now.image}"
    elif before.digest != now.digest:
        was, is_ = before.digest or "not in the registry", now.digest or "not in the registry"
        yield f"the image {now.image} was {was}, and is {is_}"
    if before.values != now.values:
        yield "the values are others: repeat the --set options of the plan, or look what changed in the profile"
    if before.chart != now.chart:
        yield "the chart's files changed"
