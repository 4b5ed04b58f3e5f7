"""The pipelines that `deploy init` writes, from commit to prod, each job on a clean folder with a fresh HOME."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import ROOT, kubectl, run
from pipelines import STEPS
from waiting import until

from lab.runner import github, gitlab
from lab.runner.forge import Ended, Event, Forge, Machine, Stop, Variable, never

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.pipelines]

MAIN = """// Command orders answers every request.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

// Answer is what every request gets.
func Answer() string { return "NUMBER" }

func main() {
	if pause, err := time.ParseDuration(os.Getenv("START_AFTER")); err == nil {
		time.Sleep(pause)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, Answer()) })
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"""
TEST = """package main

import (
	"os"
	"testing"
)

func TestAnswer(t *testing.T) {
	if Answer() == "" {
		t.Error("no answer")
	}
}

func TestNobodyGivesSecretsToTests(t *testing.T) {
	for _, name := range []string{"REG_USER", "REG_PASS", "DEPLOY_KUBECONFIG"} {
		if _, set := os.LookupEnv(name); set {
			t.Errorf("%s is set", name)
		}
	}
}
"""
ENVIRONMENTS = ("dev", "test", "prod")
JOBS = ("lint", "unit", "build", "push", "dev", "test", "prod")
PROD = frozenset({"prod"})
HOST = "orders.example.com"
INGRESS = f"ingress: {{ enabled: true, hosts: [{{ host: {HOST} }}], tls: [{{ secretName: orders }}] }}"
"""Where prod answers; dev and test have none."""
IMAGE = "registry.example/tools/deploy:1"
"""What GitLab's jobs that deploy run in; a folder with the program stands for it."""

Step = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Tools:
    """`deploy` of this checkout, to be installed, and installed."""

    wheel: Path
    wheels: Path  # what it depends on
    image: Path  # its programs


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The wheel, what it depends on, and an environment with both."""
    folder = tmp_path_factory.mktemp("tools")
    python = (sys.executable, "-m")
    run(*python, "hatchling", "build", "--target", "wheel", "--directory", folder / "dist", cwd=ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    locked = re.findall(r"^([A-Za-z0-9_.-]+==[^\s\\;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    (folder / "constraints").write_text("".join(f"{one}\n" for one in locked))
    download = ("pip", "download", "--quiet", "--dest", folder / "wheels", "--constraint", folder / "constraints")
    run(*python, *download, wheel)
    run(*python, "venv", folder / "image")
    install = ("install", "--quiet", "--no-index", "--find-links", folder / "wheels", wheel)
    run(folder / "image" / "bin" / "pip", *install)
    return Tools(wheel, folder / "wheels", folder / "image" / "bin")


@dataclass(frozen=True)
class Shop:
    """A team's repository, its forge, its namespaces."""

    folder: Path  # the working tree of whoever pushes
    forge: Forge
    namespaces: dict[str, str]
    kubeconfig: Path
    platform: Any  # the module: github or gitlab

    def git(self, *argv: str) -> str:
        """git in the working tree."""
        return run("git", "-C", self.folder, *argv).stdout.strip()

    def commit(self, number: str, prod: dict[str, str] | None = None) -> str:
        """A version of the service, pushed; its sha. `prod`: variables of its pods there."""
        (self.folder / "main.go").write_text(MAIN.replace("NUMBER", number))
        for name, value in (prod or {}).items():
            file = self.folder / "environments" / "prod.yaml"
            file.write_text(re.sub(r"\n    START_AFTER: .*", "", file.read_text()))
            file.write_text(file.read_text().replace("\n  env:\n", f"\n  env:\n    {name}: {value}\n"))
        self.git("add", "--all")
        self.git("commit", "-q", "-m", f"Answer {number}")
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def run(self, event: Event, number: int, **forge: Any) -> Any:
        """A run of the pipeline as it is in that commit."""
        name = ".gitlab-ci.yml" if self.platform is gitlab else ".github/workflows/deploy.yml"
        file = self.folder.parent / f"{number}-{Path(name).name}"
        file.write_text(self.git("show", f"{event.sha}:{name}") + "\n")
        folder = self.folder.parent / f"run{number}"
        return self.platform.Run(self.platform.read(file), replace(self.forge, **forge), event, folder, number)

    def deploy(self, *argv: str) -> dict[str, Any]:
        """What `deploy` says to somebody at a desk."""
        environ = {**os.environ, "DEPLOY_KUBECONFIG": str(self.kubeconfig), "PYTHONPATH": str(ROOT)}
        done = run(sys.executable, "-m", "deployer", *argv, "-o", "json", cwd=self.folder, env=environ, check=False)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def digests(self) -> dict[str, set[str]]:
        """What the pods of each environment run, on the word of their nodes."""
        found = {}
        for environment, namespace in self.namespaces.items():
            pods = json.loads(kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
            found[environment] = {
                status["imageID"].rpartition("@")[2]
                for pod in pods
                if not pod["metadata"].get("deletionTimestamp")
                for status in pod["status"].get("containerStatuses", ())
            }
        return found

    def answer(self, environment: str) -> str:
        """What the service says there."""
        path = f"/api/v1/namespaces/{self.namespaces[environment]}/services/orders:http/proxy/"
        return kubectl("get", "--raw", path)

    def leases(self, environment: str) -> list[Any]:
        """Who holds the release there."""
        found: list[Any] = json.loads(kubectl("-n", self.namespaces[environment], "get", "leases", "-o", "json"))[
            "items"
        ]
        return found


@pytest.fixture
def namespaces() -> Iterator[dict[str, str]]:
    """A namespace an environment, each with a service account that may deploy there, and read in the one before."""
    stem = f"t-{secrets.token_hex(4)}"
    made = {name: f"{stem}-{name}" for name in ENVIRONMENTS}
    access = (ROOT / "lab" / "access.yaml").read_text()
    kubectl("apply", "-f", "-", stdin="\n---\n".join(access.replace("NAMESPACE", one) for one in made.values()))
    for before, name in pairwise(ENVIRONMENTS):  # promoting reads where the version runs
        reader = f"--serviceaccount={made[name]}:deployer"
        kubectl("-n", made[before], "create", "rolebinding", f"read-{name}", "--clusterrole=view", reader)
        kubectl("-n", made[before], "create", "role", f"read-{name}", "--verb=get,list,watch", "--resource=secrets")
        kubectl("-n", made[before], "create", "rolebinding", f"read2-{name}", f"--role=read-{name}", reader)
    yield made
    for one in made.values():
        kubectl("delete", "namespace", one, "--wait=false")
        kubectl("delete", "clusterrole,clusterrolebinding", f"deployer-identity-{one}", "--wait=false")


@pytest.fixture(params=[github, gitlab], ids=["github", "gitlab"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, namespaces: dict[str, str], tools: Tools) -> Shop:
    """A Go service after `deploy init`, committed and pushed, and its platform set up as the pipeline's head says."""
    platform = request.param
    tokens = {
        name: kubectl("-n", one, "create", "token", "deployer", "--duration=3h").strip()
        for name, one in namespaces.items()
    }
    desk = tmp_path / "kubeconfig"
    desk.write_text(_kubeconfig(tokens, ENVIRONMENTS))
    desk.chmod(0o600)
    bare = tmp_path / "forge" / "orders.git"
    run("git", "init", "-q", "--bare", "-b", "main", bare)
    run("git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/team/orders\n\ngo 1.24\n")
    (folder / "main_test.go").write_text(TEST)
    (folder / "main.go").write_text(MAIN.replace("NUMBER", "none"))
    made = Shop(folder, _forge(bare, tmp_path, tools, tokens), namespaces, desk, platform)
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.email", "team@example.com")
    made.git("config", "user.name", "Team")
    made.git("remote", "add", "origin", str(bare))
    environ = {name: value for name, value in os.environ.items() if name != "REGISTRY_URL"}
    name = platform.__name__.rpartition(".")[2]
    init = ("-m", "deployer", "init", "--ci", name, "--registry", "")
    run(sys.executable, *init, cwd=folder, env={**environ, "PYTHONPATH": str(ROOT)})
    _settle(folder, namespaces)
    return made


def _settle(folder: Path, namespaces: dict[str, str]) -> None:
    """What a team writes into its profiles: its namespaces, its mirror, its repository."""
    base = folder / "environments" / "base.yaml"
    text = base.read_text().replace("repository: orders", f"repository: {namespaces['dev']}/orders")
    for name, public in (
        ("GO_IMAGE", "golang:1.26-alpine"),
        ("RUNTIME_IMAGE", "gcr.io/distroless/static-debian12:nonroot"),
    ):
        text = text.replace(f"${{{name}:{public}}}", os.environ[name])
    base.write_text(text)
    for environment, namespace in namespaces.items():
        file = folder / "environments" / f"{environment}.yaml"
        text = file.read_text().replace(f"${{{environment.upper()}_NAMESPACE:{environment}}}", namespace)
        if environment == "prod":
            text = text.replace("\nvalues:\n", f"\nvalues:\n  {INGRESS}\n")
        file.write_text(text.replace("replicaCount: 5", "replicaCount: 2"))


def _kubeconfig(tokens: dict[str, str], contexts: tuple[str, ...]) -> str:
    """Contexts as the service account of the last of them: it deploys there, and reads in the others."""
    config = json.loads(Path(os.environ["DEPLOY_KUBECONFIG"]).read_text())
    config["contexts"] = [one for one in config["contexts"] if one["name"] in contexts]
    own = contexts == ENVIRONMENTS  # the desk has an account in each
    config["users"] = [
        {"name": f"deployer-{name}", "user": {"token": tokens[name if own else contexts[-1]]}} for name in contexts
    ]
    return json.dumps(config, indent=1) + "\n"


def _forge(bare: Path, folder: Path, tools: Tools, tokens: dict[str, str]) -> Forge:
    go = shutil.which("go")
    assert go
    caches = run(go, "env", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS").stdout.splitlines()
    path = (os.environ["LAB_BIN"], str(Path(go).parent), "/usr/local/bin", "/usr/bin", "/bin")
    machine = Machine(
        environ={
            "PATH": ":".join(path),
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"],
            **dict(zip(("GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"), caches, strict=True)),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(tools.wheels),
            "PIP_NO_CACHE_DIR": "1",
            "PIP_NO_COMPILE": "1",  # of ten thousand files of the client for Kubernetes few are imported
        },
        python=Path(sys.executable),
        docker=os.environ["DOCKER_HOST"],
        images={"golang:1.26": Path(go).parent, IMAGE: tools.image},
    )
    variables = [
        Variable("DEPLOY_PACKAGE", str(tools.wheel)),
        Variable("DEPLOY_IMAGE", IMAGE),
        Variable("REGISTRY_URL", os.environ["REGISTRY_URL"]),
        Variable("PROD_CLUSTER_UID", os.environ["PROD_CLUSTER_UID"], "prod"),
    ]
    for environment in ("build", *ENVIRONMENTS):
        secret = {"environment": environment, "secret": True, "protected": True}
        variables.append(Variable("REG_USER", os.environ["REG_USER"], **secret))  # type: ignore[arg-type]
        variables.append(Variable("REG_PASS", os.environ["REG_PASS"], **secret))  # type: ignore[arg-type]
    for contexts in (("dev",), ("dev", "test"), ("test", "prod")):
        variables.append(
            Variable(
                "DEPLOY_KUBECONFIG", _kubeconfig(tokens, contexts), contexts[-1], secret=True, file=True, protected=True
            )
        )
    return Forge(bare, "https://ci.example", "team/orders", machine, tuple(variables))


@pytest.fixture
def step(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Step:
    """Counts a step that went well."""
    platform = request.node.callspec.id

    @contextmanager
    def counted(name: str) -> Iterator[None]:
        assert name in STEPS
        yield
        record_property("step", f"{platform}: {name}")

    return counted


def test_from_commit_to_prod(shop: Shop, step: Step) -> None:
    runs = []
    first = shop.commit("one")
    with step("a merge request is checked, and gets no secret"):
        run0 = shop.run(Event("merge_request", "topic", first, request=4), 1)
        _ended(run0.go(PROD), dict.fromkeys(JOBS[:3], "success"))
        runs.append(run0)

    run1 = shop.run(Event("push", "main", first, actor="ann"), 2)
    runs.append(run1)
    with step("a commit is built once and goes to dev and test, one digest"):
        _ended(run1.go(), {**dict.fromkeys(JOBS[:6], "success"), "prod": "waiting"})
        digests = shop.digests()
        assert digests["dev"] == digests["test"]
        (digest,) = digests["dev"]
        assert not _built(shop, run1, "dev"), "it was built again"
    with step("prod waits until somebody lets it in"):
        assert digests["prod"] == set()
        assert run1.jobs["prod"].folder is None, "the job had begun, with its secrets"
        _ended(run1.go(PROD), dict.fromkeys(JOBS, "success"))
    with step("prod runs the digest of dev and test"):
        assert shop.digests() == {name: {digest} for name in ENVIRONMENTS}
        assert [shop.answer(one) for one in ENVIRONMENTS] == ["one"] * 3
        image = shop.deploy("history", "--env", "prod")["revisions"][-1]["record"]["image"]
        assert f":main-{first[:12]}@{digest}" in image
    with step("each deploy is on record with its run and its actor"):
        for environment in ENVIRONMENTS:
            record = shop.deploy("history", "--env", environment)["revisions"][-1]["record"]
            assert (record["actor"], record["job"]) == ("ann", run1.jobs[environment].url)
            assert (record["verdict"], record["sha"]) == ("healthy", first)
    with step("what the platform shows and hands on is there"):
        for environment in ENVIRONMENTS:
            _shown(shop, run1.jobs[environment], environment, digest)

    second = shop.commit("two", {"START_AFTER": "25s"})
    run2 = shop.run(Event("push", "main", second, actor="bob"), 3)
    runs.append(run2)
    with step("a deploy to prod is cancelled in its midst"):
        ended = run2.go(PROD, _amid("prod"))
        _ended(ended, {**dict.fromkeys(JOBS[:6], "success"), "prod": "cancelled"})
        assert "deploy status --env prod" in ended["prod"].log, "what to do next"
        assert shop.leases("prod") == [], "the lease was not given back"
    with step("the last good version serves"):
        assert shop.answer("prod") == "one"
        assert shop.answer("test") == "two"
    with step("the same job once more converges"):
        _ended(run2.go(PROD), dict.fromkeys(JOBS, "success"))
        _converged(shop, "two", second, run2.jobs["prod"].url)

    with step("a tag is built under its name and goes the same way"):
        shop.git("tag", "v1.2.0")
        shop.git("push", "-q", "origin", "v1.2.0")
        # GitLab: a runner whose jobs are told in another way.
        run3 = shop.run(Event("tag", "v1.2.0", second), 4, executor="shell")
        runs.append(run3)
        stop = _amid("prod") if shop.platform is gitlab else never
        ended = run3.go(PROD, stop)
        if shop.platform is gitlab:
            _ended(ended, {**dict.fromkeys(JOBS[:6], "success"), "prod": "cancelled"})
            assert shop.leases("prod") == []
        _ended(run3.go(PROD), dict.fromkeys(JOBS, "success"))
        _converged(shop, "two", second, run3.jobs["prod"].url)
        image = shop.deploy("history", "--env", "prod")["revisions"][-1]["record"]["image"]
        assert f":v1.2.0-{second[:12]}@" in image

    with step("no secret is in a log or an artifact"):
        known = {one.value for one in shop.forge.variables if one.name == "REG_PASS"}
        known |= set(re.findall(r'"token": "([^"]+)"', shop.kubeconfig.read_text()))
        assert len(known) == 4
        for one in runs:
            for name, job in one.jobs.items():
                assert not [secret for secret in known if secret in job.log], f"a secret is in the log of {name}"
            found = subprocess.run(
                ["grep", "-rlF", "-f", "-", one.folder], input="\n".join(known), capture_output=True, text=True
            )
            assert found.returncode == 1, f"a secret is in {found.stdout}"
    with step("nothing is left running, and no temporary file"):
        for one in runs:
            for name, job in one.jobs.items():
                assert (job.orphans, job.left) == ((), ()), (name, job.log)


def _amid(job: str) -> Stop:
    """Cancel the run when that job watches its rollout."""
    return lambda name, log: name == job and "rollout …" in log


def _ended(found: dict[str, Ended], wanted: dict[str, str]) -> None:
    """As wanted, or what the logs say."""
    states = {name: one.status for name, one in found.items() if one.status != "skipped"}
    if states != wanted:
        logs = [f"── {name}: {one.status}\n{one.log}" for name, one in found.items() if one.status != wanted.get(name)]
        pytest.fail(f"{states}, and not {wanted}\n" + "".join(logs))


def _built(shop: Shop, run: Any, job: str) -> bool:
    return "build …" in run.jobs[job].log


def _shown(shop: Shop, job: Ended, environment: str, digest: str) -> None:
    assert job.address == (f"https://{HOST}" if environment == "prod" else "")
    if shop.platform is github:
        assert job.outputs == {"digest": digest}
        assert f"@{digest}` |" in job.summary
        assert re.match(r"### ✅ deploy \w+ ", job.summary)
        return
    lines = job.reports["dotenv"].read_text().splitlines()
    assert f"DEPLOYED_DIGEST={digest}" in lines
    assert "DEPLOYED_OUTCOME=ok" in lines
    (suite,) = ElementTree.parse(job.reports["junit"]).getroot()
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "0")
    assert "deployment/orders" in {case.attrib["name"] for case in suite.iter("testcase")}


def _converged(shop: Shop, number: str, sha: str, url: str) -> None:
    """prod serves that version and nothing else, and it is on record."""
    assert shop.answer("prod") == number
    until(lambda: len(set(map(frozenset, shop.digests().values()))) == 1, "the end of the old pods", 120)
    (digest,) = shop.digests()["prod"]
    newest = shop.deploy("history", "--env", "prod")["revisions"][-1]
    record = newest["record"]
    assert (record["verdict"], record["sha"], record["job"]) == ("healthy", sha, url)
    assert digest in record["image"]
    assert newest["status"] == "deployed"
    assert shop.leases("prod") == []
