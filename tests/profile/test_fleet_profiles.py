"""Environments of many targets: what loads, and how every mistake is told."""

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.profile import Profile, environments, load

BASE = """\
registry:
  url: registry.lab:5443
image:
  repository: web
release:
  name: web
"""
EDGE = """\
target:
  context: shops
fleet:
  failureBudget: 10%
  waves:
    - name: first
      select: 10%
      pause: 5m
      gate: healthy
    - name: north
      select: {region: north}
"""
TARGETS = """\
targets:
  - name: one
    labels: {region: north}
    namespace: shop-1
  - name: two
    labels: {region: south}
    namespace: shop-2
    context: other
    values: {replicaCount: 3, gone: null}
"""


def loaded(folder: Path, edge: str = EDGE, targets: str = TARGETS, base: str = BASE) -> Profile:
    (folder / "environments").mkdir(exist_ok=True)
    for name, text in (("base", base), ("edge", edge), ("edge.targets", targets)):
        if text:
            (folder / "environments" / f"{name}.yaml").write_text(text)
    return load(folder, "edge", {"REGION": "north"})


def told(folder: Path, **texts: str) -> list[str]:
    with pytest.raises(UsageError) as error:
        loaded(folder, **texts)
    return [error.value.message, *error.value.detail]


def test_targets_in_a_file_of_their_own(tmp_path: Path) -> None:
    profile = loaded(tmp_path)
    one, two = profile.targets
    assert (one.over(profile.target).context, two.over(profile.target).context) == ("shops", "other")
    assert two.values == {"replicaCount": 3, "gone": None}
    assert profile.fleet.failure_budget == 0.1
    first, north = profile.fleet.waves
    assert (first.select, first.pause, first.gate) == (0.1, 300, "healthy")
    assert north.select == {"region": "north"}
    assert environments(tmp_path) == ("edge",), "the file of the targets is no environment"


def test_or_in_the_profile(tmp_path: Path) -> None:
    assert len(loaded(tmp_path, edge=EDGE + TARGETS, targets="").targets) == 2


def test_a_target_says_where_it_is_or_the_profile_does(tmp_path: Path) -> None:
    edge = "fleet: {concurrency: 2}\n"
    targets = "targets:\n  - {name: one, context: a, namespace: ns}\n  - {name: two, context: b, namespace: ns}\n"
    assert loaded(tmp_path, edge=edge, targets=targets).target.context == "a"
    assert told(tmp_path, edge=edge, targets=targets.replace("context: b, ", "")) == [
        "environments/edge.targets.yaml:3: target `two` has no context, and there is no target.context for all "
        "(and 1 more)",
        "environments/edge.targets.yaml:3: target `two` is where `one` is: namespace ns of context a",
    ]


def test_variables_are_filled_in(tmp_path: Path) -> None:
    targets = TARGETS.replace("region: north", "region: '${REGION}'")
    assert loaded(tmp_path, targets=targets).targets[0].labels == {"region": "north"}


MISTAKES = [
    (
        {"targets": TARGETS.replace("labels: {region: south}", "lables: {region: south}")},
        "environments/edge.targets.yaml:6: unknown key `lables` in targets.1; did you mean `labels`?",
    ),
    (
        {"targets": TARGETS.replace("name: two", "name: one")},
        "environments/edge.targets.yaml:5: there are two targets `one`",
    ),
    (
        {"targets": TARGETS.replace("shop-2", "shop-1").replace("context: other", "context: shops")},
        "environments/edge.targets.yaml:5: target `two` is where `one` is: namespace shop-1 of context shops",
    ),
    (
        {"targets": TARGETS.replace("shop-2", "kube-system")},
        "environments/edge.targets.yaml:7: targets.1.namespace is `kube-system`: what begins with kube- is Kubernetes' "
        "own",
    ),
    (
        {"targets": TARGETS.replace("targets:", "target:")},
        "environments/edge.targets.yaml:1: unknown key `target`; did you mean `targets`?",
    ),
    ({"edge": EDGE + TARGETS}, "environments/edge.yaml:12: environments/edge.targets.yaml has the targets"),
    (
        {"edge": EDGE.replace("region: north", "region: norht")},
        "environments/edge.yaml:11: no target has the label region=norht; did you mean `north`?",
    ),
    (
        {"edge": EDGE.replace("region: north", "regoin: north")},
        "environments/edge.yaml:11: no target has the label `regoin`; did you mean `region`?",
    ),
    ({"edge": EDGE.replace("name: north", "name: first")}, "environments/edge.yaml:10: there are two waves `first`"),
    (
        {"edge": EDGE.replace("name: north", "name: rest")},
        "environments/edge.yaml:10: no wave can be called `rest`: that is whoever no wave names",
    ),
    (
        {"edge": EDGE.replace("gate: healthy", "gate: health")},
        "environments/edge.yaml:9: fleet.waves.0.gate is `health`; it must be one of budget, healthy, ask; "
        "did you mean `healthy`?",
    ),
    (
        {"edge": EDGE.replace("select: 10%", "select: some")},
        "environments/edge.yaml:7: fleet.waves.0.select: labels, a share or a number of targets is expected: "
        "{region: eu}, 10% or 3",
    ),
    (
        {"edge": EDGE.replace("failureBudget: 10%", "failureBudget: few")},
        "environments/edge.yaml:4: fleet.failureBudget: a number of targets or a share of them is expected: 2 or 10%",
    ),
    (
        {"edge": EDGE.replace("failureBudget", "failuerBudget")},
        "environments/edge.yaml:4: unknown key `failuerBudget` in fleet; did you mean `failureBudget`?",
    ),
    (
        {"edge": "protected: true\n" + EDGE},
        "environments/edge.targets.yaml:2: `edge` is protected, so targets.0.identity must pin its cluster by uid or "
        "caSha256 (and 1 more)",
    ),
]


@pytest.mark.parametrize(("texts", "wanted"), MISTAKES)
def test_mistakes(tmp_path: Path, texts: dict[str, str], wanted: str) -> None:
    assert told(tmp_path, **texts)[0].removeprefix("_") == wanted
