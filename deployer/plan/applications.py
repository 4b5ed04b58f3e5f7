"""`deploy gitops init`: the objects by which Argo CD delivers a release, and the files that hold them. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from deployer.errors import UsageError
from deployer.values.edit import rewritten

Sync = Literal["auto", "self-heal", "manual"]
SYNCS: tuple[Sync, ...] = ("auto", "self-heal", "manual")
"""auto: each commit is synced by itself · self-heal: and what somebody changes in the cluster is put back at once ·
manual: a person, or `deploy up`, syncs.
"""

LOCAL = "https://kubernetes.default.svc"
"""How Argo CD calls the cluster that it runs in."""

VALUES = "../values.yaml"
"""The release's values, seen from its chart."""

RETRIES = 2
"""Times that Argo CD repeats a failed sync: for a moment of trouble. It repeats the old commit, so more would be in the
way of a revert."""

_OF_CLUSTER = {
    "APIService",
    "CSIDriver",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "GatewayClass",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttributesClass",
}

PROJECT, LIST = "appproject.yaml", "environments.yaml"
"""Files that all environments share. By its name the project is applied first: its Applications need it."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Destination:
    """A cluster as Argo CD knows it: by the name or by the URL, one of them."""

    name: str = ""
    server: str = ""

    @property
    def data(self) -> dict[str, str]:
        """As an Application says it."""
        return {"name": self.name} if self.name else {"server": self.server}


@dataclass(frozen=True)
class Delivery:
    """One environment, and how Argo CD gets to it."""

    environment: str
    release: str
    application: str  # name of the Application
    argocd: str  # namespace of Argo CD, where Applications live
    repository: str
    branch: str
    path: str  # folder of the release in the repository
    namespace: str  # of the release
    destination: Destination
    sync: Sync = "self-heal"
    sealed: tuple[str, ...] = ()  # encrypted files of values in that folder, weakest first
    objects: tuple[Mapping[str, Any], ...] = ()  # what the chart makes


def files(project: str, deliveries: Sequence[Delivery]) -> dict[str, Object]:
    """An AppProject, and an Application for each environment, by the names of their files."""
    return {
        PROJECT: app_project(project, deliveries),
        **{f"environment-{one.environment}.yaml": application(project, one) for one in deliveries},
    }


def files_of_list(project: str, deliveries: Sequence[Delivery]) -> dict[str, Object]:
    """An AppProject, and one ApplicationSet that makes the Application of each environment."""
    return {
        PROJECT: app_project(project, deliveries),
        LIST: application_set(project, deliveries),
    }


def files_of_fleets(project: str, deliveries: Sequence[Delivery], labels: Mapping[str, str]) -> dict[str, Object]:
    """An AppProject, and for each environment an ApplicationSet over the clusters with these labels."""
    anywhere = [replace(one, destination=Destination(server="*")) for one in deliveries]
    return {
        PROJECT: app_project(project, anywhere),
        **{f"fleet-{one.environment}.yaml": fleet(project, one, labels) for one in deliveries},
    }


def beside(made: Mapping[str, Object], there: Mapping[str, Mapping[str, Any]]) -> dict[str, Object]:
    """What is to be written, with what earlier runs have written for other environments: an AppProject allows that too.

    Raises UsageError where an AppProject would become another one, or a list lose an environment: an Application's
    project, or the Application, would be gone.
    """
    joined = dict(made)
    if PROJECT in there:
        before, now = (str((one.get("metadata") or {}).get("name")) for one in (there[PROJECT], made[PROJECT]))
        if before != now:
            raise UsageError(
                f"{PROJECT} is AppProject {before}, and would become {now}",
                hint=f"--app-project {before} shares it; --out names another folder; --force writes over it",
            )
        joined[PROJECT] = _joined(made[PROJECT], there[PROJECT])
    if LIST in made and LIST in there:
        old, new = _listed(there[LIST]), _listed(made[LIST])
        if lost := [one for one in old if one not in new]:
            raise UsageError(
                f"{LIST} lists {', '.join(old)}, and would lose {', '.join(lost)}",
                hint=f"name all of them: {' '.join(f'--env {one}' for one in dict.fromkeys((*old, *new)))}; "
                "--force takes what is not named out",
            )
    return joined


def text(item: Object) -> str:
    """A file with the object, its sum and what is to be known of it."""
    body = rewritten("", "", item, "".join(f"# {line}\n" for line in _ABOUT[item["kind"]].strip().splitlines()))
    return f"# Made by `deploy gitops init`, which makes it anew while this is its sum: {_sum(body)}\n{body}"


def app_project(name: str, deliveries: Sequence[Delivery]) -> Object:
    """What the Applications of a release may: their repositories, where they go, and the kinds that the chart makes."""
    kinds = sorted({_kind(one) for delivery in deliveries for one in delivery.objects if one.get("kind")})
    destinations: list[dict[str, str]] = []
    for one in deliveries:
        if (to := {**one.destination.data, "namespace": one.namespace}) not in destinations:
            destinations.append(to)
    return {
        **_head("AppProject", name, _argocd(deliveries)),
        "spec": {
            "description": f"{deliveries[0].release}, delivered by `deploy`",
            "sourceRepos": sorted({one.repository for one in deliveries}),
            "destinations": sorted(destinations, key=str),
            "clusterResourceWhitelist": [_allowed(*one) for one in kinds if _of_cluster(one[1])],
            "namespaceResourceWhitelist": [_allowed(*one) for one in kinds if not _of_cluster(one[1])],
        },
    }


def application(project: str, delivery: Delivery) -> Object:
    """What Argo CD takes from where, and brings where."""
    return {
        **_head("Application", delivery.application, delivery.argocd),
        "spec": _spec(project, delivery, {**delivery.destination.data, "namespace": delivery.namespace}),
    }


def application_set(project: str, deliveries: Sequence[Delivery]) -> Object:
    """One ApplicationSet with a list of the environments.

    Raises UsageError where some clusters are told by name and some by URL: one template cannot say both.
    """
    how = {"name" if one.destination.name else "server" for one in deliveries}
    if len(how) > 1:
        by = ", ".join(f"{one.environment} by {'name' if one.destination.name else 'URL'}" for one in deliveries)
        raise UsageError(
            f"an ApplicationSet names its clusters in one way, and these are {by}",
            hint="give all of them by --cluster, or all by --server",
        )
    specs = [_spec(project, one, {}) for one in deliveries]
    varying = [keys for keys in _VARYING if any(_at(one, keys) != _at(specs[0], keys) for one in specs)]
    elements: list[Object] = [
        {
            "environment": one.environment,
            "application": one.application,
            "repository": one.repository,
            "branch": one.branch,
            "path": _chart(one),
            "namespace": one.namespace,
            "cluster": one.destination.name or one.destination.server,
            **{keys[-1]: _at(spec, keys) or [] for keys in varying},
        }
        for one, spec in zip(deliveries, specs, strict=True)
    ]
    template = _spec(project, deliveries[0], {how.pop(): "{{ .cluster }}", "namespace": "{{ .namespace }}"})
    template["source"] |= {
        "repoURL": "{{ .repository }}",
        "path": "{{ .path }}",
        "targetRevision": "{{ .branch }}",
    }
    for keys in varying:
        (template if len(keys) == 1 else template["source"]["helm"]).pop(keys[-1], None)
    made = _set(
        deliveries[0].release, _argocd(deliveries), {"list": {"elements": elements}}, "{{ .application }}", template
    )
    if varying:
        made["spec"]["templatePatch"] = "spec:\n" + "".join(map(_PATCH.__getitem__, varying))
    return made


def fleet(project: str, delivery: Delivery, labels: Mapping[str, str]) -> Object:
    """One ApplicationSet that brings an environment to every cluster of Argo CD's that has these labels."""
    return _set(
        delivery.application,
        delivery.argocd,
        {"clusters": {"selector": {"matchLabels": dict(labels)}}},
        f"{delivery.application}-{{{{ .nameNormalized }}}}",
        _spec(project, delivery, {"server": "{{ .server }}", "namespace": delivery.namespace}),
    )


def untouched(text: str) -> bool:
    """Whether a file is as it was written by us: nobody has changed it since."""
    match = _MARK.match(text)
    return match is not None and match[1] == _sum(text[match.end() :])


def _spec(project: str, delivery: Delivery, destination: Mapping[str, str]) -> Object:
    ignored = [_replicas(*one) for one in dict.fromkeys(_scaled(delivery.objects))]
    policy: Object = {
        "syncOptions": ["CreateNamespace=false", *(["RespectIgnoreDifferences=true"] if ignored else [])],
        "retry": {"limit": RETRIES, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
    }
    if delivery.sync != "manual":
        policy = {"automated": {"prune": True, "selfHeal": delivery.sync == "self-heal"}, **policy}
    return {
        "project": project,
        "source": {
            "repoURL": delivery.repository,
            "path": _chart(delivery),
            "targetRevision": delivery.branch,
            "helm": {
                "releaseName": delivery.release,
                "valueFiles": [VALUES, *(f"secrets://../{one}" for one in delivery.sealed)],
                "skipTests": True,
            },
        },
        "destination": dict(destination),
        "syncPolicy": policy,
        **({"ignoreDifferences": ignored} if ignored else {}),
    }


def _chart(delivery: Delivery) -> str:
    return f"{delivery.path}/chart" if delivery.path != "." else "chart"


def _set(name: str, namespace: str, generator: Object, application: str, template: Object) -> Object:
    return {
        **_head("ApplicationSet", name, namespace),
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [generator],
            "syncPolicy": {"preserveResourcesOnDeletion": True},
            "template": {"metadata": {"name": application}, "spec": template},
        },
    }


def _head(kind: str, name: str, namespace: str) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    }


def _argocd(deliveries: Iterable[Delivery]) -> str:
    """The namespace of Argo CD. Raises UsageError where there are several: an AppProject counts in its own alone."""
    found = {one.argocd: one.environment for one in deliveries}
    if len(found) > 1:
        by = ", ".join(f"{environment} in {namespace}" for namespace, environment in found.items())
        raise UsageError(
            f"argocd.namespace is not the same for all of these: {by}",
            hint="run once for each Argo CD, with an --out of its own",
        )
    return next(iter(found))


def _joined(project: Object, there: Mapping[str, Any]) -> Object:
    spec, old = project["spec"], there.get("spec") or {}
    lists = ("sourceRepos", "destinations", "clusterResourceWhitelist", "namespaceResourceWhitelist")
    more = {key: [*spec[key], *(one for one in old.get(key) or () if one not in spec[key])] for key in lists}
    return {**project, "spec": {**spec, **{key: sorted(found, key=str) for key, found in more.items()}}}


def _listed(item: Mapping[str, Any]) -> list[str]:
    return [str(one["environment"]) for one in item["spec"]["generators"][0]["list"]["elements"]]


def _scaled(objects: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, str]]:
    """API group, kind and name of what an autoscaler has the say over."""
    for one in objects:
        target = (one.get("spec") or {}).get("scaleTargetRef") or {}
        if one.get("kind") == "HorizontalPodAutoscaler" and target:
            yield _group(target.get("apiVersion", "apps/v1")), str(target.get("kind")), str(target.get("name"))


def _replicas(group: str, kind: str, name: str) -> Object:
    return {"group": group, "kind": kind, "name": name, "jsonPointers": ["/spec/replicas"]}


def _kind(item: Mapping[str, Any]) -> tuple[str, str]:
    return _group(str(item.get("apiVersion", "v1"))), str(item["kind"])


def _group(version: str) -> str:
    return version.rpartition("/")[0]


def _allowed(group: str, kind: str) -> dict[str, str]:
    return {"group": group, "kind": kind}


def _of_cluster(kind: str) -> bool:
    """Of a kind that nobody here knows, its name tells: ClusterIssuer, ClusterSecretStore."""
    return kind in _OF_CLUSTER or re.match(r"Cluster[A-Z]", kind) is not None


def _at(data: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


_MARK = re.compile(r"# Made by `deploy gitops init`[^\n]*: ([0-9a-f]{16})\n")

_HELM, _POLICY, _IGNORED = ("source", "helm", "valueFiles"), ("syncPolicy",), ("ignoreDifferences",)
_VARYING = (_HELM, _POLICY, _IGNORED)
"""What of an Application is no single text, and may differ from one environment to another."""

_PATCH = {
    _HELM: "  source: { helm: { valueFiles: {{ toJson .valueFiles }} } }\n",
    _POLICY: "  syncPolicy: {{ toJson .syncPolicy }}\n",
    _IGNORED: "  ignoreDifferences: {{ toJson .ignoreDifferences }}\n",
}

_ABOUT = {
    "AppProject": """
What the Applications of this release may do: deploy from these repositories, to these namespaces, these kinds.
The kinds are those that the chart makes now; when it makes others, run `deploy gitops init` again.
""",
    "Application": """
Argo CD brings the chart and the values of this folder to the cluster; `deploy up` commits both there.
The namespace is not created: its rights and quotas are not this release's to say.
Who deletes this leaves in the cluster what it has deployed: it has no finalizer.
""",
    "ApplicationSet": """
Makes the Applications: one for each entry of the list, or for each cluster that Argo CD knows with the labels.
What it makes no longer stays deployed in the cluster.
""",
}
