"""What `deploy gitops init` writes for Argo CD."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import UsageError
from deployer.plan import applications
from deployer.plan.applications import LOCAL, Delivery, Destination, Sync
from deployer.values.document import parse


def made(kind: str, name: str, api: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


WEB = (made("Service", "web"), made("Deployment", "web", "apps/v1"), made("Secret", "web"))
SCALED = made(
    "HorizontalPodAutoscaler",
    "web",
    "autoscaling/v2",
    spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
)
DEV = Delivery(
    environment="dev",
    release="web",
    application="web-dev",
    argocd="argocd",
    repository="https://git.example.com/shop/config.git",
    branch="main",
    path="web/dev",
    namespace="shop-dev",
    destination=Destination(server=LOCAL),
    objects=WEB,
)
PROD = replace(
    DEV, environment="prod", application="web-prod", path="web/prod", namespace="shop", destination=Destination("eu-1")
)


def test_the_project_allows_what_is_needed_and_no_more() -> None:
    found = applications.app_project("web", [DEV, replace(PROD, objects=(*WEB, SCALED))])
    assert found["metadata"] == {"name": "web", "namespace": "argocd"}
    assert found["spec"] == {
        "description": "web, delivered by `deploy`",
        "sourceRepos": ["https://git.example.com/shop/config.git"],
        "destinations": [{"name": "eu-1", "namespace": "shop"}, {"server": LOCAL, "namespace": "shop-dev"}],
        "clusterResourceWhitelist": [],
        "namespaceResourceWhitelist": [
            {"group": "", "kind": "Secret"},
            {"group": "", "kind": "Service"},
            {"group": "apps", "kind": "Deployment"},
            {"group": "autoscaling", "kind": "HorizontalPodAutoscaler"},
        ],
    }


@pytest.mark.parametrize(
    ("api", "kind", "of_cluster"),
    [
        ("rbac.authorization.k8s.io/v1", "ClusterRole", True),
        ("rbac.authorization.k8s.io/v1", "Role", False),
        ("scheduling.k8s.io/v1", "PriorityClass", True),
        ("cert-manager.io/v1", "ClusterIssuer", True),
        ("cert-manager.io/v1", "Issuer", False),
        ("postgresql.cnpg.io/v1", "Cluster", False),
        ("v1", "Namespace", True),
    ],
)
def test_kinds_of_the_cluster_are_told_from_those_of_a_namespace(api: str, kind: str, of_cluster: bool) -> None:
    spec = applications.app_project("web", [replace(DEV, objects=(made(kind, "a", api),))])["spec"]
    allowed = {"group": api.rpartition("/")[0], "kind": kind}
    assert (allowed in spec["clusterResourceWhitelist"], allowed in spec["namespaceResourceWhitelist"]) == (
        of_cluster,
        not of_cluster,
    )


def test_an_application_says_from_where_and_whereto() -> None:
    assert applications.application("shop", DEV) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web-dev", "namespace": "argocd"},
        "spec": {
            "project": "shop",
            "source": {
                "repoURL": "https://git.example.com/shop/config.git",
                "path": "web/dev/chart",
                "targetRevision": "main",
                "helm": {"releaseName": "web", "valueFiles": ["../values.yaml"], "skipTests": True},
            },
            "destination": {"server": LOCAL, "namespace": "shop-dev"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=false"],
                "retry": {"limit": 2, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
            },
        },
    }


@pytest.mark.parametrize(
    ("sync", "automated"),
    [("auto", {"prune": True, "selfHeal": False}), ("self-heal", {"prune": True, "selfHeal": True}), ("manual", None)],
)
def test_who_syncs(sync: Sync, automated: dict[str, bool] | None) -> None:
    assert applications.application("web", replace(DEV, sync=sync))["spec"]["syncPolicy"].get("automated") == automated


def test_replicas_belong_to_the_autoscaler_where_there_is_one() -> None:
    spec = applications.application("web", replace(DEV, objects=(*WEB, SCALED)))["spec"]
    assert spec["ignoreDifferences"] == [
        {"group": "apps", "kind": "Deployment", "name": "web", "jsonPointers": ["/spec/replicas"]}
    ]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]


def test_encrypted_files_are_values_that_a_plugin_opens() -> None:
    spec = applications.application("web", replace(DEV, sealed=("secrets/environments/dev.secrets.yaml",)))["spec"]
    assert spec["source"]["helm"]["valueFiles"] == [
        "../values.yaml",
        "secrets://../secrets/environments/dev.secrets.yaml",
    ]


def test_the_whole_repository_may_be_the_release_s() -> None:
    assert applications.application("web", replace(DEV, path="."))["spec"]["source"]["path"] == "chart"


def test_one_set_makes_the_application_of_each_environment() -> None:
    found = applications.application_set("web", [replace(DEV, destination=Destination("lab")), PROD])
    assert found["metadata"] == {"name": "web", "namespace": "argocd"}
    spec = found["spec"]
    assert [one["application"] for one in spec["generators"][0]["list"]["elements"]] == ["web-dev", "web-prod"]
    template = spec["template"]
    assert template["metadata"]["name"] == "{{ .application }}"
    assert template["spec"]["destination"] == {"name": "{{ .cluster }}", "namespace": "{{ .namespace }}"}
    assert template["spec"]["source"]["path"] == "{{ .path }}"
    assert "templatePatch" not in spec
    assert spec["syncPolicy"] == {"preserveResourcesOnDeletion": True}


def test_what_differs_between_environments_is_in_the_list() -> None:
    manual = replace(PROD, sync="manual", sealed=("secrets/a.yaml",), objects=(*WEB, SCALED))
    spec = applications.application_set("web", [replace(DEV, destination=Destination("lab")), manual])["spec"]
    assert spec["templatePatch"].splitlines() == [
        "spec:",
        "  source: { helm: { valueFiles: {{ toJson .valueFiles }} } }",
        "  syncPolicy: {{ toJson .syncPolicy }}",
        "  ignoreDifferences: {{ toJson .ignoreDifferences }}",
    ]
    dev, prod = spec["generators"][0]["list"]["elements"]
    assert (dev["ignoreDifferences"], len(prod["ignoreDifferences"])) == ([], 1)
    assert ("automated" in dev["syncPolicy"], "automated" in prod["syncPolicy"]) == (True, False)
    assert "syncPolicy" not in spec["template"]["spec"]


def test_a_set_names_its_clusters_in_one_way() -> None:
    with pytest.raises(UsageError, match="dev by URL, prod by name"):
        applications.application_set("web", [DEV, PROD])


def test_a_fleet_is_every_cluster_with_the_labels() -> None:
    spec = applications.fleet("web", PROD, {"region": "eu"})["spec"]
    assert spec["generators"] == [{"clusters": {"selector": {"matchLabels": {"region": "eu"}}}}]
    assert spec["template"]["metadata"]["name"] == "web-prod-{{ .nameNormalized }}"
    assert spec["template"]["spec"]["destination"] == {"server": "{{ .server }}", "namespace": "shop"}
    found = applications.files_of_fleets("web", [PROD], {"region": "eu"})
    assert sorted(found) == ["appproject.yaml", "fleet-prod.yaml"]
    assert found["appproject.yaml"]["spec"]["destinations"] == [{"server": "*", "namespace": "shop"}]


def test_files_hold_what_was_planned() -> None:
    found = applications.files("web", [DEV, PROD])
    assert list(found) == ["appproject.yaml", "environment-dev.yaml", "environment-prod.yaml"]
    for item in (*found.values(), *applications.files_of_list("web", [PROD]).values()):
        assert parse(Path("a"), applications.text(item)).data == item


def test_two_argo_cds_are_two_runs() -> None:
    with pytest.raises(UsageError, match="dev in argocd, prod in gitops"):
        applications.files("web", [DEV, replace(PROD, argocd="gitops")])


def test_a_file_that_people_changed_is_told_from_one_of_ours() -> None:
    text = applications.text(applications.application("web", DEV))
    assert applications.untouched(text)
    assert not applications.untouched(text.replace("prune: true", "prune: false"))
    assert not applications.untouched("# ours\n" + text)
    assert not applications.untouched("")


def test_what_earlier_runs_wrote_for_other_environments_stays_allowed() -> None:
    before = applications.files("web", [DEV])
    assert applications.beside(before, before) == before
    joined = applications.beside(applications.files("web", [replace(PROD, objects=(SCALED,))]), before)
    spec = joined["appproject.yaml"]["spec"]
    assert spec["destinations"] == [{"name": "eu-1", "namespace": "shop"}, {"server": LOCAL, "namespace": "shop-dev"}]
    assert [one["kind"] for one in spec["namespaceResourceWhitelist"]] == [
        "Secret",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
    ]
    assert list(joined) == ["appproject.yaml", "environment-prod.yaml"]


def test_a_project_never_becomes_another_one() -> None:
    with pytest.raises(UsageError, match="is AppProject web, and would become shop"):
        applications.beside(applications.files("shop", [PROD]), applications.files("web", [DEV]))


def test_a_list_that_would_lose_an_environment_is_refused() -> None:
    before = applications.files_of_list("web", [replace(DEV, destination=Destination("lab")), PROD])
    with pytest.raises(UsageError, match="lists dev, prod, and would lose dev") as refused:
        applications.beside(applications.files_of_list("web", [PROD]), before)
    assert refused.value.hint
    assert "--env dev --env prod" in refused.value.hint
    assert applications.beside(before, applications.files_of_list("web", [PROD])).keys() == before.keys()
