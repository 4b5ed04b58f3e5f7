"""Delivery by Argo CD, decided: commits as revisions, the values file, what the Application has to be."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from deployer.model import Record, Target
from deployer.plan import gitops
from deployer.plan.applications import LOCAL, Delivery, Destination, application
from deployer.plan.gitops import Place, problems, revisions
from deployer.plan.rollback import last_good

A, B, C = "a" * 40, "b" * 40, "c" * 40


@dataclass(frozen=True)
class Change:
    sha: str
    number: int
    trailers: dict[str, str] = field(default_factory=dict)
    when: str = "2026-01-02T03:04:05Z"
    author: str = "Ann"
    subject: str = "Deploy web:1 to dev"


OURS = {"Deploy-Verb": "up", "Deploy-Image": "r/web:1@sha256:0", "Deploy-Commit": "5" * 40, "Deploy-Chart": "web-1"}


def test_a_commit_is_believed_to_be_good_on_its_own_record_alone() -> None:
    changes = (Change(A, 1, OURS), Change(B, 2, OURS), Change(C, 3))
    found = revisions(changes, {A: Record(verdict="healthy", image="r/web:1"), "d" * 40: Record(verdict="failed")}, 10)
    assert [(one.number, one.status, one.verdict, one.commit) for one in found] == [
        (1, "superseded", "healthy", A),
        (2, "committed", None, B),
        (3, "committed", None, C),
    ]
    good = last_good(found)
    assert good
    assert good.commit == A


def test_an_unjudged_commit_of_ours_says_what_it_is_and_somebody_elses_does_not() -> None:
    ours, theirs = revisions((Change(A, 1, OURS), Change(B, 2)), {}, 10)
    assert ours.record == Record(verb="up", image="r/web:1@sha256:0", sha="5" * 40, commit=A)
    assert (ours.chart, theirs.record, theirs.description) == ("web-1", None, "Deploy web:1 to dev (Ann)")


def test_a_revert_names_what_it_puts_back_however_the_history_is_numbered() -> None:
    back = Change(C, 9, {**OURS, "Deploy-Verb": "rollback", "Deploy-To": A})
    found = revisions((Change(A, 7, OURS), Change(B, 8, OURS), back), {}, 2)
    assert [(one.number, one.origin) for one in found] == [(8, 8), (9, 7)]
    assert revisions((Change(B, 8, OURS), back), {}, 5)[-1].origin == 9, "the one it put back was rewritten away"


def test_the_newest_judged_commit_is_deployed() -> None:
    found = revisions((Change(A, 1, OURS),), {A: Record(verdict="healthy")}, 10)
    assert found[0].status == "deployed"


PLACE = Place(
    application="web-dev",
    namespace="argocd",
    context="dev",
    repository="https://git.lab:8443/config.git",
    branch="main",
    path="web/dev",
    release="web",
    target=Target(Path("kubeconfig"), "dev", "shop"),
)


def written() -> dict[str, Any]:
    delivery = Delivery(
        environment="dev",
        release=PLACE.release,
        application=PLACE.application,
        argocd=PLACE.namespace,
        repository=PLACE.repository,
        branch=PLACE.branch,
        path=PLACE.path,
        namespace=PLACE.target.namespace,
        destination=Destination(server=LOCAL),
    )
    return application("shop", delivery)


def main() -> str:
    return "main"


def test_what_is_written_for_an_application_fits() -> None:
    assert problems(written(), PLACE, main) == ()


def changed(path: str, value: Any) -> dict[str, Any]:
    item = written()
    *above, last = path.split(".")
    section = item
    for key in above:
        section = section.setdefault(key, {})
    section[last] = value
    return item


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            changed("spec.source.repoURL", "https://git.lab/other.git"),
            "spec.source.repoURL is https://git.lab/other.git",
        ),
        (
            changed("spec.source.path", "web/prod/chart"),
            "spec.source.path is web/prod/chart, and should be web/dev/chart",
        ),
        (changed("spec.source.targetRevision", "v1"), "spec.source.targetRevision is v1, and should be main"),
        (changed("spec.source.repoURL", "HEAD"), "spec.source.repoURL is HEAD"),
        (changed("spec.source.helm.releaseName", "shop"), "helm.releaseName is shop, and should be web"),
        (changed("spec.source.helm", {}), "helm.releaseName is web-dev, and should be web"),
        (changed("spec.source.helm.valueFiles", ["values.yaml"]), "valueFiles does not name ../values.yaml"),
        (changed("spec.destination.namespace", "other"), "spec.destination.namespace is other, and should be shop"),
        (changed("metadata.deletionTimestamp", "now"), "it is being deleted"),
        (changed("status.conditions", [{"type": "InvalidSpecError", "message": "not permitted"}]), "not permitted"),
    ],
)
def test_an_application_that_would_not_deliver_it(item: dict[str, Any], said: str) -> None:
    assert said in problems(item, PLACE, main)[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.source.repoURL", "git@git.lab:config"),
        ("spec.source.repoURL", "ssh://git@GIT.lab:22/config.git/"),
        ("spec.source.targetRevision", "refs/heads/main"),
        ("spec.source.targetRevision", "HEAD"),
        ("spec.source.path", "web/dev/chart/"),
        ("spec.source.helm.valueFiles", ["values.yaml", "../values.yaml", "secrets://../secrets/dev.yaml"]),
    ],
)
def test_an_application_that_says_it_otherwise(path: str, value: Any) -> None:
    assert problems(changed(path, value), PLACE, main) == ()


@pytest.mark.parametrize("revision", ["HEAD", None])
def test_an_application_that_follows_head_delivers_the_branch_that_it_names(revision: str | None) -> None:
    item = changed("spec.source.targetRevision", revision)
    elsewhere = replace(PLACE, branch="deploys")
    assert problems(item, elsewhere, main) == ("spec.source.targetRevision is main, and should be deploys",)
    assert problems(item, elsewhere, lambda: "deploys") == ()
    assert problems(item, elsewhere, lambda: "") == (), "the repository is empty"


def test_one_of_many_sources() -> None:
    item = written()
    item["spec"]["sources"] = [{"repoURL": "https://elsewhere", "path": "x"}, item["spec"].pop("source")]
    assert problems(item, PLACE, main) == ()


def test_encrypted_files_that_the_application_leaves_out() -> None:
    file = gitops.sealed(Path("environments/dev.secrets.yaml"))
    assert file == "secrets/environments/dev.secrets.yaml"
    assert gitops.sealed(Path("../shared/x.yaml")) == "secrets/shared/x.yaml"
    assert gitops.unsealed(written(), PLACE, [file]) == (file,)
    assert gitops.unsealed(changed("spec.source.helm.valueFiles", [f"secrets://../{file}"]), PLACE, [file]) == ()


def test_the_folder_may_be_the_repository() -> None:
    assert replace(PLACE, path=".").source == "chart"
