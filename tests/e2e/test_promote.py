"""`deploy promote` on the lab: three namespaces with an account each, and a second registry for prod."""

import base64
import hashlib
import json
import os
import pty
import secrets
import select
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Deployed, Project, kubectl, run

pytestmark = pytest.mark.lab

ENVIRONMENTS = ("dev", "test", "prod")
CRASH = ("--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Registry:
    """A registry of the lab's, asked as curl would."""

    url: str
    user: str
    password: str

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[bytes, dict[str, str]]:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            path if "://" in path else f"https://{self.url}{path}",
            data=body,
            method=method,
            headers={"Authorization": f"Basic {pair}", **named},
        )
        trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:
            return answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    def manifest(self, repository: str, name: str) -> bytes:
        kinds = ", ".join((DOCKER_MANIFEST, OCI_MANIFEST, OCI_INDEX))
        return self.ask("GET", f"/v2/{repository}/manifests/{name}", Accept=kinds)[0]

    def put(self, repository: str, kind: str, content: Any, tag: str | None = None) -> dict[str, Any]:
        """Push a manifest; its descriptor."""
        body = json.dumps(content).encode()
        name = tag or digest(body)
        self.ask("PUT", f"/v2/{repository}/manifests/{name}", body, Content_Type=kind)
        return {"mediaType": kind, "digest": digest(body), "size": len(body)}

    def blob(self, repository: str, kind: str, body: bytes) -> dict[str, Any]:
        """Push a blob; its descriptor."""
        _, headers = self.ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
        place = headers["location"]
        where = f"{place}{'&' if '?' in place else '?'}digest={digest(body)}"
        self.ask("PUT", where, body, Content_Type="application/octet-stream")
        return {"mediaType": kind, "digest": digest(body), "size": len(body)}


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


@pytest.fixture
def namespaces() -> Iterator[dict[str, str]]:
    """A namespace with an account of its own for each environment."""
    mark = secrets.token_hex(4)
    names = {environment: f"t-{mark}-{environment}" for environment in ENVIRONMENTS}
    template = (ROOT / "lab" / "access.yaml").read_text()
    kubectl("apply", "-f", "-", stdin="\n---\n".join(template.replace("NAMESPACE", name) for name in names.values()))
    yield names
    kubectl("delete", "namespace", *names.values(), "--wait=false")
    roles = ",".join(("clusterrole", "clusterrolebinding"))
    kubectl("delete", roles, *(f"deployer-identity-{name}" for name in names.values()), "--wait=false")


@pytest.fixture
def namespace(namespaces: dict[str, str]) -> str:
    """The one whose objects a failed test shows."""
    return namespaces["prod"]


@pytest.fixture
def kubeconfig(namespaces: dict[str, str], tmp_path: Path) -> Path:
    """Contexts dev, test and prod, each with the token of its own namespace's account."""
    config = json.loads(Path(os.environ["DEPLOY_KUBECONFIG"]).read_text())
    for user in config["users"]:
        name = namespaces[user["name"].removeprefix("deployer-")]
        token = kubectl("--namespace", name, "create", "token", "deployer", "--duration=2h").strip()
        user["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    return file


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Registry]:
    """A second registry: on another port of the host that the lab's certificate and its nodes know."""
    pki, host = Path(os.environ["LAB_STATE"]) / "pki", os.environ["REGISTRY_URL"].partition(":")[0]
    address = socket.gethostbyname(host)
    folder = tmp_path / "second"
    folder.mkdir()
    (folder / "htpasswd").write_text(run("htpasswd", "-niB", "prod", stdin="pass-of-the-second").stdout)
    with socket.socket() as free:
        free.bind((address, 0))
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(
        f"""version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http:
  addr: {address}:{port}
  tls: {{certificate: {pki}/registry.crt, key: {pki}/registry.key}}
auth: {{htpasswd: {{realm: second, path: {folder}/htpasswd}}}}
"""
    )
    made = Registry(f"{host}:{port}", "prod", "pass-of-the-second")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                made.ask("GET", "/v2/")
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def shop(project: Project, faults: str, namespaces: dict[str, str]) -> Project:
    """The project with the fault image in every environment, nothing to build, one pod each; all committed."""
    project.environ.update({f"{name.upper()}_NAMESPACE": space for name, space in namespaces.items()})
    for name in ENVIRONMENTS:
        project.profile(
            name,
            image={"repository": faults},
            release={"timeout": "90s"},
            values={"replicaCount": 1, "podDisruptionBudget": {"enabled": False}, "env": {"VERSION": name}},
        )
    commit(project)
    return project


def commit(project: Project) -> None:
    project.git("commit", "-q", "--all", "-m", "Configure")


def ok(done: Deployed) -> Deployed:
    assert done.code == 0, done
    return done


def running(namespace: str) -> set[str]:
    """The digests that the pods of a namespace run."""
    items = json.loads(kubectl("--namespace", namespace, "get", "pods", "--output", "json"))["items"]
    alive = [item for item in items if not item["metadata"].get("deletionTimestamp")]
    assert alive, f"no pod in {namespace}"
    return {
        status["imageID"].rpartition("@")[2]
        for item in alive
        for status in item["status"]["containerStatuses"]
        if status["name"] == "web"
    }


def records(namespace: str) -> list[dict[str, str]]:
    """What is on record in a namespace, the oldest revision first."""
    found = kubectl("--namespace", namespace, "get", "configmaps", "-l", "deploy/release=web", "--output", "json")
    items = sorted(json.loads(found)["items"], key=lambda item: int(item["metadata"]["labels"]["deploy/revision"]))
    return [item["data"] for item in items]


def attested(registry: Registry, repository: str, source: str, tag: str) -> str:
    """Push an index of an image and an attestation of it, as BuildKit writes them; its digest.

    The image is the source under a label of its own: nodes know an image by its configuration, and would call this by
    the source's digest where they have that already.
    """
    image = json.loads(registry.manifest(repository, source))
    settings = json.loads(registry.ask("GET", f"/v2/{repository}/blobs/{image['config']['digest']}")[0])
    settings["config"]["Labels"] = {"tag": tag}
    config = registry.blob(repository, image["config"]["mediaType"], json.dumps(settings).encode())
    of_image = registry.put(repository, DOCKER_MANIFEST, image | {"config": config})
    nothing = b'{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
    statement = b'{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2"}'
    attestation = registry.put(
        repository,
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": registry.blob(repository, "application/vnd.oci.image.config.v1+json", nothing),
            "layers": [registry.blob(repository, "application/vnd.in-toto+json", statement)],
        },
    )
    marks = {"vnd.docker.reference.digest": of_image["digest"], "vnd.docker.reference.type": "attestation-manifest"}
    manifests = [
        of_image | {"platform": {"architecture": "amd64", "os": "linux"}},
        attestation | {"annotations": marks, "platform": {"architecture": "unknown", "os": "unknown"}},
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return str(registry.put(repository, OCI_INDEX, index, tag)["digest"])


def answered(shop: Project, answer: str, *argv: str) -> Deployed:
    """Run `deploy` on a terminal where somebody answers when asked; stderr is what the terminal showed."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in shop.environ.items() if not name.startswith(("CI", "GITHUB", "GITLAB"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "deployer", *argv],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        cwd=shop.folder,
        env={**environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""

    def read() -> bytes:
        ready, _, _ = select.select([ours], [], [], 240)
        assert ready, f"nothing came after {shown!r}"
        try:
            return os.read(ours, 1024)
        except OSError:  # the terminal is closed: the program has ended
            return b""

    try:
        while b"[y/N]" not in shown:
            part = read()
            assert part, shown
            shown += part
        os.write(ours, f"{answer}\n".encode())
        while part := read():
            shown += part
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        os.close(ours)
    return Deployed(process.returncode, out, shown.decode(errors="replace"))


def test_the_same_digest_in_all_three(
    shop: Project, second: Registry, namespaces: dict[str, str], faults: str, tmp_path: Path
) -> None:
    first = Registry(os.environ["REGISTRY_URL"], os.environ["REG_USER"], os.environ["REG_PASS"])
    tag = f"v1-{secrets.token_hex(4)}"
    index = attested(first, faults, "v1", tag)
    shop.profile("test", secrets={"secret.data.API_TOKEN": "TOKEN_OF_TEST"})
    shop.profile(
        "prod",
        registry={
            "url": f"{second.url}/mirror",
            "usernameVariable": "SECOND_USER",
            "passwordVariable": "SECOND_PASS",
        },
        secrets={"secret.data.API_TOKEN": "TOKEN_OF_PROD"},
    )
    commit(shop)
    hidden = {"TOKEN_OF_TEST": "t0ken-of-test", "TOKEN_OF_PROD": "t0ken-of-prod", "SECOND_PASS": second.password}
    shop.environ.update(hidden, SECOND_USER=second.user)

    ok(shop.deploy("up", "--env", "dev", "--tag", tag))
    no = answered(shop, "n", "promote", "--from", "dev", "--to", "test")
    assert no.code == 3, no
    assert f":{tag}@{index} is healthy in dev at revision 1" in no.err
    assert "promote it to test? [y/N]" in no.err
    assert "not confirmed; nothing was touched" in no.err
    nobody = shop.deploy("promote", "--from", "dev", "--to", "test")
    assert nobody.code == 2, nobody
    assert "nobody is at a terminal to be asked" in nobody.err
    overtaken = shop.deploy("promote", "--from", "dev", "--to", "test", "--yes", "--sha", "0" * 40)
    assert overtaken.code == 3, overtaken
    sha = shop.git("rev-parse", "HEAD").strip()
    assert f"revision 1 of web in dev is of commit {sha}, and --sha asks for {'0' * 40}" in overtaken.err
    to_test = ok(shop.deploy("promote", "--from", "dev", "--to", "test", "--yes", "--sha", sha, "-o", "json"))
    assert to_test.json["verb"] == "promote"
    assert "copy" not in [stage["name"] for stage in to_test.json["stages"]]

    guarded = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes")
    assert guarded.code == 3, guarded
    assert "error: prod: HEAD (" in guarded.err
    assert "has no tag; this environment deploys tags v[0-9]* (guards.tag)" in guarded.err
    shop.git("tag", "v1.0.0")
    shop.profile("prod", guards={"healthyIn": ["test"], "cleanTree": False})  # the digest is asked for, not the tag
    dry = ok(shop.deploy("promote", "--from", "test", "--to", "prod", "--dry-run"))
    assert f"copied to {second.url}/mirror/{faults}:{tag}" in dry.out
    assert "nothing was touched" in dry.out
    assert not json.loads(kubectl("--namespace", namespaces["prod"], "get", "deployments", "-o", "json"))["items"]

    to_prod = ok(shop.deploy("promote", "--from", "test", "--to", "prod", "--yes", "-o", "json"))
    assert [stage["name"] for stage in to_prod.json["stages"]] == ["copy", "release", "rollout"]
    assert to_prod.json["image"]["reference"] == f"{second.url}/mirror/{faults}:{tag}@{index}"
    assert {environment: running(name) for environment, name in namespaces.items()} == {
        environment: {index} for environment in ENVIRONMENTS
    }
    copied = second.manifest(f"mirror/{faults}", tag)
    assert digest(copied) == index
    for child in json.loads(copied)["manifests"]:
        assert digest(second.manifest(f"mirror/{faults}", child["digest"])) == child["digest"]

    changes = {one["what"]: (one["before"], one["after"]) for one in to_prod.json["differences"]}
    assert changes["values: env.VERSION"] == ("test", "prod")
    assert changes["values: secret.data.API_TOKEN"] == ("***", "***")
    assert "values: replicaCount" not in changes
    assert "values: env.VERSION: test → prod" in to_prod.err
    assert not json.loads(kubectl("--namespace", namespaces["prod"], "get", "leases", "-o", "json"))["items"]
    for done in (to_test, dry, to_prod):
        assert not [word for word in hidden.values() if word in done.out + done.err]

    record = records(namespaces["prod"])[-1]
    assert (record["verb"], record["source"], record["verdict"]) == ("promote", "test", "healthy")
    assert record["sha"] == records(namespaces["dev"])[-1]["sha"] == to_prod.json["promotion"]["sha"]

    again = ok(shop.deploy("promote", "--from", "test", "--to", "prod", "-o", "json"))  # nobody has to be asked
    assert (again.json["changed"], again.json["stages"], again.json["release"]["revision"]) == (False, [], 1)
    assert "is unchanged: healthy at revision 1" in again.json["message"]
    forced = ok(shop.deploy("promote", "--from", "test", "--to", "prod", "--yes", "--force", "-o", "json"))
    assert [stage["name"] for stage in forced.json["stages"]] == ["release", "rollout"], "it is there already"
    assert forced.json["release"]["revision"] == 2
    assert not list(tmp_path.glob("deploy-*")), "something is left behind"

    # The tag is another image in the second registry now, and what is to be promoted is not there.
    ok(shop.deploy("up", "--env", "test", "--tag", "v2"))
    v2 = digest(first.manifest(faults, "v2"))
    second_v2 = second.put(f"mirror/{faults}", OCI_INDEX, json.loads(copied) | {"annotations": {"a": "b"}}, "v2")
    taken = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes")
    assert taken.code == 3, taken
    assert f"has another image as {second.url}/mirror/{faults}:v2: {second_v2['digest']}, not {v2}" in taken.err

    # A wrong password is told with the environment whose it is.
    theirs = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes", environ={"SECOND_PASS": "wrong-one"})
    assert theirs.code == 3, theirs
    assert f"registry {second.url} refuses the login of `prod` (401)" in theirs.err
    assert "error: prod: " in theirs.err
    ours = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes", environ={"REG_PASS": "wrong-one"})
    assert ours.code == 3, ours
    assert f"error: test: registry {first.url} refuses the login of `{first.user}` (401)" in ours.err
    assert running(namespaces["prod"]) == {index}


def test_what_is_not_healthy_there_is_refused(shop: Project, namespaces: dict[str, str]) -> None:
    def refused() -> Deployed:
        done = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes", "-o", "json")
        assert done.code == 3, done
        assert done.json["outcome"] == "preflight"
        assert done.json["changed"] is False
        return done

    assert "test: there is no release web in test, so nothing to promote" in refused().err

    failed = shop.deploy("up", "--env", "test", "--tag", "v1", *CRASH)
    assert failed.code == 5, failed
    told = refused()
    assert "test: revision 1 of web in test was judged failed: " in told.err
    assert "exit 1" in told.err

    ok(shop.deploy("up", "--env", "test", "--tag", "v1"))
    rolled_back = shop.deploy("up", "--env", "test", "--tag", "v2", *CRASH)
    assert rolled_back.code == 5, rolled_back
    told = refused()
    assert "test: revision 4 of web in test is a rollback: revision 3 (" in told.err
    assert ":v2@sha256:" in told.err
    assert "was judged failed: " in told.err

    kept = ok(shop.deploy("up", "--env", "test", "--tag", "v1"))
    assert "is unchanged" in kept.out
    assert "`deploy up` needs --force" in told.err
    ok(shop.deploy("up", "--env", "test", "--tag", "v1", "--force"))
    where = ("--namespace", namespaces["test"])
    other = f"{os.environ['REGISTRY_URL']}/fault:v2"
    kubectl(*where, "set", "image", "deployment/web", f"web={other}")
    kubectl(*where, "rollout", "status", "deployment/web", "--timeout=120s")
    told = refused()
    assert "revision 5 of web in test has drifted: pods run sha256:" in told.err

    kubectl(*where, "set", "image", "deployment/web", f"web={other}-no-such-tag")
    told = refused()
    assert "revision 5 of web in test" in told.err
    assert "has drifted" in told.err or "in the midst of a rollout" in told.err or "is failed now" in told.err

    assert not json.loads(kubectl("--namespace", namespaces["prod"], "get", "deployments", "-o", "json"))["items"]


def test_what_helm_alone_released_is_refused(shop: Project, namespaces: dict[str, str]) -> None:
    ok(shop.deploy("up", "--env", "test", "--tag", "v1"))
    kubectl("--namespace", namespaces["test"], "delete", "configmaps", "-l", "deploy/release=web")
    done = shop.deploy("promote", "--from", "test", "--to", "prod", "--yes")
    assert done.code == 3, done
    assert "revision 1 of web in test was never judged healthy: no verdict is on record" in done.err


def test_to_another_repository_of_the_same_registry(shop: Project, namespaces: dict[str, str], faults: str) -> None:
    repository = f"released/{secrets.token_hex(4)}"
    shop.profile("test", image={"repository": repository})
    commit(shop)
    ok(shop.deploy("up", "--env", "dev", "--tag", "v1"))
    done = ok(shop.deploy("promote", "--from", "dev", "--to", "test", "--yes", "-o", "json"))
    assert [stage["name"] for stage in done.json["stages"]] == ["copy", "release", "rollout"]
    assert f"/{repository}:v1@" in done.json["image"]["reference"]
    assert running(namespaces["dev"]) == running(namespaces["test"]) == {done.json["image"]["digest"]}


def test_the_lease_is_the_targets_and_both_sides_are_looked_at_again(shop: Project, namespaces: dict[str, str]) -> None:
    ok(shop.deploy("up", "--env", "dev", "--tag", "v1"))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "deploy.web", "annotations": {"deploy/actor": "bob", "deploy/verb": "up"}},
        "spec": {"holderIdentity": "bob", "leaseDurationSeconds": 600, "acquireTime": now, "renewTime": now},
    }
    where = ("--namespace", namespaces["test"])
    kubectl(*where, "apply", "-f", "-", stdin=json.dumps(lease))
    process = shop.start("promote", "--from", "dev", "--to", "test", "--yes")
    assert process.stderr
    for line in process.stderr:
        if "waiting for web" in line:
            break
    assert "bob holds it" in line
    ok(shop.deploy("up", "--env", "dev", "--tag", "v2"))
    kubectl(*where, "delete", "lease", "deploy.web")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    assert "dev: revision 2 with " in err
    assert "runs there by now; nothing was touched" in err
    assert not json.loads(kubectl(*where, "get", "deployments", "-o", "json"))["items"]
