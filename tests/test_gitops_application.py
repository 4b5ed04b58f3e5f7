"""What docs/gitops.md shows is what `deploy` takes and writes."""

import re
from pathlib import Path

from deployer.model import Target
from deployer.plan import gitops
from deployer.profile import Profile
from deployer.values.document import scalar

PAGE = (Path(__file__).parents[1] / "docs" / "gitops.md").read_text()
PROFILE, APPLICATION = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_application_is_the_one_that_is_told() -> None:
    made = Profile.model_validate(
        {
            "target": {"context": "prod", "namespace": "prod"},
            "registry": {"url": "registry.lab"},
            "image": {"repository": "web"},
            "release": {"name": "web"},
            **scalar(PROFILE),
        }
    )
    there = gitops.place("prod", made, Target(Path("k"), "prod", "prod"))
    assert gitops.application(there) == APPLICATION
    assert gitops.proposal("web", "prod") in PAGE
