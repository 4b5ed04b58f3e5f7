"""Watch a rollout until it is judged: events in, verdict out.

`follow(cluster, selection, judges, deadline=…)` reads the kinds a `Selection` names, one thread a kind, and asks pure
judges in the caller's thread whenever something changed or a grace they named has passed.
"""

from deployer.watch.follow import Ended, Judge, Outcome, Tell, follow, together
from deployer.watch.notice import Degraded, Disconnected, Notice, Reconnected
from deployer.watch.pace import Pace
from deployer.watch.selection import Selection, Source, discover, select

__all__ = [
    "Degraded",
    "Disconnected",
    "Ended",
    "Judge",
    "Notice",
    "Outcome",
    "Pace",
    "Reconnected",
    "Selection",
    "Source",
    "Tell",
    "discover",
    "follow",
    "select",
    "together",
]
