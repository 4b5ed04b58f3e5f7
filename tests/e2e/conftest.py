"""A namespace, a project and an image for each test, on the running lab; what the cluster knew when one fails."""

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contract
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FAULT = Path(__file__).parent / "fault"


def run(
    *argv: str | Path, check: bool = True, stdin: str | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """A program run to its end; its output is in the failure."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, input=stdin, timeout=300, **options)
    if check and done.returncode:
        pytest.fail(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def kubectl(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    """kubectl as the lab's administrator."""
    return run("kubectl", "--kubeconfig", os.environ["LAB_ADMIN_KUBECONFIG"], *argv, stdin=stdin, check=check).stdout


@dataclass
class Deployed:
    """How a `deploy` command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout, which must be one JSON document, as docs/output.schema.json says, and nothing else."""
        document: dict[str, Any] = json.loads(self.out)
        contract.check(document)
        return document

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Project:
    """A project folder of a test's own, deploying into a namespace of its own."""

    folder: Path
    namespace: str
    environ: dict[str, str] = field(repr=False)

    def deploy(self, *argv: str, environ: dict[str, str] | None = None) -> Deployed:
        """Run `deploy`, as a job would."""
        done = run(
            *(sys.executable, "-m", "deployer", *argv),
            check=False,
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        shown = "\n".join(one for one in done.stderr.splitlines() if not one.startswith("::add-mask::"))
        assert os.environ["REG_PASS"] not in done.stdout + shown, "the registry password was shown"
        return Deployed(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start `deploy` and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "deployer", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environ,
        )

    def kubectl(self, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl in the test's namespace."""
        return kubectl("--namespace", self.namespace, *argv, stdin=stdin, check=check)

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind in the namespace."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "--output", "json"))["items"]
        return items

    def profile(self, name: str = "dev", /, **sections: Any) -> None:
        """Lay sections over an environment's profile."""
        file = self.folder / "environments" / f"{name}.yaml"
        file.write_text(yaml.safe_dump(_laid(yaml.safe_load(file.read_text()), sections)))

    def git(self, *argv: str) -> str:
        """git in the project."""
        return run("git", "-C", self.folder, *argv).stdout

    def answer(self, path: str = "/", service: str = "web") -> str:
        """What the service says, through the API server."""
        return self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/services/{service}:http/proxy{path}")


def _laid(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _laid(base.get(key), value) for key, value in over.items()}}
    return over


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """The lab's variables must be set: `make test` sets them."""
    if "LAB_ADMIN_KUBECONFIG" not in os.environ:
        pytest.exit('the lab is not in the environment: make lab, then eval "$(python3 -m lab env)"', returncode=1)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace with the rights of a CI job, removed afterwards."""
    name = f"t-{secrets.token_hex(4)}"
    kubectl("apply", "-f", "-", stdin=(ROOT / "lab" / "access.yaml").read_text().replace("NAMESPACE", name))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
    kubectl("delete", "clusterrole,clusterrolebinding", f"deployer-identity-{name}", "--wait=false")


@pytest.fixture
def kubeconfig(namespace: str, tmp_path: Path) -> Path:
    """Contexts dev, test and prod, all leading into the test's namespace as its service account."""
    token = kubectl("--namespace", namespace, "create", "token", "deployer", "--duration=2h").strip()
    config = json.loads(Path(os.environ["DEPLOY_KUBECONFIG"]).read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    return file


@pytest.fixture
def project(namespace: str, kubeconfig: Path, tmp_path: Path) -> Project:
    """The working example as a team's repository, with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("environments", "chart", "service"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".gitignore").write_text(".env\n")
    made = Project(folder, namespace, _environ(kubeconfig, namespace, tmp_path))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.email", "team@example.com")
    made.git("config", "user.name", "Team")
    made.git("add", ".")
    made.git("commit", "-q", "-m", "Begin")
    return made


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The fault image, under the tags v1 and v2; its repository. Built once for all workers."""
    with open(tmp_path_factory.getbasetemp().parent / "fault.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = Path(lock.name).with_suffix(".done")
        if not done.exists():
            build_image(FAULT, tmp_path_factory.mktemp("fault"), ("v1", "v2"))
            done.touch()
    return "fault"


def build_image(source: Path, folder: Path, tags: tuple[str, ...]) -> None:
    """Build a Go program of the tests and push it, in a repository of its name."""
    program = source.name
    run("go", "build", "-C", source, "-trimpath", "-o", folder / program, ".", env={**os.environ, "CGO_ENABLED": "0"})
    (folder / "Dockerfile").write_text(
        f'FROM {os.environ["RUNTIME_IMAGE"]}\nCOPY {program} /{program}\nENTRYPOINT ["/{program}"]\n'
    )
    environ = {**os.environ, "DOCKER_CONFIG": str(folder / "docker")}
    registry = os.environ["REGISTRY_URL"]
    run(
        *("docker", "login", "-u", os.environ["REG_USER"], "--password-stdin", registry),
        stdin=os.environ["REG_PASS"],
        env=environ,
    )
    for tag in tags:
        name = f"{registry}/{program}:{tag}"
        run(
            "docker",
            "buildx",
            "build",
            "-q",
            "--provenance=false",
            "--load",
            "--label",
            f"v={tag}",
            "-t",
            name,
            folder,
            env=environ,
        )
        run("docker", "push", "-q", name, env=environ)


@pytest.fixture
def fault(project: Project, faults: str) -> Project:
    """The project, deploying the fault image (tags v1 and v2) as dev: two replicas, nothing to build."""
    project.profile(
        "dev",
        image={"repository": faults},
        rollback={"automatic": True},
        release={"timeout": "90s"},
        values={"replicaCount": 2, "env": {"VERSION": "v1"}},
    )
    return project


@pytest.fixture
def small(fault: Project) -> Project:
    """The same with an image of its own, which is quick to build: a file more than the fault image."""
    return smaller(fault)


def smaller(fault: Project) -> Project:
    """As the fixture `small`."""
    folder = fault.folder / "small"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {os.environ['REGISTRY_URL']}/fault:v1\nCOPY stamp /stamp\n")
    (folder / "stamp").write_text(fault.namespace)
    fault.git("add", ".")
    fault.git("commit", "-q", "-m", "A small image")
    fault.profile("dev", image={"repository": fault.namespace, "context": "small", "tag": "commit"})
    return fault


def _environ(kubeconfig: Path, namespace: str, folder: Path) -> dict[str, str]:
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "COV", "GITHUB_", "SOPS_"))
        },
        "DEPLOY_KUBECONFIG": str(kubeconfig),
        "DEV_NAMESPACE": namespace,
        "TEST_NAMESPACE": namespace,
        "PROD_NAMESPACE": namespace,
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "TMPDIR": str(folder),
    }


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure shows what the cluster knew."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    namespace = getattr(item, "funcargs", {}).get("namespace")
    if report.when == "call" and report.failed and namespace:
        for what in (
            "pods -o wide",
            "deployments,replicasets,statefulsets,daemonsets,jobs",
            "events --sort-by=.lastTimestamp",
        ):
            report.sections.append((f"kubectl get {what}", kubectl("-n", namespace, "get", *what.split(), check=False)))
