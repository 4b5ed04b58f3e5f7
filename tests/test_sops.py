"""The door to sops, with the real sops and age."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer import sops
from deployer.cli import run
from deployer.errors import DeployError, PreflightError, UsageError
from deployer.process import Programs
from deployer.sops import Sops

pytestmark = pytest.mark.lab

SECRET = 's3cret-"välue\\'
PLAIN = f"""\
# what the service needs
secret:
  data:
    TOKEN: {json.dumps(SECRET)}
    PORT: 8080
    BIG: 123456789012
    LINES: |
      first-line
      second-line
    EMPTY: ""
env:
  LOG_LEVEL: debug
"""
FILE = Path("environments/dev.secrets.yaml")


def call(*argv: str | Path, **options: object) -> str:
    return subprocess.run(list(map(str, argv)), check=True, capture_output=True, text=True, **options).stdout  # type: ignore[call-overload,no-any-return]


@dataclass
class Vault:
    """A project with encrypted files, and people with keys."""

    folder: Path

    def key(self, name: str) -> str:
        """A person's key; the public half is the answer."""
        file = self.folder.parent / name
        if not file.exists():
            call("age-keygen", "-o", file)
        return call("age-keygen", "-y", file).strip()

    def rules(self, *names: str, more: str = "encrypted_regex: ^data$") -> None:
        recipients = ",".join(map(self.key, names))
        (self.folder / ".sops.yaml").write_text(
            f"creation_rules:\n  - path_regex: '[.]secrets[.]yaml$'\n    age: {recipients}\n    {more}\n"
        )

    def encrypt(self, file: Path = FILE, text: str = PLAIN) -> Path:
        path = self.folder / file
        path.write_text(text)
        call("sops", "encrypt", "--in-place", path.relative_to(self.folder), cwd=self.folder)
        return path

    def door(self, name: str | None, program: str = "sops") -> Sops:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_")}
        environ["HOME"] = str(self.folder / "home")
        if name:
            environ["SOPS_AGE_KEY_FILE"] = str(self.folder.parent / name)
        return Sops(program, Programs(environ), self.folder)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Encrypted for ann and bob."""
    for program in ("sops", "age-keygen"):
        assert shutil.which(program), f"{program} is not there (make lab brings it)"
    folder = tmp_path / "project"
    (folder / "environments").mkdir(parents=True)
    (folder / "environments/dev.yaml").write_text("target: {context: dev, namespace: '${NAMESPACE}'}\n")
    made = Vault(folder)
    made.rules("ann", "bob")
    made.encrypt()
    return made


def failure(door: Sops) -> DeployError:
    """How decryption fails; nothing of the file may be in it."""
    with pytest.raises(DeployError) as caught:
        door.open([FILE])
    said = "\n".join((caught.value.message, caught.value.hint or "", *caught.value.detail))
    assert str(FILE) in said
    assert caught.value.hint
    for secret in ("s3cret", "first-line", "123456789012", "AGE-SECRET"):
        assert secret not in said
    return caught.value


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_every_recipient_reads_it(vault: Vault, name: str) -> None:
    (opened,) = vault.door(name).open([FILE])
    data = opened.document.data["secret"]["data"]
    assert data == {
        "TOKEN": SECRET,
        "PORT": 8080,
        "BIG": 123456789012,
        "LINES": "first-line\nsecond-line\n",
        "EMPTY": "",
    }
    assert opened.document.data["env"] == {"LOG_LEVEL": "debug"}
    assert opened.document.line(("secret", "data", "PORT")) == 5
    assert set(opened.secrets) == {SECRET, "8080", "123456789012", "1.23456789012e+11", "first-line\nsecond-line\n"}
    assert SECRET not in repr(opened)


def test_the_key_itself_as_a_variable(vault: Vault) -> None:
    door = vault.door(None)
    environ = {**door.programs.environ, "SOPS_AGE_KEY": (vault.folder.parent / "bob").read_text()}
    assert Sops("sops", Programs(environ), vault.folder).open([FILE])
    assert sops.key_lines(environ) == (environ["SOPS_AGE_KEY"].splitlines()[-1],)


def test_whole_files_json_and_files_of_a_team(vault: Vault) -> None:
    ann = vault.key("ann")
    for name, text in (("a.yaml", "a: {b: whole-secret}\n"), ("b.json", '{"c": ["json-secret", 1]}')):
        (vault.folder / name).write_text(text)
        call("sops", "encrypt", "--in-place", "--age", ann, vault.folder / name, cwd="/")  # no rule is found from there
    found = vault.door("ann").open([FILE, Path("a.yaml"), Path("b.json")])
    assert [one.document.data for one in found[1:]] == [{"a": {"b": "whole-secret"}}, {"c": ["json-secret", 1]}]
    assert [one.secrets for one in found[1:]] == [("whole-secret",), ("json-secret", "1")]


def test_a_key_that_does_not_fit_and_none(vault: Vault) -> None:
    vault.key("eve")
    wrong = failure(vault.door("eve"))
    assert isinstance(wrong, PreflightError)
    assert "no key in SOPS_AGE_KEY_FILE fits" in wrong.message
    assert f"it is encrypted for {vault.key('ann')}" in wrong.detail
    assert "names a file that is not there" in failure(vault.door("nobody")).message
    assert "there is no age key" in failure(vault.door(None)).message
    home = vault.folder / "home/.config/sops/age"
    home.mkdir(parents=True)
    shutil.copy(vault.folder.parent / "eve", home / "keys.txt")
    assert "no key in sops/age/keys.txt fits" in failure(vault.door(None)).message
    shutil.copy(vault.folder.parent / "ann", home / "keys.txt")
    assert vault.door(None).open([FILE])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("LOG_LEVEL: debug", "LOG_LEVEL: trace", "its MAC does not fit"),
        ("TOKEN: ENC[AES256_GCM,data:", "TOKEN: ENC[AES256_GCM,data:AAAA", "a value in it does not decrypt"),
        ("        TOKEN: ", "        MORE: s3cret-that-is-plain\n        TOKEN: ", ":4: secret.data.MORE is plain"),
        ("        TOKEN: ", "        MORE: 1\n        TOKEN: ", ":4: secret.data.MORE is plain"),
    ],
)
def test_a_file_that_was_tampered_with(vault: Vault, old: str, new: str, said: str) -> None:
    path = vault.folder / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    wrong = failure(vault.door("ann"))
    assert isinstance(wrong, UsageError)
    assert "was altered after sops wrote" in wrong.message
    assert said in wrong.message


def test_a_plain_file_is_refused(vault: Vault) -> None:
    (vault.folder / FILE).write_text(PLAIN)
    wrong = failure(vault.door("ann"))
    assert isinstance(wrong, UsageError)
    assert "is not encrypted" in wrong.message


def test_without_sops(vault: Vault) -> None:
    wrong = failure(vault.door("ann", "sops-of-another-machine"))
    assert isinstance(wrong, PreflightError)
    assert "`sops-of-another-machine` is not installed" in wrong.message


def test_files_in_their_order(vault: Vault) -> None:
    vault.encrypt(Path("environments/base.secrets.yaml"))
    vault.encrypt(Path("more.secrets.yaml"))
    more = Path("more.secrets.yaml")
    assert sops.files(vault.folder, "dev", [more]) == (Path("environments/base.secrets.yaml"), FILE, more)
    assert sops.files(vault.folder, "test", []) == (Path("environments/base.secrets.yaml"),)
    with pytest.raises(UsageError, match=r"there is no nowhere\.yaml \(secretFiles\)"):
        sops.files(vault.folder, "dev", [Path("nowhere.yaml")])


@pytest.fixture
def cli(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """As ann, at a command line."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in [name for name in os.environ if name.startswith("SOPS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(vault.folder.parent / "ann"))
    monkeypatch.chdir(vault.folder)
    yield vault
    for number, handler in before.items():
        signal.signal(number, handler)


def test_check(cli: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["secrets", "check"]) == 0
    assert capsys.readouterr().out == f"✓ {FILE}  2 recipients\n"
    assert run(["secrets", "check", "--env", "dev", "-o", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["verb"], made["outcome"], made["environment"]) == ("secrets check", "ok", "dev")
    assert made["files"] == [
        {"file": str(FILE), "recipients": sorted([cli.key("ann"), cli.key("bob")]), "problems": []}
    ]


def test_check_finds_what_is_wrong(cli: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    cli.rules("ann", "carl", more="encrypted_regex: ^(data|env)$")
    assert run(["secrets", "check"]) == 2
    said = capsys.readouterr().out
    assert f"✗ {FILE}  2 recipients" in said
    assert f"{FILE}:10: env.LOG_LEVEL is plain, and .sops.yaml wants it encrypted" in said
    assert f"{cli.key('bob')} can read it, and is no recipient in .sops.yaml" in said
    assert f"{cli.key('carl')} cannot read it, and is a recipient in .sops.yaml" in said
    (cli.folder / ".sops.yaml").unlink()
    (cli.folder / "environments/base.secrets.yaml").write_text(PLAIN)
    assert run(["secrets", "check", "-o", "json"]) == 2
    told = capsys.readouterr()
    assert "s3cret" not in told.out + told.err
    base, dev = json.loads(told.out)["files"]
    assert "is not encrypted" in base["problems"][0]["message"]
    assert "no creation rule of .sops.yaml covers" in dev["problems"][0]["message"]


def test_check_without_a_key(cli: Vault, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "nowhere")
    assert run(["secrets", "check", "--env", "dev"]) == 3
    assert "cannot be decrypted" in capsys.readouterr().out


def test_rotate_takes_a_key_away(cli: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    before = (cli.folder / FILE).read_text()
    cli.rules("ann", "carl")
    assert run(["secrets", "rotate", "--env", "dev"]) == 0
    assert f"{FILE} is encrypted anew" in capsys.readouterr().out
    assert run(["secrets", "check"]) == 0
    capsys.readouterr()
    assert cli.door("carl").open([FILE])[0].document.data["secret"]["data"]["TOKEN"] == SECRET
    assert isinstance(failure(cli.door("bob")), PreflightError)
    after = (cli.folder / FILE).read_text()
    assert not {line for line in before.splitlines() if "ENC[" in line} & set(after.splitlines()), "a new data key"


def test_rotate_needs_a_rule_and_a_key(
    cli: Vault, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (cli.folder / FILE).read_bytes()
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "nowhere")
    assert run(["secrets", "rotate", "--env", "dev", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["verb"] == "secrets rotate"
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(cli.folder.parent / "ann"))
    (cli.folder / ".sops.yaml").unlink()
    assert run(["secrets", "rotate", "--env", "dev"]) == 2
    assert "no creation rule" in capsys.readouterr().err
    assert (cli.folder / FILE).read_bytes() == before


def editor(vault: Vault, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = vault.folder.parent / "editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(file))
    monkeypatch.delenv("SOPS_EDITOR", raising=False)


def test_edit(cli: Vault, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    where = cli.folder.parent / "where"
    editor(cli, f'echo "$1" > {where}; sed -i s/8080/9090/ "$1"', monkeypatch)
    assert run(["secrets", "edit", "--env", "dev"]) == 0
    assert capfd.readouterr().out == f"{FILE} is encrypted and written\n"
    assert cli.door("bob").open([FILE])[0].document.data["secret"]["data"]["PORT"] == 9090
    copy = Path(where.read_text().strip())
    assert str(copy).startswith("/dev/shm/deploy-")
    assert not copy.parents[1].exists()

    editor(cli, "true", monkeypatch)
    assert run(["secrets", "edit", "--env", "dev", "-o", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["changed"] is False
    editor(cli, "exit 1", monkeypatch)
    assert run(["secrets", "edit", "--env", "dev"]) == 1
    assert "the editor failed" in capfd.readouterr().err


def test_edit_makes_a_file(cli: Vault, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / FILE).unlink()
    editor(cli, 'printf "secret: {data: {TOKEN: fresh-secret}}\\n" > "$1"', monkeypatch)
    assert run(["secrets", "edit", "--env", "dev"]) == 0
    assert "fresh-secret" not in (cli.folder / FILE).read_text()
    assert cli.door("bob").open([FILE])[0].document.data["secret"]["data"]["TOKEN"] == "fresh-secret"
    (cli.folder / FILE).unlink()
    (cli.folder / ".sops.yaml").unlink()
    assert run(["secrets", "edit", "--env", "dev"]) == 2
    assert "no creation rule of .sops.yaml covers" in capfd.readouterr().err


def test_an_unknown_environment(cli: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["secrets", "check", "--env", "deb"]) == 2
    assert "unknown environment `deb`; did you mean `dev`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("tools: [sops]\nsecretFiles: none.yaml\n", "secretFiles is `none.yaml`; a list of files is expected"),
        ("tools: 1\nsecretFiles: [1]\n", "there is no 1 (secretFiles)"),
        ("secretFiles: ['${WHERE}/a.yaml']\n", "variable not set: WHERE"),
        ("secretFiles: [\n", "environments/dev.yaml:2: not valid YAML"),
    ],
)
def test_a_profile_that_is_wrong(cli: Vault, profile: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (cli.folder / "environments/dev.yaml").write_text(profile)
    assert run(["secrets", "check", "--env", "dev"]) == 2
    assert said in capsys.readouterr().err
