"""What one release has otherwise than another: chart, images, values. Pure."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deployer.mask import MASK, Mask
from deployer.model import Values
from deployer.values.assign import keys
from deployer.values.compare import ABSENT, changes, dotted
from deployer.values.document import objects

SHOWN = 100
"""Characters of a value that are shown."""

_SECRET = re.compile(r"secret|passw|token|credential|private|api_?key", re.IGNORECASE)
"""Names that promise a secret. Helm's record may hold one that no profile names any more."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs, in text. A secret value shows that it differs, and nothing more."""

    what: str  # "chart", "image of deployment/web, container web", "values: env.LOG_LEVEL"
    before: str | None  # None: it was not there
    after: str | None  # None: it is not there any more


@dataclass(frozen=True)
class Content:
    """What a revision is made of."""

    chart: str  # name-version
    manifest: str
    values: Values


def differences(before: Content, after: Content, secrets: Iterable[str]) -> tuple[Difference, ...]:
    r"""From one revision to another. `secrets` are paths in the values (`a.b`, a dot in a key as `\.`).

    What either revision has put into a Secret is hidden too, and what only sounds like a secret: the profile may have
    named it once, and does no more.
    """
    mask = Mask((*_secrets(before.manifest), *_secrets(after.manifest)))
    return tuple(_differences(before, after, [tuple(keys(path)) for path in secrets], mask))


def _differences(before: Content, after: Content, secrets: list[tuple[str, ...]], mask: Mask) -> Iterator[Difference]:
    if before.chart != after.chart:
        yield Difference("chart", before.chart, after.chart)
    old, new = images(before.manifest), images(after.manifest)
    for place in dict.fromkeys((*old, *new)):
        if old.get(place) != new.get(place):
            yield Difference(f"image of {place}", old.get(place), new.get(place))
    for change in changes(before.values, after.values):
        if change.keys[0] == "image" and old != new:
            continue  # it has just been told
        secret = any(change.keys[: len(path)] == path[: len(change.keys)] for path in secrets)
        secret = secret or any(map(_SECRET.search, change.keys))
        left, right = (_text(value, MASK if secret else None, mask) for value in (change.old, change.new))
        yield Difference(f"values: {dotted(change.keys)}", left, right)


def images(manifest: str) -> Mapping[str, str]:
    """The image of each container: "deployment/web, container web"."""
    found = {}
    for item in objects(manifest):
        spec = item.get("spec") or {}
        pod = spec if item.get("kind") == "Pod" else ((spec.get("template") or {}).get("spec") or {})
        for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
            place = f"{item['kind'].lower()}/{item['metadata']['name']}, container {container.get('name')}"
            found[place] = str(container.get("image", ""))
    return found


def _secrets(manifest: str) -> Iterator[str]:
    for item in objects(manifest):
        if item.get("kind") == "Secret":
            yield from map(str, (item.get("stringData") or {}).values())
            for encoded in (item.get("data") or {}).values():
                with suppress(ValueError):
                    yield base64.b64decode(str(encoded)).decode()


def _text(value: Any, instead: str | None, mask: Mask) -> str | None:
    if value is ABSENT or instead:
        return None if value is ABSENT else instead
    text = mask(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).replace("\n", "⏎")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
