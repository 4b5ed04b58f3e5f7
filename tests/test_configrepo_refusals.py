"""What git and its servers say, as what it means. Each line was said by one of them."""

import pytest

from deployer.configrepo.refusals import refusal, server

URL = "https://git.example.org/team/config.git"
REJECTED = "!\tabc:refs/heads/main\t"


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (f"{REJECTED}[rejected] (fetch first)", "behind", "gone on"),
        (f"{REJECTED}[rejected] (non-fast-forward)", "behind", "gone on"),
        (f"{REJECTED}[rejected] (stale info)", "behind", "gone on"),
        (
            f"{REJECTED}[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)",
            "behind",
            "gone on",
        ),
        (f"{REJECTED}[remote rejected] (failed to update ref)", "behind", "gone on"),
        (f"{REJECTED}[remote rejected] (incorrect old value provided)", "behind", "gone on"),
        (f"{REJECTED}[remote rejected] (reference already exists)", "behind", "gone on"),
        ("fatal: couldn't find remote ref refs/heads/main", "absent", "no branch `main`"),
        (
            f"remote: fatal: write error: No space left on device\n{REJECTED}[remote rejected] (unpacker error)",
            "final",
            "git.example.org cannot store the commit",
        ),
        ("fatal: write error: No space left on device", "final", "no room left for the clone"),
        (
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n"
            f"{REJECTED}[remote rejected] (pre-receive hook declined)",
            "final",
            "refused the commit: pre-receive hook declined",
        ),
        (
            f"remote: error: GH006: Protected branch update failed for refs/heads/main.\n{REJECTED}[remote rejected] "
            "(protected branch hook declined)",
            "final",
            "refused the commit: protected branch hook declined",
        ),
        (
            "fatal: could not read Username for 'https://git.example.org': terminal prompts disabled",
            "final",
            "asks for a login, and there is none",
        ),
        (f"fatal: Authentication failed for '{URL}/'", "final", "does not take the login (401)"),
        (
            f"remote: Permission to a/b.git denied to robot.\nfatal: unable to access '{URL}/': "
            "The requested URL returned error: 403",
            "final",
            "may not do this at git.example.org (403)",
        ),
        (f"remote: Repository not found.\nfatal: repository '{URL}/' not found", "final", "no repository at https"),
        ("git@git.example.org: Permission denied (publickey).", "final", "takes none of the ssh keys"),
        ("Host key verification failed.\nfatal: Could not read from remote", "final", "host key of git.example.org"),
        (
            "fatal: unable to access 'x': SSL certificate problem: unable to get local issuer certificate",
            "final",
            "not to be trusted",
        ),
        (
            "fatal: unable to access 'x': server certificate verification failed. CAfile: none CRLfile: none",
            "final",
            "not to be trusted",
        ),
        ("fatal: unable to access 'x': SSL certificate problem: certificate has expired", "final", "has expired"),
        ("fatal: unable to access 'x': Could not resolve host: git.example.org", "away", "is not known here"),
        (
            "fatal: unable to access 'x': Operation too slow. Less than 1 bytes/sec transferred the last 30 seconds",
            "away",
            "does not answer in time",
        ),
        ("ssh: connect to host git.example.org port 22: Connection timed out", "away", "does not answer in time"),
        ("ssh: connect to host git.example.org port 22: Connection refused", "away", "cannot be reached"),
        ("fatal: unable to access 'x': Failed to connect to h port 1 after 2 ms", "away", "cannot be reached"),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503", "away", "own (503)"),
        (
            "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\n"
            "send-pack: unexpected disconnect while reading sideband packet\n"
            "fatal: the remote end hung up unexpectedly",
            "final",
            "git.example.org takes no push of this size (413)",
        ),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413 Request", "final", "size (413)"),
        ("error: RPC failed; result=22, HTTP code = 413", "final", "takes no push of this size (413)"),
        ("fatal: the remote end hung up unexpectedly", "away", "broke off"),
        ("fatal: something new", "broken", "git failed at git.example.org"),
    ],
)
def test_refusals(said: str, kind: str, message: str) -> None:
    found = refusal(tuple(said.split("\n")), URL, "main")
    assert found.kind == kind
    assert message in found.message


def test_the_words_of_a_server_are_shown_and_its_counting_is_not() -> None:
    said = ("remote: Counting objects: 3, done.", "remote: ", "remote: No.", "To https://x", "fatal: y", "Done")
    assert refusal(said, URL, "main").detail == ("remote: No.", "fatal: y")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "git.example.org"),
        ("ssh://git@h:2222/x", "h:2222"),
        ("git@h:team/x.git", "h"),
        ("h:x", "h"),
        ("/srv/x.git", "/srv/x.git"),
    ],
)
def test_servers(url: str, name: str) -> None:
    assert server(url) == name
