"""CoreDNS: a pod reaches another service by name."""

from lab import certificates, place
from lab.processes import start, stop

NAME = "coredns"


def up() -> str:
    """Start the name server on the first node's address, where every kubelet points its pods."""
    certificates.kubeconfig(place.STATE / "dns.kubeconfig", "dns")
    corefile = place.STATE / "Corefile"
    corefile.write_text(
        f"""cluster.local in-addr.arpa:53 {{
    bind {place.NODE1}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {place.STATE / "dns.kubeconfig"}
    }}
    cache 2
}}
"""
    )
    start(NAME, (place.BIN / "coredns", "-conf", corefile))
    return place.NODE1


def down() -> None:
    """Stop it."""
    stop(NAME)
