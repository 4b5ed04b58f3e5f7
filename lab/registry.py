"""A private registry: TLS by the lab's authority, and a password."""

import shutil

from lab import place
from lab.processes import attempt, run, start, stop, until

NAME = "registry"
STORAGE = place.STATE / "registry"


def ready() -> bool:
    """Whether the registry answers the right password."""
    config = f"user = {place.REGISTRY_USER}:{place.password()}\n"
    file = place.PKI / "curl.conf"
    file.touch(mode=0o600)
    file.write_text(config)
    return attempt("curl", "-sf", "-K", file, "--cacert", place.PKI / "ca.crt", f"https://{place.REGISTRY}/v2/")


def up() -> str:
    """Start the registry; the base images that an earlier lab made are in it."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    kept = place.CACHE / "mirror"
    if kept.exists() and not (STORAGE / "docker").exists():
        shutil.copytree(kept / "docker", STORAGE / "docker")
    users = place.PKI / "htpasswd"
    if not users.exists():
        users.write_text(run("htpasswd", "-niB", place.REGISTRY_USER, stdin=place.password()))
    config = place.STATE / "registry.yml"
    config.write_text(
        f"""version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {STORAGE}}}, delete: {{enabled: true}}}}
http:
  addr: {place.NODE1}:{place.REGISTRY.partition(":")[2]}
  tls: {{certificate: {place.PKI / "registry.crt"}, key: {place.PKI / "registry.key"}}}
auth: {{htpasswd: {{realm: lab, path: {users}}}}}
"""
    )
    start(NAME, ("docker-registry", "serve", config))
    until("the registry", ready, seconds=120, needs=(NAME,))
    return place.REGISTRY


def down() -> None:
    """Stop the registry."""
    stop(NAME)
