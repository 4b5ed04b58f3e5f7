"""PromQL with placeholders: `$pods`, `$namespace`, … become what they mean for one side of a comparison. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PLACEHOLDERS = ("release", "namespace", "environment", "pods", "revision", "window")
_PLACEHOLDER = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")

QUIET = "/healthz|/readyz|/metrics"
"""Routes of machines: probes would dilute a ratio of errors, and beautify a latency."""

_OF = f'namespace="$namespace",pod=~"$pods",route!~"{QUIET}"'
_COUNTED = f"sum(increase(http_requests_total{{{_OF}}}[$window]))"

READY_MADE = {
    "errorRatio": (
        f'(sum(rate(http_requests_total{{{_OF},code=~"5.."}}[$window])) or vector(0))'
        f" / sum(rate(http_requests_total{{{_OF}}}[$window]))"
    ),
    "latencyP99": (
        f"histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{{_OF}}}[$window])))"
    ),
}
"""Name: query, for the metrics of the service that comes with the chart: a share from 0 to 1, and seconds."""


@dataclass(frozen=True)
class Side:
    """Whose pods a query is about, and when."""

    release: str
    namespace: str
    environment: str
    pods: str  # a regular expression of whole pod names
    revision: int | None = None  # helm's number
    at: float | None = None  # seconds since the epoch; None: now


def ready_made(name: str, requests: int) -> str:
    """A query by its name; it has no answer while fewer requests than that came within the window."""
    return f"({READY_MADE[name]}) and {_COUNTED} >= {requests}" if requests else READY_MADE[name]


def unknown(query: str) -> Iterator[str]:
    """Placeholders of a query that nobody can fill."""
    for escape, braced, plain in _PLACEHOLDER.findall(query):
        if not escape and (braced or plain) not in PLACEHOLDERS:
            yield braced or plain


def filled(query: str, side: Side, window: float) -> str:
    """The query for one side; `$$` is a dollar sign."""
    means = {
        "release": side.release,
        "namespace": side.namespace,
        "environment": side.environment,
        "pods": side.pods,
        "revision": "" if side.revision is None else str(side.revision),
        "window": f"{max(1, round(window))}s",
    }
    return _PLACEHOLDER.sub(lambda found: "$" if found[1] else means[found[2] or found[3]], query)
