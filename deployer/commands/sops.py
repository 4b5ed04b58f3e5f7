"""sops: secrets that live in git, encrypted. It finds .sops.yaml from the folder it runs in."""

from pathlib import Path

from deployer.model import Command


def decrypt(sops: str, project: Path, file: Path) -> Command:
    """The whole file as JSON, on stdout; nothing is written."""
    return Command((sops, "decrypt", "--output-type", "json", str(file)), cwd=project)


def edit(sops: str, project: Path, file: Path, folder: Path | None) -> Command:
    """Open the file in $EDITOR; sops makes it where there is none. `folder`: where the plain text lies meanwhile."""
    return Command((sops, "edit", str(file)), cwd=project, env={"TMPDIR": str(folder)} if folder else {})


def update_keys(sops: str, project: Path, file: Path) -> Command:
    """Encrypt the data key for the recipients that .sops.yaml names now."""
    return Command((sops, "updatekeys", "--yes", str(file)), cwd=project)


def rotate(sops: str, project: Path, file: Path) -> Command:
    """Make a new data key and encrypt everything with it, so that an old key reads nothing new."""
    return Command((sops, "rotate", "--in-place", str(file)), cwd=project)
