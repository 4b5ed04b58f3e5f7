"""A git server: HTTPS by the lab's authority and a login even to read; `deploy` may push, `reader` may not.

A repository is a bare one in `place.REPOSITORIES`: `create` makes it, and so does
`git init --bare --initial-branch main "$LAB_GIT_ROOT/NAME.git"`; its address is `$LAB_GIT_URL/NAME.git`. Force-pushes
are taken. A hook in its `hooks` folder is run, as a host's own rules would be.
"""

import http.client
import ssl

from lab import certificates, place
from lab.processes import run, start, stop, until

NAME = "gitserver"
WRITER, READER = "deploy", "reader"
HOST, _, PORT = place.GIT.partition(":")
URL = f"https://{place.GIT}"


def up() -> str:
    """Start the server; the repositories that are there stay."""
    place.REPOSITORIES.mkdir(parents=True, exist_ok=True)
    if not (place.PKI / "git.crt").exists():
        certificates.issue("git", "/CN=git", f"DNS:{HOST}")
    users = place.PKI / "git-htpasswd"
    if not users.exists():
        hashed = [run("htpasswd", "-niB", one, stdin=password(one)).strip() for one in (WRITER, READER)]
        users.write_text("\n".join(hashed) + "\n")
    script = place.STATE / "git-http-backend"
    script.write_text(
        f"""#!/bin/sh
export PATH=/usr/bin:/bin HOME=/nonexistent GIT_PROJECT_ROOT={place.REPOSITORIES} GIT_HTTP_EXPORT_ALL=1
# Nothing is to go on in the background when a test takes its repository away.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=receive.autogc GIT_CONFIG_VALUE_0=false
case "$REMOTE_USER $PATH_INFO $QUERY_STRING" in
  "{WRITER} "*) ;;
  *git-receive-pack*)
    printf 'Status: 403 Forbidden\\r\\nContent-Type: text/plain\\r\\n\\r\\n%s may only read\\n' "$REMOTE_USER"
    exit ;;
esac
exec git http-backend
"""
    )
    script.chmod(0o755)
    config = place.STATE / "lighttpd.conf"
    config.write_text(
        f"""server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_cgi", "mod_openssl")
server.document-root = "{place.REPOSITORIES}"
server.feature-flags = ("server.h2proto" => "disable") # its HTTP/2 breaks a push of more than a megabyte off
server.upload-dirs = ("{place.STATE}")
server.bind = "{place.NODE1}"
server.port = {PORT}
ssl.engine = "enable"
ssl.pemfile = "{place.PKI / "git.crt"}"
ssl.privkey = "{place.PKI / "git.key"}"
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{users}"
auth.require = ("/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
alias.url = ("/" => "{script}/")
cgi.assign = ("" => "")
"""
    )
    start(NAME, ("lighttpd", "-D", "-f", config))
    until("the git server", ready, seconds=120, needs=(NAME,))
    return URL


def ready() -> bool:
    """Whether the server answers, and asks for a login."""
    context = ssl.create_default_context(cafile=str(place.PKI / "ca.crt"))
    connection = http.client.HTTPSConnection(HOST, int(PORT), timeout=10, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.UNAUTHORIZED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def create(name: str) -> str:
    """Make an empty repository with the branch main to come; its address."""
    run("git", "init", "--quiet", "--bare", "--initial-branch", "main", place.REPOSITORIES / f"{name}.git")
    return f"{URL}/{name}.git"


def password(user: str) -> str:
    """A user's password: made once a lab."""
    return certificates.password(f"git-{user}")


def environment() -> dict[str, str]:
    """The variables by which tests find the server and both users."""
    return {
        "LAB_GIT_URL": URL,
        "LAB_GIT_ROOT": str(place.REPOSITORIES),
        "LAB_GIT_USERNAME": WRITER,
        "LAB_GIT_PASSWORD": password(WRITER),
        "LAB_GIT_READER": READER,
        "LAB_GIT_READER_PASSWORD": password(READER),
        "GIT_SSL_CAINFO": str(place.BUNDLE),
    }


def down() -> None:
    """Stop the server."""
    stop(NAME)
