"""Merging layers as Helm does with `-f a.yaml -f b.yaml`."""

from collections.abc import Mapping
from typing import Any


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `overlay` over `base`: maps merge, lists, scalars and null replace. Neither is changed.

    A null stays, as in Helm: it is what deletes the chart's own default.
    """
    merged = dict(base)
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged
