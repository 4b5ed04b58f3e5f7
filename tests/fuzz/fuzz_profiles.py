"""Broken profiles, thousands of them: never a traceback, never a deploy, never a secret in what is said.

`make fuzz` runs it; INPUTS says how many, SEED where to begin. Everything happens in this process, through the command
line; helm, docker and the network are stand-ins: no mutation can reach anything real.
"""

import contextlib
import io
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import yaml

from deployer.cli import run

ROOT = Path(__file__).parents[2]
SECRETS = {
    "TOKEN": "pl4nted-token-value",
    "REG_PASS": "pl4nted/pass+word=",
    "DB_PASSWORD": 'pl4nted "quoted" \\ value',
}
"""In the places that a profile can name."""

STAND_IN = """#!/bin/sh
case "$1" in
version) echo "$0" | grep -q docker && echo '{"Server": {"Version": "28.0.0"}}' || echo v4.3.0 ;;
template) cat > "$0.in"; if [ $(($(wc -c < "$0.in") % 3)) = 0 ]; then cat "$0.in" >&2; env >&2; exit 1; fi
  printf 'kind: Deployment\\nmetadata: {name: web}\\nspec: {selector: {matchLabels: {a: b}}}\\n' ;;
buildx) [ "$2" = version ] && exit 0; echo "$@" >> "$0.deeds" ;;
history) echo '[]' ;;
*) echo "$@" >> "$0.deeds" ;;
esac
"""
WORDS = [
    *(
        "",
        "dev",
        "prod",
        "default",
        "kube-system",
        "${TOKEN}",
        "${DB_PASSWORD:}",
        "${A:?say it}",
        "${A}",
        "$${A}",
        "${",
        "}",
    ),
    *("5m", "-1", "0", "1e9", "true", "null", "~", "a.b", "x-y", "../x", "values.yaml", "registry.lab:5443", "\u2028"),
    *("é🚀", "a: b", "%", "{{ .Values }}", "web", "TOKEN", "REG_PASS", "9", "https://x", "\x00", "a" * 300, "*", "&a"),
]
KEYS = [
    *("target", "registry", "image", "release", "health", "rollback", "guards", "secrets", "values", "valueFiles"),
    *("context", "namespace", "identity", "uid", "url", "repository", "tag", "name", "chart", "timeout", "soak"),
    *("protected", "x-note", "a.b", "", "env", "secret", "data", "pullSecret", "historyMax", "allowDefaultNamespace"),
]
JUNK = "\n :-[]{}&*!|>'\"%@`#,\t\x00é"
SAFE = ("tools", "kubeconfig")
"""What names a program or a file of this machine is left as it is."""


def project(folder: Path) -> None:
    """A whole project, with secrets in every place that a profile can take them from."""
    shutil.copytree(ROOT / "environments", folder / "environments")
    shutil.copytree(ROOT / "chart", folder / "chart")
    for name in ("helm", "docker"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    (folder / "values.yaml").write_text("env: {FROM_FILE: '${DB_PASSWORD}'}\nsecret: {data: {MORE: '$${A}'}}\n")
    (folder / ".env").write_text(f"TOKEN={SECRETS['TOKEN']}\n")


def seed(folder: Path) -> dict[str, Any]:
    """The profile that is broken."""
    dev: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    dev["target"] = {**dev["target"], "kubeconfig": str(folder / "kubeconfig"), "identity": {"uid": "u"}}
    dev["registry"] = {"url": "registry.invalid"}
    dev["tools"] = {"helm": str(folder / "helm"), "docker": str(folder / "docker")}
    dev["secrets"] = {"secret.data.TOKEN": "TOKEN", r"env.EX\.TRA": "DB_PASSWORD"}
    dev["valueFiles"] = ["values.yaml"]
    dev["values"]["env"] |= {"AGAIN": "${TOKEN}", "QUOTED": "before ${DB_PASSWORD} after"}
    return dev


def value(chance: random.Random, depth: int = 0) -> Any:
    """Anything that YAML can hold."""
    kind = chance.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return chance.choice(WORDS)
    if kind == 3:
        return chance.choice([0, -1, 1, 10**20, 0.5, float("inf"), float("nan")])
    if kind == 4:
        return chance.choice([True, False, None])
    if kind == 5:
        return "".join(chance.choice(JUNK) for _ in range(chance.randrange(6)))
    if kind == 6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(KEYS): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def broken(chance: random.Random, data: Any, depth: int = 0) -> Any:
    """The data with something else in one place."""
    if isinstance(data, dict) and data and (depth == 0 or chance.random() < 0.75):
        key = chance.choice([one for one in data if one not in SAFE] or [""])
        how = chance.random()
        if how < 0.1:
            return {one: inner for one, inner in data.items() if one != key}
        if how < 0.25:
            return {**data, chance.choice([one for one in KEYS if one not in data]): value(chance)}
        return {**data, key: broken(chance, data.get(key), depth + 1)}
    if isinstance(data, list) and data and chance.random() < 0.7:
        index = chance.randrange(len(data))
        return [*data[:index], value(chance), *data[index + 1 :]]
    return value(chance)


def written(chance: random.Random, data: Any) -> bytes:
    """As a file, which is now and then no YAML any more."""
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=chance.choice([True, False, None]))
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(JUNK) + text[at + chance.randrange(2) :]
    raw = text.encode()
    return raw if chance.random() < 0.97 else raw[:40] + b"\xff" + raw[40:]


def harmless(text: bytes) -> bool:
    """Whether the programs and files that it names are still ours: junk in the text may have changed them."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, UnicodeDecodeError):
        return True  # refused before anything is started
    if not isinstance(data, dict):
        return True
    tools = data.get("tools")
    return isinstance(tools, dict) and all(Path(str(one)).name in ("helm", "docker") for one in tools.values())


def leaked(text: str) -> list[str]:
    """The planted secrets in a text, whole or as JSON writes them."""
    return [name for name, secret in SECRETS.items() if secret in text or json.dumps(secret)[1:-1] in text]


def refuse(*arguments: object, **options: object) -> Any:
    """No name leads anywhere."""
    raise socket.gaierror(-2, "Name or service not known")


COMMANDS = (
    ("config", "check", "--env", "dev"),
    ("config", "check", "-o", "json"),
    ("up", "--env", "dev", "--dry-run", "--tag", "v1"),
    ("up", "--env", "dev", "--dry-run", "--tag", "v1", "-o", "json"),
    ("up", "--env", "dev", "--tag", "v1"),
    ("config", "show", "--env", "dev"),
    ("config", "diff", "dev", "test", "-o", "json"),
)


def main(inputs: int, start: int) -> int:
    """Ends with `N inputs, 0 tracebacks, 0 leaks`; 1 where it is not so."""
    os.environ |= {**SECRETS, "REGISTRY_URL": "registry.invalid", "REG_USER": "deploy", "DEPLOY_DEBUG": "1"}
    del os.environ["TOKEN"]  # it comes from .env
    socket.getaddrinfo = refuse
    tracebacks = leaks = deeds = 0
    codes: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        project(folder)
        os.environ["DEPLOY_HELM"] = str(folder / "helm")
        whole, file = seed(folder), folder / "environments/dev.yaml"
        for number in range(start, start + inputs):
            chance = random.Random(number)  # an input is known by its number
            data = whole
            for _ in range(chance.choice([1, 1, 2, 4])):
                data = broken(chance, data)
            text = written(chance, data)
            if not harmless(text):
                text = written(random.Random(number), whole)
            file.write_bytes(text)
            command = COMMANDS[number % len(COMMANDS)]
            out, err = io.StringIO(), io.StringIO()
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    code = run([*command, "-C", str(folder)])
                codes[code] = codes.get(code, 0) + 1
            except BaseException:
                tracebacks += 1
                print(f"input {number}, {' '.join(command)}:\n{traceback.format_exc()}", file=sys.stderr)
            said = out.getvalue() + err.getvalue()
            if "Traceback (most recent call last)" in said:
                tracebacks += 1
                print(f"input {number}, {' '.join(command)}:\n{said}", file=sys.stderr)
            if found := leaked(said):
                leaks += 1
                print(f"input {number}, {' '.join(command)}: {', '.join(found)} in:\n{said}", file=sys.stderr)
            for deed in folder.glob("*.deeds"):
                deeds += 1
                print(f"input {number}, {' '.join(command)}: {deed.read_text()}", file=sys.stderr)
                deed.unlink()
    print("exit codes: " + ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())))
    print(f"{inputs} inputs, {tracebacks} tracebacks, {leaks} leaks" + (f", {deeds} deeds" if deeds else ""))
    return 1 if tracebacks or leaks or deeds else 0


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("INPUTS", "10000")), int(os.environ.get("SEED", "0"))))
