"""`python3 -m lab up|down|status|env`, and a verb for each part that `up` leaves out (extras.py)."""

import fcntl
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from lab import (
    access,
    certificates,
    controlplane,
    dns,
    engine,
    images,
    network,
    nodes,
    place,
    programs,
    registry,
)
from lab.extras import EXTRAS
from lab.processes import PartFailed, alive, recorded, stop

OTHER_WAY = (
    "The other way: `make demo` with a cluster and a registry of your own, named by variables: see lab/README.md, "
    '"A cluster of your own".'
)

PARTS = {
    "docker": engine.ready,
    "registry": registry.ready,
    "control plane": controlplane.ready,
    "dns": lambda: alive(dns.NAME),
    "nodes": nodes.ready,
}
"""Part: whether it runs."""


def up() -> int:
    """Bring every part up, what is slow side by side."""
    began = time.monotonic()
    place.CACHE.mkdir(parents=True, exist_ok=True)
    place.STATE.mkdir(parents=True, exist_ok=True)
    try:
        _part("packages", programs.packages)
        with ThreadPoolExecutor() as pool:  # two builds at a time would only take turns on two cores
            rootfs = pool.submit(_part, "base images: Debian", images.rootfs)
            builds = pool.submit(_builds)
            _part("network", network.up)
            _part("certificates", certificates.up)
            _part("docker", engine.up)
            _part("registry", registry.up)
            _done(builds)
            _done(rootfs)
            mirror = pool.submit(_part, "base images", images.up)
            _part("control plane", controlplane.up)
            _part("accounts", access.up)
            _part("dns", dns.up)
            _done(mirror)
        _part("nodes", nodes.up)
    except PartFailed:
        return 1
    print(f"lab: ready in {time.monotonic() - began:.1f} s")
    print('lab: to use it by hand: eval "$(python3 -m lab env)"')
    return 0


def add(name: str) -> int:
    """Bring one more part up, beside a lab that runs; the lab too where it does not."""
    if not all(ready() for ready in PARTS.values()) and up():
        return 1
    began = time.monotonic()
    try:
        for part, bring_up in EXTRAS[name].up.items():
            _part(part, bring_up)
    except PartFailed:
        return 1
    print(f"lab: {name} ready in {time.monotonic() - began:.1f} s")
    return 0


def _builds() -> None:
    for name, build in {
        "kubectl, sops": programs.wheels,
        "buildx": programs.buildx,
        "kubernetes": programs.kubernetes,
        "helm": programs.helm,
        "coredns": programs.coredns,
    }.items():
        _part(name, build)


def _done(future: Future[None]) -> None:
    future.result()


def _part(name: str, bring_up: Callable[[], str]) -> None:
    began = time.monotonic()
    try:
        said = bring_up()
    except PartFailed as failure:
        print(f"lab: {name:<20} FAILED: {failure}", file=sys.stderr)
        log = place.LOGS / f"{failure.log}.log"
        if failure.log and log.exists():
            print(f"lab: the end of {log}:", file=sys.stderr)
            print("\n".join(log.read_text(errors="replace").splitlines()[-30:]), file=sys.stderr)
        raise
    print(f"lab: {name:<20} {time.monotonic() - began:6.1f} s  {said}", flush=True)


def down() -> int:
    """Remove every part; what was built stays in the cache."""
    for extra in reversed(EXTRAS.values()):
        for end in extra.down:
            end()
    nodes.down()
    dns.down()
    controlplane.down()
    registry.down()
    engine.down()
    for name in recorded():
        stop(name)
    network.down()
    programs.down()
    nodes.unmount()
    shutil.rmtree(place.STATE, ignore_errors=True)
    print(f"lab: gone; what was built stays in {place.CACHE}")
    return 0


def status() -> int:
    """Say what runs; 0 where all that `up` brings does."""
    if not place.STATE.exists():
        print("lab: not there; `make lab` brings it up")
        return 1
    states = {name: ready() for name, ready in PARTS.items()}
    for name, ready in states.items():
        print(f"lab: {name:<20} {'ready' if ready else 'NOT READY'}")
    for verb, extra in EXTRAS.items():
        for name, runs in extra.ready.items() if extra.asked else ():
            # Not counted: after a restart of the machine `up` brings back what `up` is for, and no more.
            print(f"lab: {name:<20} {'ready' if runs() else f'does not run; `python3 -m lab {verb}` brings it up'}")
    return 0 if all(states.values()) else 1


def env() -> int:
    """Print the variables for a shell."""
    if not place.KUBECONFIG.exists():
        print("lab: not there; `make lab` brings it up", file=sys.stderr)
        return 1
    variables = access.environment()
    for extra in EXTRAS.values():
        variables |= extra.environment
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH={shlex.quote(str(place.BIN))}:"$PATH"')
    return 0


def unfit() -> str | None:
    """Why the lab cannot run here, or None. Asked before anything is touched."""
    if platform.system() != "Linux":
        return f"it needs Linux, and this is {platform.system()}"
    if os.geteuid() != 0:
        return "it needs root: it makes network namespaces, mounts and cgroups"
    if not shutil.which("apt-get"):
        return "it needs Debian's packages, and there is no apt-get"
    if not shutil.which("go"):
        return "it needs Go to build Kubernetes, and there is no go on PATH"
    return None


def main() -> int:
    """Run one verb."""
    verbs = {"up": up, "down": down, "status": status, "env": env} | {name: partial(add, name) for name in EXTRAS}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        print(f"usage: python3 -m lab {'|'.join(verbs)}", file=sys.stderr)
        return 2
    why = unfit()
    if why:
        print(f"lab: it cannot run here: {why}.\n{OTHER_WAY}", file=sys.stderr)
        return 2
    with open("/run/deploy-lab.lock", "w") as lock:
        if sys.argv[1] not in ("status", "env"):  # one at a time
            fcntl.flock(lock, fcntl.LOCK_EX)
        return verbs[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
