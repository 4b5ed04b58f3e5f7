"""A docker engine of the lab's own: its socket and data are apart from any docker of the machine."""

from lab import place
from lab.processes import attempt, start, stop, until

NAME = "dockerd"


def ready() -> bool:
    """Whether the engine answers."""
    return attempt("docker", "--host", f"unix://{place.DOCKER}", "info")


def up() -> str:
    """Start the engine."""
    start(
        NAME,
        (
            *("dockerd", "--host", f"unix://{place.DOCKER}", "--pidfile", place.STATE / "dockerd.pid"),
            *("--data-root", place.STATE / "docker", "--exec-root", place.STATE / "docker-exec"),
        ),
        {"SSL_CERT_FILE": str(place.BUNDLE)},
    )
    until("the docker engine", ready, seconds=60, needs=(NAME,))
    return "ready"


def down() -> None:
    """Stop the engine and its containerd."""
    stop(NAME, patience=20)
