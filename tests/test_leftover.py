"""What a canary has left, told from what is the stable version's: a table over helm's revisions."""

import json

import pytest

from deployer.leftover import kept, suspects
from deployer.model import Canary, Revision
from deployer.storage import Stored

CANARY = Canary(5, 1, 2)


def stored(number: int, names: str, canary: Canary | None = None) -> Stored:
    """A revision that has these Deployments; `!` before a name: helm is to keep it."""
    items = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name.removeprefix("!"),
                "annotations": {"helm.sh/resource-policy": "keep"} if name.startswith("!") else None,
            },
        }
        for name in names.split()
    ]
    manifest = "\n---\n".join(map(json.dumps, items))
    return Stored(Revision(number, "superseded", "", "web-1", canary=canary), manifest, {})


@pytest.mark.parametrize(
    ("revisions", "found"),
    [
        pytest.param([], [], id="no release"),
        pytest.param([("web", None), ("web web-canary", CANARY), ("web", None)], ["web-canary"], id="the canary's"),
        pytest.param([("web", None), ("web web-canary", CANARY)], [], id="it still runs"),
        pytest.param(
            [("web !data", None), ("web !data c", CANARY), ("web", None)], ["c"], id="kept, and dropped since"
        ),
        pytest.param([("web", None), ("web !data c", CANARY), ("web", None)], ["c"], id="kept, and the canary's"),
        pytest.param(
            [("web old", None), ("web old c", CANARY), ("web", None)], ["c"], id="helm removes the stable one's"
        ),
        pytest.param([("web", None), ("web c", CANARY), ("web", None), ("web", None)], ["c"], id="cut off twice"),
        pytest.param([("web", None), ("web new c", CANARY), ("web", None)], ["new", "c"], id="at the stable pods"),
    ],
)
def test_suspects(revisions: list[tuple[str, Canary | None]], found: list[str]) -> None:
    history = [stored(number, names, canary) for number, (names, canary) in enumerate(revisions, 1)]
    assert [one["metadata"]["name"] for one in suspects(history)] == found


def test_what_somebody_marked_in_the_cluster_is_kept_too() -> None:
    assert kept({"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}})
    assert not kept({"metadata": {"name": "web"}})
