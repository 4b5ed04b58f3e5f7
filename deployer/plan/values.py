"""The values a release gets, weakest layer first, and their form on helm's stdin."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.model import Image, Values
from deployer.profile import Profile
from deployer.values import layers as stack
from deployer.values.assign import assign, keys
from deployer.values.layers import Layer
from deployer.values.merge import merge

RUN = ("registry", "repository", "tag", "digest")
"""What the image of a run says of `image`, whatever the layers below it say."""


def effective(
    profile: Profile,
    secrets: Mapping[str, str],
    assignments: Sequence[str],
    decrypted: Sequence[Layer] = (),
    target: Sequence[Layer] = (),
) -> Values:
    """The profile's values (base, environment, value files), then the layers over them, then each `--set`.

    `target`: what one target of many has in its own right, over all but `--set`.
    """
    return laid(profile.values, (*over(profile, secrets, decrypted), *target), assigned(assignments))


def laid(below: Values, over: Sequence[Layer], assigned: Sequence[Layer]) -> Values:
    """Values under layers. What the image of a run says (`release`) counts over all but `--set`, so it is left out."""
    given = stack.merged([stack.everywhere(stack.ENVIRONMENT, below, "the profile"), *over])
    if isinstance(given.get("image"), Mapping):
        given["image"] = {key: value for key, value in given["image"].items() if key not in RUN}
    return stack.merged([stack.everywhere("", given, ""), *assigned])


def over(profile: Profile, secrets: Mapping[str, str], decrypted: Sequence[Layer] = ()) -> tuple[Layer, ...]:
    """The layers over the profile's own: what was decrypted, then secrets by variable (path in the values: secret)."""
    return (
        *decrypted,
        *(
            stack.hidden(stack.SECRET, nest(path, value), f"variable {profile.secrets.get(path, path)}")
            for path, value in secrets.items()
        ),
    )


def assigned(assignments: Sequence[str]) -> tuple[Layer, ...]:
    """Each `--set` as a layer. Raises UsageError where its form is wrong."""
    return tuple(stack.everywhere(stack.SET, assign(text), "--set") for text in assignments)


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
