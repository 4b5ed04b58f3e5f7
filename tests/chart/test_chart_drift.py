"""What a real API server makes of an object is no drift: its defaults, its order, its notation."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import Helm, environment, program

from deployer import cluster
from deployer.cluster.manifest import fetch
from deployer.plan.drift import drift
from deployer.values.document import objects

pytestmark = pytest.mark.lab
CUSTOM = {"VirtualService", "DestinationRule", "PeerAuthentication", "Gateway", "HTTPRoute", "ServiceMonitor"}
"""Of operators that this cluster may not have."""

ODD = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: odd, creationTimestamp: null}
spec:
  serviceName: odd
  replicas: 0
  podManagementPolicy: ""
  selector: {matchLabels: {app: odd}}
  template:
    metadata: {labels: {app: odd}, creationTimestamp: null}
    spec:
      hostNetwork: false
      nodeSelector: {}
      tolerations: []
      dnsPolicy: ""
      securityContext: {}
      initContainers: [{name: first, image: none, resources: {}, env: []}]
      containers:
        - name: odd
          image: none
          command: [sleep]
          env:
            - {name: B, value: ""}
            - {name: A, value: "1"}
            - {name: NODE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
          ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}]
          resources:
            limits: {cpu: 1.5, memory: 0.5Gi, ephemeral-storage: 1e9}
            requests: {cpu: "0.1", memory: 134217728}
          readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 0}
          lifecycle: null
          volumeMounts: [{name: data, mountPath: /data, readOnly: false}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: odd}
spec:
  schedule: "0 0 1 1 *"
  suspend: false
  jobTemplate:
    spec:
      template: {spec: {restartPolicy: Never, containers: [{name: odd, image: none}]}}
---
apiVersion: v1
kind: Service
metadata: {name: odd, annotations: {}}
spec:
  type: NodePort
  clusterIP: ""
  sessionAffinity: ""
  selector: {app: odd}
  ports: [{port: 53, protocol: UDP, name: dns}, {port: 80, name: http}]
---
apiVersion: v1
kind: Secret
metadata: {name: odd}
stringData: {word: hush, more: "two\\nlines\\n"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: odd}
data: {empty: "", text: "a\\nb\\n"}
binaryData: {raw: AAECAw==}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: odd}
automountServiceAccountToken: false
imagePullSecrets: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: odd}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: odd}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: odd}
subjects: [{kind: ServiceAccount, name: odd}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: odd}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: odd}
  maxReplicas: 3
  metrics:
    - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 0.5Gi}}}
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: odd}
spec: {hard: {pods: 50, limits.memory: 64Gi}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: odd}
spec: {maxUnavailable: 50%, selector: {matchLabels: {app: odd}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: odd}
spec: {podSelector: {}, ingress: [{}, {ports: [{port: 80}]}], policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: odd}
spec:
  defaultBackend: {service: {name: odd, port: {number: 80}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: odd}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 0.5Gi}}}
"""


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace."""
    name = f"drift-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def kubectl(*argv: str, stdin: str | None = None) -> None:
    admin = os.environ["LAB_ADMIN_KUBECONFIG"]
    subprocess.run(
        ["kubectl", "--kubeconfig", admin, *argv], input=stdin, check=True, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client", "server"])
@pytest.mark.parametrize("name", ["dev", "test", "prod", "odd"])
def test_what_the_api_server_makes_of_it_is_no_drift(place: str, name: str, how: tuple[str, ...]) -> None:
    rendered = objects(ODD) if name == "odd" else Helm(program("HELM", "helm")).render(environment(name)).objects
    manifest: list[dict[str, Any]] = [item for item in rendered if item["kind"] not in CUSTOM]
    kubectl("--namespace", place, "apply", *how, "--filename", "-", stdin=yaml.safe_dump_all(manifest))
    file = Path(os.environ["LAB_ADMIN_KUBECONFIG"])
    door = cluster.connect(file, yaml.safe_load(file.read_text())["contexts"][0]["name"])
    found = fetch(door, place, manifest)
    door.close()
    assert found.unreadable == ()
    assert len(found.pairs) == len(manifest)
    assert drift(found.pairs) == ()
