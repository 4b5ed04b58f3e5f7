"""docs/guards.md tells the truth."""

import re
from pathlib import Path

from deployer.guard.judge import APPLIES, RULES, applying
from deployer.profile.schema import Guards
from deployer.values.document import parse

PAGE = (Path(__file__).parents[2] / "docs" / "guards.md").read_text()


def test_the_example_sets_every_guard() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    data = parse(Path("guards.yaml"), example).data["guards"]
    assert applying(Guards.model_validate(data), "up") == tuple(RULES)


def test_the_table_says_which_guard_counts_for_which_verb() -> None:
    rows = re.findall(r"^\| (\w+) \| (yes|) ?\| (yes|) ?\| (yes|) ?\|", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(RULES)
    for name, up, rollback, down in rows:
        told = {"up": up, "promote": up, "rollback": rollback, "down": down}
        assert {verb for verb, said in told.items() if said} == {verb for verb in APPLIES if name in APPLIES[verb]}
