"""One bridge with the lab's addresses, a network namespace for the second node, names in /etc/hosts."""

from pathlib import Path

from lab import place
from lab.processes import attempt, run

HOSTS = Path("/etc/hosts")
MARK = "# deploy-lab"
NAMES = " ".join(server.partition(":")[0] for server in (place.REGISTRY, place.GIT))


def up() -> str:
    """Make what is missing of it."""
    if not attempt("ip", "link", "show", place.BRIDGE):
        # A bridge without ports carries the node's address: the kubelet refuses loopback.
        run("ip", "link", "add", place.BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{place.NODE1}/24", "dev", place.BRIDGE)
    run("ip", "link", "set", place.BRIDGE, "up")
    # What kube-proxy has not translated dies here instead of leaving the machine.
    run("ip", "route", "replace", place.SERVICES, "dev", place.BRIDGE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    if not Path("/run/netns", place.NETNS).exists():
        run("ip", "netns", "add", place.NETNS)
    if not attempt("ip", "link", "show", place.NODE2_LINK):
        inside = ("ip", "-n", place.NETNS)
        run("ip", "link", "add", place.NODE2_LINK, "type", "veth", "peer", "name", "eth0", "netns", place.NETNS)
        run("ip", "link", "set", place.NODE2_LINK, "master", place.BRIDGE, "up")
        run(*inside, "address", "add", f"{place.NODE2}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "route", "add", "default", "via", place.NODE1)
        run(*inside, "route", "add", place.PODS["node1"], "via", place.NODE1)
        run("nsenter", f"--net=/run/netns/{place.NETNS}", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    run("ip", "route", "replace", place.PODS["node2"], "via", place.NODE2)
    for chain, rule in _rules():
        if not attempt("iptables", "-C", chain, *rule):
            run("iptables", "-I", chain, *rule)
    lines = [line for line in HOSTS.read_text().splitlines() if MARK not in line]
    HOSTS.write_text("\n".join([*lines, f"{place.NODE1} {NAMES} {MARK}"]) + "\n")
    return place.NODE1


def _rules() -> list[tuple[str, tuple[str, ...]]]:
    """dockerd sets the FORWARD policy to DROP; the lab's own traffic goes on."""
    comment = ("-m", "comment", "--comment", "deploy-lab", "-j", "ACCEPT")
    return [
        ("FORWARD", ("-s", "10.244.0.0/16", *comment)),
        ("FORWARD", ("-d", "10.244.0.0/16", *comment)),
        ("FORWARD", ("-i", place.BRIDGE, *comment)),
    ]


def down() -> None:
    """Remove all of it."""
    for chain, rule in _rules():
        while attempt("iptables", "-D", chain, *rule):
            pass
    attempt("ip", "route", "del", place.PODS["node2"])
    attempt("ip", "link", "del", place.NODE2_LINK)
    attempt("ip", "netns", "del", place.NETNS)
    attempt("ip", "link", "del", place.BRIDGE)
    attempt("ip", "link", "del", "labcni0")
    text = HOSTS.read_text()
    if MARK in text:
        HOSTS.write_text("".join(line for line in text.splitlines(keepends=True) if MARK not in line))
