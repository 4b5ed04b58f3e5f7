"""The values a release gets, weakest layer first, and their form on helm's stdin."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from deployer.model import Image, Values
from deployer.profile import Profile
from deployer.values.assign import assign, keys
from deployer.values.merge import merge


def effective(
    profile: Profile, opened: Sequence[Values], secrets: Mapping[str, str], assignments: Sequence[str]
) -> Values:
    """The profile's values, then its decrypted files, its secrets (path in the values: secret), each `--set`."""
    layers = [*opened, *(nest(path, value) for path, value in secrets.items()), *map(assign, assignments)]
    return reduce(merge, layers, merge({}, profile.values))


def nest(path: str, value: Any) -> dict[str, Any]:
    r"""`a.b` and a value as {"a": {"b": value}}; a dot in a key is written `\.`."""
    for name in reversed(keys(path)):
        value = {name: value}
    return dict(value)


def release(values: Values, image: Image, pull_secret: str | None) -> Values:
    """The values with the image of the run, under what `--set` may say of it."""
    facts: dict[str, Any] = {
        "image": {
            "registry": image.registry,
            "repository": image.repository,
            "tag": image.tag,
            "digest": image.digest or "",
        }
    }
    if pull_secret and "imagePullSecrets" not in values:
        facts["imagePullSecrets"] = [{"name": pull_secret}]
    return merge(facts, values)


def text(values: Values) -> str:
    r"""JSON that every YAML reader takes, ending in a newline.

    Raw text but for what YAML will not read raw: `\u` pairs of surrogates mean nothing to it, control characters are
    refused. Many lines and the last newline: helm 4 drops a values file whose last line fills its buffer (helm#32506).
    """
    raw = json.dumps(values, ensure_ascii=False, indent=1)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", raw) + "\n"
