"""Which verdicts over commits stay on record."""

from typing import Any, cast

from deployer.cluster import Cluster
from deployer.model import Record
from deployer.record import read_committed, write_committed


class ConfigMaps:
    """What of a cluster keeps records."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def apply(self, where: str, item: dict[str, Any]) -> None:
        self.items[where.rpartition("/")[2]] = item

    def list(self, where: str, label_selector: str) -> tuple[list[dict[str, Any]], str]:
        return list(self.items.values()), ""

    def delete(self, where: str) -> None:
        del self.items[where.rpartition("/")[2]]


def test_the_newest_stay_also_where_a_rewritten_branch_begins_to_count_anew() -> None:
    cluster = cast(Cluster, ConfigMaps())
    for number, (hour, sha) in ((7, ("08", "a")), (8, ("09", "b")), (2, ("10", "c"))):
        record = Record(verdict="healthy", began=f"2026-01-01T{hour}:00:00Z", commit=sha * 40)
        write_committed(cluster, "dev", "web", number, record, 2)
    assert set(read_committed(cluster, "dev", "web")) == {"b" * 40, "c" * 40}
