"""A DOCKER_CONFIG of the run's own: its logins never touch the user's, never outlive the run, and never are on disk.

docker asks a credential helper for each (docs.docker.com/reference/cli/docker/login, "Credential helper protocol").
Ours is a small program in the run's private folder that asks this process, on the loopback device and with a word that
only those know who can read the folder. Where this process was killed, nobody answers.
"""

import hmac
import json
import os
import secrets
import shlex
import shutil
import socketserver
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deployer.credentials import Login

KEPT = ("contexts", "cli-plugins", "buildx")
"""Folders of the user's configuration that docker still needs: where its plugins, engines and builders are."""

HUB = "https://index.docker.io/v1/"
"""What docker calls Docker Hub."""

TOLD = "DOCKER_AUTH_CONFIG"
"""A variable that GitLab's runner, and newer dockers, read logins from: docker believes it before any helper."""

PATIENCE = 10.0
"""Seconds that a helper may take to ask."""

UNKNOWN = b"no\ncredentials not found in native keychain\n"
"""By this sentence docker knows that there is no login; it goes on without."""

PROGRAM = """\
import socket, sys
with socket.create_connection(("127.0.0.1", {port}), {patience}) as door:
    door.sendall(b"{word} " + sys.argv[1].encode() + b"\\n" + sys.stdin.buffer.read())
    door.shutdown(socket.SHUT_WR)
    said, _, text = b"".join(iter(lambda: door.recv(65536), b"")).partition(b"\\n")
sys.stdout.buffer.write(text)
sys.exit(said != b"ok")
"""


@contextmanager
def private(folder: Path, environ: Mapping[str, str], logins: Mapping[str, Login]) -> Iterator[Mapping[str, str]]:
    """The variables for docker, with a configuration in `folder` (which nobody else can read).

    `logins`: host[:port] of a registry → the login there. The configuration is the user's, but for the
    helpers of these registries: docker asks a registry's own helper before `credsStore`, which stays for all others.
    """
    theirs = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker")
    ours = folder / "docker"
    ours.mkdir(mode=0o700)
    settings = _settings(theirs / "config.json")
    helpers = settings.get("credHelpers")
    mine = {HUB if host in ("docker.io", "index.docker.io") else host: login for host, login in logins.items()}
    settings["credHelpers"] = (helpers if isinstance(helpers, dict) else {}) | dict.fromkeys(mine, "deploy")
    config = ours / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(settings), encoding="utf-8")
    for name in KEPT:
        if (theirs / name).is_dir():
            _keep(theirs.resolve() / name, ours / name)
    with _answering(mine) as (port, word):
        _helper(ours, port, word)
        path = f"{ours}{os.pathsep}{environ.get('PATH', os.defpath)}"
        yield {"DOCKER_CONFIG": str(ours), "PATH": path, **_told(environ.get(TOLD, ""), mine)}


def _keep(theirs: Path, ours: Path) -> None:
    """Let docker find a folder of the user's. buildx writes to its own: where it may not, it gets a copy."""
    if theirs.name != "buildx" or os.access(theirs, os.W_OK):
        ours.symlink_to(theirs)
    else:
        shutil.copytree(theirs, ours, ignore=shutil.ignore_patterns("refs", "activity"))
        ours.chmod(0o700)


def _settings(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(text: str, mine: Mapping[str, Login]) -> dict[str, str]:
    """The job's own variable of logins without those of our registries; nothing where it has none of them."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    auths = found.get("auths") if isinstance(found, dict) else None
    if not isinstance(auths, dict) or not auths.keys() & mine.keys():
        return {}
    return {TOLD: json.dumps({**found, "auths": {host: one for host, one in auths.items() if host not in mine}})}


def _helper(folder: Path, port: int, word: str) -> None:
    program, command = folder / "helper.py", folder / "docker-credential-deploy"
    for file, mode in ((program, 0o600), (command, 0o700)):
        file.touch(mode=mode)
    program.write_text(PROGRAM.format(port=port, word=word, patience=PATIENCE), encoding="utf-8")
    line = shlex.join([sys.executable, "-I", "-S", str(program)])
    command.write_text(f'#!/bin/sh\nexec {line} "$@"\n', encoding="utf-8")


@contextmanager
def _answering(logins: Mapping[str, Login]) -> Iterator[tuple[int, str]]:
    """Answer the helper for as long as the block runs: the port, and the word that it has to say first."""
    word = secrets.token_hex(16)

    class Answer(socketserver.StreamRequestHandler):
        timeout = PATIENCE

        def handle(self) -> None:
            said, _, verb = self.rfile.readline(256).decode(errors="replace").strip().partition(" ")
            if hmac.compare_digest(said.encode(), word.encode()):
                self.wfile.write(_answer(verb, self.rfile.read(1 << 20), logins))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="docker's login", daemon=True)
        thread.start()
        try:
            yield server.server_address[1], word
        finally:
            server.shutdown()


def _answer(verb: str, asked: bytes, logins: Mapping[str, Login]) -> bytes:
    match verb:
        case "get":
            registry = asked.decode(errors="replace").strip()  # as the configuration has it: docker looked it up there
            login = logins.get(registry)
            if login is None:
                return UNKNOWN
            pair = {"ServerURL": registry, "Username": login.username, "Secret": login.password}
            return b"ok\n" + json.dumps(pair).encode()
        case "list":
            return b"ok\n{}"
        case "store" | "erase":  # `docker login` has tried it and stores it: we have it already
            return b"ok\n"
        case _:
            return b"no\n"
