"""The only package that talks to the Kubernetes API. Raw JSON in and out; safe to share between threads.

`connect(kubeconfig, context)` gives a `Cluster`. Only session.py imports `kubernetes`, and only when it connects.
"""

from deployer.cluster.api import Cluster, connect
from deployer.cluster.errors import ClusterError, Conflict, Forbidden, Gone, NotFound, Unauthorized, Unreachable
from deployer.cluster.kinds import Access, Json, path
from deployer.cluster.stream import Stream

__all__ = [
    "Access",
    "Cluster",
    "ClusterError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Json",
    "NotFound",
    "Stream",
    "Unauthorized",
    "Unreachable",
    "connect",
    "path",
]
