"""`deploy plan` in words, for a terminal and for a merge request."""

from dataclasses import replace
from pathlib import Path

from deployer.errors import ExitCode, PreflightError
from deployer.model import Image, Target
from deployer.plan.preview import FieldChange, ObjectChange, Preview, Roll, ValueChange
from deployer.plan.steps import Kept, Plan, Step, Upgrade, Verify
from deployer.report import document, preview

IMAGE = Image("registry.lab", "web", "1.2.3", "sha256:" + "a" * 64)
PLAN = Plan(
    "up",
    "dev",
    Target(Path("/k"), "dev", "shop"),
    "web",
    (Step("release", Upgrade({})), Step("rollout", Verify())),
    image=IMAGE,
    previous=5,
    notes=("to be released: values changed: env.A",),
)
KEPT = replace(PLAN, steps=(), notes=(), kept=Kept(5))
FOUND = Preview(
    (
        ValueChange("env.A", "x|y", "`z`", "environment", "environments/dev.yaml:12"),
        ValueChange("secret.token", "***", "***", "secret variable", "variable TOKEN"),
        ValueChange("gone", "", None),
    ),
    (
        ObjectChange(
            "deployment/web",
            "change",
            (
                FieldChange("spec.replicas", "1", "2", drift=True),
                FieldChange("spec.template.spec.containers[web].image", "web:1", "web:2"),
                FieldChange("spec.template.metadata.annotations[checksum/config]", "***", "***"),
                FieldChange("metadata.labels.new", None, "yes"),
            ),
        ),
        ObjectChange("configmap/web", "create"),
        ObjectChange("service/old", "delete"),
    ),
    (Roll("deployment/web", ("containers[web].image", "configmap/web changed")),),
    ("ingress/web: field is immutable",),
)
REFUSED = (PreflightError("the git tree has 1 uncommitted change", detail=("a.go",), hint="commit it"),)


def test_lines() -> None:
    said = "\n".join(preview.lines(PLAN, FOUND, REFUSED))
    assert said == (
        "plan: dev: web in shop (context dev): a revision after 5\n"
        "  to be released: values changed: env.A\n"
        f"  would release {IMAGE.reference} over revision 5\n"
        "  would watch the rollout until it is judged\n"
        "values:\n"
        "  env.A: x|y → `z`  (environment, environments/dev.yaml:12)\n"
        "  secret.token: changes  (secret variable, variable TOKEN)\n"
        '  gone: "" → gone\n'
        "objects:\n"
        "  ~ deployment/web\n"
        "      spec.replicas: 1 → 2  (the cluster has left the release)\n"
        "      spec.template.spec.containers[web].image: web:1 → web:2\n"
        "      spec.template.metadata.annotations[checksum/config]: changes\n"
        "      metadata.labels.new: set to yes\n"
        "  + configmap/web\n"
        "  - service/old\n"
        "pods:\n"
        "  deployment/web rolls: containers[web].image, configmap/web changed\n"
        "warning: ingress/web: field is immutable\n"
        "refused: the git tree has 1 uncommitted change\n"
        "  a.go\n"
        "changes: 3 values, 3 objects, 1 workload to roll; nothing was touched"
    )


def test_nothing_to_do() -> None:
    assert list(preview.lines(KEPT, Preview(), ())) == [
        "plan: dev: web in shop (context dev) is unchanged: healthy at revision 5",
        "nothing to do; nothing was touched",
    ]
    assert "**nothing to do.** web in shop (context dev) is unchanged" in "\n".join(
        preview.markdown(KEPT, Preview(), ())
    )


def test_markdown() -> None:
    said = list(preview.markdown(PLAN, FOUND, REFUSED))
    assert said[0] == "### deploy plan: dev"
    assert "> ⛔ refused: the git tree has 1 uncommitted change" in said
    assert r"| `env.A` | `x\|y` | `` `z` `` | environment, environments/dev.yaml:12 |" in said
    assert "| `secret.token` | `***` | `***` | secret variable, variable TOKEN |" in said
    assert r"- `deployment/web` rolls: containers\[web\].image, configmap/web changed" in said
    block = said[said.index("```diff") + 1 :]
    assert block[: block.index("```")] == [
        "  deployment/web changes",
        "-     spec.replicas: 1",
        "+     spec.replicas: 2",
        "-     spec.template.spec.containers[web].image: web:1",
        "+     spec.template.spec.containers[web].image: web:2",
        "!     spec.template.metadata.annotations[checksum/config] changes",
        "+     metadata.labels.new: yes",
        "+ configmap/web is made",
        "- service/old is deleted",
    ]


def test_nothing_in_a_value_ends_the_block() -> None:
    found = Preview(objects=(ObjectChange("configmap/web", "change", (FieldChange("data.x", "a", "```"),)),))
    said = list(preview.markdown(PLAN, found, ()))
    assert "````diff" in said
    assert said.count("````") == 1


def test_document() -> None:
    made = document.preview(PLAN, FOUND, REFUSED, ("values changed: env.A",), ExitCode.CHANGES)
    assert (made["schema"], made["verb"], made["outcome"], made["exitCode"]) == ("deploy/v1", "plan", "changes", 11)
    assert made["changed"] is False
    assert made["release"] == {"name": "web", "namespace": "shop", "context": "dev", "previous": 5}
    assert made["image"] == {
        "reference": IMAGE.reference,
        "tag": "1.2.3",
        "digest": IMAGE.digest,
        "built": False,
    }
    assert made["because"] == ["values changed: env.A"]
    assert set(made["values"][0]) == {"path", "old", "new", "layer", "place"}
    assert set(made["objects"][0]) == {"object", "action", "fields"}
    assert set(made["objects"][0]["fields"][0]) == {"field", "old", "new", "drift"}
    assert made["rolls"] == [{"workload": "deployment/web", "why": ("containers[web].image", "configmap/web changed")}]
    assert made["refused"][0]["message"] == "the git tree has 1 uncommitted change"
    assert made["warnings"] == ["ingress/web: field is immutable"]
