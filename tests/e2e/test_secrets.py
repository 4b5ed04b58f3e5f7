"""Secrets with the real sops and age, on the real cluster: what is planted is nowhere to be seen."""

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from conftest import Deployed, Project, run

pytestmark = pytest.mark.lab

TOKEN = "pl4nted-\"tök\\en' & %41 <x>"
PEM = (
    "-----BEGIN PLANTED KEY-----\nMIIplantedplantedplanted+/first==\nplanted/second+line==\n-----END PLANTED KEY-----\n"
)
BIG = 907060504030201
SECRETS = {"TOKEN": TOKEN, "PEM": PEM, "BIG": BIG}
PLANTED = (TOKEN, *PEM.splitlines(), str(BIG))
FILE = "environments/dev.secrets.yaml"
VALUES = {"secret": {"data": SECRETS}}
REFERS = {"valueFrom": {"secretKeyRef": {"name": "web", "key": "TOKEN"}}}


def forms(secret: str) -> Iterator[str]:
    """As a log or an error may write it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield secret.encode().hex()
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    yield encoded[:-1]
    yield encoded.translate(str.maketrans("+/", "-_"))[:-1]


ALL_FORMS = sorted({form for secret in PLANTED for form in forms(secret)})


def clean(done: Deployed) -> Deployed:
    """The same, once it is sure that it shows nothing."""
    shown = [form for form in ALL_FORMS if form in done.out + done.err]
    assert not shown, f"{shown} in {done}"
    return done


@dataclass
class Vault:
    """Who has a key to the project's secrets."""

    project: Project
    keys: Path

    def key(self, name: str) -> str:
        file = self.keys / name
        if not file.exists():
            run("age-keygen", "-o", file)
        return run("age-keygen", "-y", file).stdout.strip()

    def rules(self, *names: str) -> None:
        recipients = ",".join(map(self.key, names))
        text = f"creation_rules:\n  - path_regex: '[.]secrets[.]yaml$'\n    age: {recipients}\n"
        (self.project.folder / ".sops.yaml").write_text(text)

    def seal(self, values: dict[str, Any] = VALUES) -> None:
        path = self.project.folder / FILE
        path.write_text(yaml.safe_dump(values, allow_unicode=True))
        run("sops", "encrypt", "--in-place", FILE, cwd=self.project.folder)

    def become(self, name: str) -> None:
        self.project.environ["SOPS_AGE_KEY_FILE"] = str(self.keys / name)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def vault(fault: Project, keys: Path) -> Vault:
    """The fault image and its secrets, for ann and bob; we are ann."""
    made = Vault(fault, keys)
    made.rules("ann", "bob")
    made.seal()
    made.become("ann")
    return made


def template(project: Project, name: str, text: str) -> None:
    (project.folder / "chart/templates" / name).write_text(text)


def test_every_key_reads_until_it_is_taken_away(vault: Vault) -> None:
    project = vault.project
    project.profile("dev", values={"replicaCount": 1, "env": {"VERSION": REFERS}})
    up = ("up", "--env", "dev", "--tag", "v1")
    assert clean(project.deploy(*up)).code == 0
    assert project.answer().strip("\n") == TOKEN
    (secret,) = (item for item in project.objects("secrets") if item["metadata"]["name"] == "web")
    there = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert there == {"TOKEN": TOKEN, "PEM": PEM, "BIG": str(BIG)}

    vault.become("bob")
    again = clean(project.deploy(*up, "-o", "json"))
    assert again.code == 0, again
    assert "is unchanged" in again.json["message"]

    vault.become("ann")
    vault.rules("ann", "carl")
    assert clean(project.deploy("secrets", "check")).code == 2
    assert clean(project.deploy("secrets", "rotate", "--env", "dev")).code == 0
    assert clean(project.deploy("secrets", "check", "--env", "dev", "-o", "json")).json["outcome"] == "ok"
    vault.become("carl")
    assert clean(project.deploy(*up, "--set", "env.MORE=carl")).code == 0

    vault.become("bob")
    for verb in (up, ("doctor", "--env", "dev")):
        refused = clean(project.deploy(*verb, "-o", "json"))
        assert refused.code == 3, refused
        assert f"{FILE} cannot be decrypted: no key in SOPS_AGE_KEY_FILE fits" in refused.json["message"]
    # Who cannot decrypt can still look, and put an old revision back.
    assert clean(project.deploy("status", "--env", "dev")).code == 0
    back = clean(project.deploy("rollback", "--env", "dev", "--yes"))
    assert back.code == 0, back
    assert "warning: " in back.err
    assert "a rollback does without" in back.err


def test_what_is_refused_before_anything_is_touched(vault: Vault) -> None:
    project, path = vault.project, vault.project.folder / FILE
    up = ("up", "--env", "dev", "--tag", "v1", "--verbose")
    whole = path.read_text()

    def refused(code: int, said: str) -> None:
        done = clean(project.deploy(*up))
        assert done.code == code, done
        assert FILE in done.err, done
        assert said in done.err, done

    at = whole.index("TOKEN: ENC[AES256_GCM,data:") + len("TOKEN: ENC[AES256_GCM,data:")
    path.write_text(whole[:at] + ("B" if whole[at] == "A" else "A") + whole[at + 1 :])
    refused(2, "was altered after sops wrote it")
    path.write_text("more: 1\n" + whole)
    refused(2, f"{FILE}:1: more is plain: it was altered after sops wrote")
    path.write_text(yaml.safe_dump(VALUES, allow_unicode=True))
    refused(2, "is not encrypted")
    path.write_text(f"secret: [{PEM!r}\n")
    refused(2, "this is not YAML as sops writes it")
    path.write_text(whole)
    del project.environ["SOPS_AGE_KEY_FILE"]
    project.environ["HOME"] = str(vault.keys)
    refused(3, "there is no age key")
    project.profile("dev", tools={"sops": "sops-of-another-machine"})
    refused(3, "`sops-of-another-machine` is not installed")
    assert project.objects("deployments") == []


HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: { helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      imagePullSecrets: [{ name: registry }]
      containers:
        - name: migrate
          image: {{ include "web.image" . | quote }}
          env:
            - { name: VERSION, value: {{ printf "%s %s" .Values.secret.data.TOKEN .Values.secret.data.PEM | quote }} }
            - { name: EXIT_AFTER, value: 0s }
            - { name: EXIT_CODE, value: "1" }
"""

FAIL = (
    "{{- with .Values.secret.data }}{{ fail (printf `%s %q %v %s %s %s %s` .TOKEN .PEM .BIG (b64enc .PEM) "
    "(urlquery .TOKEN) (toJson .) (toYaml . | b64enc)) }}{{ end }}"
)


def test_no_output_shows_what_a_log_or_an_error_says(vault: Vault) -> None:
    project = vault.project
    project.profile("dev", values={"replicaCount": 1, "env": {"VERSION": REFERS}})
    up = ("up", "--env", "dev", "--tag", "v1")
    assert clean(project.deploy(*up, "--verbose")).code == 0

    # What helm says of a chart.
    template(project, "fail.yaml", FAIL)
    for more in ((), ("--verbose",), ("-o", "json")):
        done = clean(project.deploy(*up, *more))
        assert done.code == 3, done
        assert "does not render" in done.err
        assert "***" in done.err
    assert clean(project.deploy("doctor", "--env", "dev")).code == 3
    assert clean(project.deploy("doctor", "--env", "dev", "-o", "json")).code == 3
    (project.folder / "chart/templates/fail.yaml").unlink()

    # What a hook logs.
    template(project, "hook.yaml", HOOK)
    hook = clean(project.deploy(*up, "-o", "json", "--verbose"))
    assert hook.code != 0, hook
    assert "fault: starting with ***" in hook.out, hook
    assert json.loads(hook.out)["diagnosis"]["logs"], hook
    (project.folder / "chart/templates/hook.yaml").unlink()

    # What a pod logs, in a job of GitHub's, which is told what to hide.
    crash = (*up, "--set", "env.EXIT_AFTER=0s", "--set", "env.EXIT_CODE=1")
    project.profile("dev", rollback={"automatic": False})
    left = {name: project.folder.parent / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    github = {"GITHUB_ACTIONS": "true", **{name: str(file) for name, file in left.items()}}
    done = project.deploy(*crash, environ=github)
    told_on = "".join(file.read_text() for file in left.values())
    assert "fault: starting with ***" in clean(Deployed(done.code, told_on, "")).out
    assert "outcome=unhealthy" in told_on
    lines = done.err.splitlines()
    told = [line.removeprefix("::add-mask::") for line in lines if line.startswith("::add-mask::")]
    assert set(PLANTED) <= {line.replace("%25", "%") for line in told}
    rest = "\n".join(line for line in lines if not line.startswith("::add-mask::"))
    done = clean(Deployed(done.code, done.out, rest))
    assert done.code == 5, done
    assert "fault: starting with ***" in done.err
    for verb in (
        ("status",),
        ("status", "--env", "dev", "-o", "json"),
        ("doctor", "--env", "dev"),
        ("history", "--env", "dev"),
        ("history", "--env", "dev", "-o", "json"),
        ("config", "show", "--env", "dev"),
        ("config", "show", "--env", "dev", "-o", "json"),
        ("config", "show", "--env", "dev", "--explain", "secret.data"),
        ("config", "check", "--env", "dev"),
        ("config", "diff", "dev", "test"),
        ("up", "--env", "dev", "--tag", "v2", "--dry-run"),
        ("rollback", "--env", "dev", "--dry-run"),
        ("plan", "--env", "dev", "--tag", "v2"),
        ("plan", "--env", "dev", "--tag", "v2", "-o", "json", "--out", "plan.json"),
        ("verify", "deployment/web", "-n", project.namespace, "--context", "dev", "-o", "json", "--timeout", "2m"),
        ("verify", "deployment/web", "-n", project.namespace, "--context", "dev", "--timeout", "2m"),
    ):
        seen = clean(project.deploy(*verb, environ={"KUBECONFIG": project.environ["DEPLOY_KUBECONFIG"]}))
        if verb[0] == "verify":
            assert seen.code == 5, seen
            assert "fault: starting with ***" in seen.out + seen.err
    clean(Deployed(0, (project.folder / "plan.json").read_text(), ""))
    back = clean(project.deploy("rollback", "--env", "dev", "--yes", "--verbose"))
    assert back.code == 0, back

    # What an event and the kubelet say: a secret where the command belongs.
    vault.seal({**VALUES, "command": [TOKEN]})
    done = clean(project.deploy(*up, "-o", "json"))
    assert done.code == 5, done
    assert "***" in json.dumps(done.json["diagnosis"])
    records = project.kubectl("get", "configmaps,leases", "-o", "yaml")
    assert "cause" in records
    assert not [form for form in ALL_FORMS if form in records]
    assert clean(project.deploy("status", "--env", "dev")).code == 5
    assert clean(project.deploy("secrets", "check", "-o", "json")).code == 0
    assert clean(project.deploy("down", "--env", "dev", "--yes", "--verbose")).code == 0


@dataclass
class Watch:
    """What was looked at while a program ran, and what was found."""

    folders: tuple[Path, ...]
    wanted: re.Pattern[bytes]
    known: set[tuple[str, str]] = field(default_factory=set)  # number and name of a process
    found: set[str] = field(default_factory=set)

    @property
    def programs(self) -> set[str]:
        return {name for _, name in self.known}

    def processes(self) -> None:
        """Each process once under each name: a fork has its parent's until it becomes another program."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                name = (process / "comm").read_text().strip()
                if (process.name, name) in self.known:
                    continue
                if "kubepods" in (process / "cgroup").read_text():  # the pods, which are to have it
                    continue
                arguments, environ = ((process / what).read_bytes() for what in ("cmdline", "environ"))
            except OSError:  # it has ended
                continue
            self.known.add((process.name, name))
            self.search(f"arguments of {name}", arguments)
            self.search(f"environment of {name}", environ)
            if name.startswith(("helm", "docker", "git", "buildx")) and b"SOPS_AGE_" in environ:
                self.found.add(f"the way to a key, in the environment of {name}")

    def files(self) -> None:
        """Every file in the folders."""
        for folder in self.folders:
            for place, _, names in os.walk(folder):
                for file in (Path(place, name) for name in names):
                    with suppress(OSError):  # it is gone
                        if file.is_file() and not file.is_symlink():
                            self.search(str(file), file.read_bytes())

    def search(self, where: str, what: bytes) -> None:
        self.found |= {f"{one!r} in {where}" for one in self.wanted.findall(what)}

    @contextmanager
    def during(self) -> Iterator[None]:
        """Look again and again."""
        over = threading.Event()

        def go(look: Callable[[], None]) -> None:
            while not over.is_set():
                look()
                over.wait(0.005)

        threads = [threading.Thread(target=go, args=[look]) for look in (self.processes, self.files)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_nothing_on_the_machine_holds_a_secret(project: Project, keys: Path, tmp_path: Path, helm: str) -> None:
    vault = Vault(project, keys)
    vault.rules("ann")
    vault.seal()
    vault.become("ann")
    temporary, home = tmp_path / "temporary", tmp_path / "home"
    for folder in (temporary, home):
        folder.mkdir()
    project.environ |= {"TMPDIR": str(temporary), "HOME": str(home), "DEPLOY_HELM": helm}
    for name in [name for name in project.environ if name.startswith(("XDG_", "HELM_CACHE"))]:
        del project.environ[name]
    key = (keys / "ann").read_text().splitlines()[-1]
    wanted = re.compile(b"|".join(re.escape(form.encode()) for form in [key, *ALL_FORMS]))
    watch = Watch((temporary, home, project.folder, Path("/dev/shm")), wanted)
    # Something to build, so that docker works too.
    (project.folder / "service/made.go").write_text(f"package main\n\nconst made = {helm!r}\n".replace("'", '"'))
    with watch.during():
        done = clean(project.deploy("up", "--env", "dev", "--verbose"))
    assert done.code == 0, done
    assert {helm, "docker"} <= watch.programs
    watch.files()
    assert not watch.found
    assert not list(temporary.iterdir())
    assert watch.wanted.search(b"x" + base64.b64encode(PEM.splitlines()[1].encode())), "it would have been found"
