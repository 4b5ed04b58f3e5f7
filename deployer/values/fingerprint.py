"""Values compared, and named by a hash that says nothing of what is secret in them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from deployer.values.assign import keys
from deployer.values.merge import merge

HIDDEN = "***"


def same(one: Any, other: Any) -> bool:
    """Whether two trees of values are one to helm, which reads every number as a float. `true` is not `1`."""
    return bool(_plain(one) == _plain(other))


def fingerprint(values: Mapping[str, Any], secrets: Iterable[str]) -> str:
    r"""SHA-256 (hex) of values. `secrets` are paths (`a.b`, a dot in a key as `\.`): what stands there is left out."""
    text = json.dumps(_plain(hidden(values, secrets)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def hidden(values: Mapping[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """The values with `***` for each secret, whether or not it is there."""
    for path in secrets:
        layer: Any = HIDDEN
        for name in reversed(keys(path)):
            layer = {name: layer}
        values = merge(values, layer)
    return dict(values)


def _plain(value: Any) -> Any:
    """Each scalar as a text that begins with its type, so that 1 and 1.0 are one, and true and "1" are others."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return f"text {value}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return f"number {float(value)!r}"
        except OverflowError:
            return f"number {value}"
    return json.dumps(value)
