"""A docker engine of the lab's own: its socket and data are apart from any docker of the machine."""

from lab import place
from lab.processes import alive, attempt, start, stop, until

NAME = "dockerd"
RULES = (
    ("filter", "FORWARD -j DOCKER-USER"),
    ("filter", "FORWARD -j DOCKER-ISOLATION-STAGE-1"),
    ("filter", "FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
    ("filter", "FORWARD -o docker0 -j DOCKER"),
    ("filter", "FORWARD -i docker0 ! -o docker0 -j ACCEPT"),
    ("filter", "FORWARD -i docker0 -o docker0 -j ACCEPT"),
    ("nat", "PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"),
    ("nat", "OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"),
    ("nat", "POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"),
)
"""What dockerd leaves in iptables when it ends."""

CHAINS = (
    ("filter", "DOCKER"),
    ("filter", "DOCKER-ISOLATION-STAGE-1"),
    ("filter", "DOCKER-ISOLATION-STAGE-2"),
    ("filter", "DOCKER-USER"),
    ("nat", "DOCKER"),
)


def ready() -> bool:
    """Whether the engine answers, and has the bridge that builds need."""
    return attempt("docker", "--host", f"unix://{place.DOCKER}", "info") and attempt("ip", "link", "show", "docker0")


def up() -> str:
    """Start the engine; anew where another one took its bridge away."""
    if alive(NAME) and not attempt("ip", "link", "show", "docker0"):
        stop(NAME, patience=20)
    start(
        NAME,
        (
            *("dockerd", "--host", f"unix://{place.DOCKER}", "--pidfile", place.STATE / "dockerd.pid"),
            *("--data-root", place.STATE / "docker", "--exec-root", place.STATE / "docker-exec"),
        ),
        {"SSL_CERT_FILE": str(place.BUNDLE)},
    )
    until("the docker engine", ready, seconds=240, needs=(NAME,))
    return "ready"


def down() -> None:
    """Stop the engine and its containerd, and take its bridge and rules away, unless another engine uses them."""
    stop(NAME, patience=20)
    if attempt("pgrep", "--runstates", "D,R,S", "--exact", "dockerd"):
        return
    attempt("ip", "link", "del", "docker0")
    for table, rule in RULES:
        attempt("iptables", "-t", table, "-D", *rule.split())
    for table, chain in CHAINS:
        attempt("iptables", "-t", table, "-F", chain)
    for table, chain in CHAINS:
        attempt("iptables", "-t", table, "-X", chain)
