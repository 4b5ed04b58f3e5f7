"""A DOCKER_CONFIG of the run's own, so that a login never touches the user's and never outlives the run."""

import json
from collections.abc import Mapping
from pathlib import Path

KEPT = ("contexts", "cli-plugins", "buildx")
"""Folders of the user's configuration that docker still needs: where its plugins, engines and builders are."""


def private(folder: Path, environ: Mapping[str, str], *registries: str) -> Path:
    """Make a docker configuration in `folder` (which nobody else can read): the user's, but logins are stored in it.

    Without `credsStore` and without the helpers of `registries` (host[:port]), since these are shared by all runs on
    the machine; other registries' helpers stay.
    """
    theirs = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker")
    ours = folder / "docker"
    ours.mkdir(mode=0o700)
    try:
        settings = json.loads((theirs / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = None
    settings = settings if isinstance(settings, dict) else {}
    settings.pop("credsStore", None)
    if isinstance(helpers := settings.get("credHelpers"), dict):
        for registry in registries:
            helpers.pop(registry, None)
    config = ours / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(settings), encoding="utf-8")
    for name in KEPT:
        if (theirs / name).is_dir():
            (ours / name).symlink_to(theirs.resolve() / name)
    return ours
