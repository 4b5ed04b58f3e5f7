"""Encrypted files as they lie in git, and the rules of .sops.yaml."""

from pathlib import Path
from typing import Any

import pytest

from deployer.errors import UsageError
from deployer.values.document import parse
from deployer.values.sealed import Rule, Sealed, faults, rule, sealed

ENC = "'ENC[AES256_GCM,data:Zm9v,iv:YQ==,tag:YQ==,type:str]'"
META = "sops: {mac: 'ENC[x]', version: 3.11.0, age: [{recipient: age1a, enc: x}, {recipient: age1b, enc: x}]}\n"
PATH = Path("environments/dev.secrets.yaml")


def made(text: str) -> Sealed:
    return sealed(PATH, text + META)


def config(text: str) -> Any:
    return parse(Path(".sops.yaml"), text)


def test_what_was_encrypted_is_secret_and_nothing_else() -> None:
    file = made(f"a: {ENC}\nb: plain\nc: [{ENC}, {{d: {ENC}}}]\ne: ''\nn: {ENC}\nt: {ENC}\ns: {ENC}\n")
    assert set(file.document.data) == {"a", "b", "c", "e", "n", "t", "s"}
    assert file.document.line(("c", 1, "d")) == 3
    opened = {"a": "one", "b": "plain", "c": ["two", {"d": "three"}], "e": "", "n": 1234567890, "t": True, "s": 8080}
    assert file.paths == (("a",), ("c",), ("n",), ("t",), ("s",))
    assert file.secrets(opened) == ("one", "two", "three", "1234567890", "1.23456789e+09", "8080")


def test_json_is_yaml_to_us() -> None:
    text = '{\n\t"a": "' + ENC.strip("'") + '",\n\t"sops": {\n\t\t"mac": "ENC[x]",\n\t\t"version": "3.11.0"\n\t}\n}\n'
    assert set(sealed(Path("a.json"), text).document.data) == {"a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: s3cret\n", "environments/dev.secrets.yaml is not encrypted"),
        ("a: s3cret\nsops: {}\n", "is not encrypted"),
        ("", "is not encrypted"),
        ("a: [s3cret\n", "environments/dev.secrets.yaml:2: this is not YAML as sops writes it"),
        ("a: *s3cret\n", "environments/dev.secrets.yaml:1: this is not YAML"),
        ("- s3cret\n", "environments/dev.secrets.yaml:1: this is not YAML"),
        ("a: 1\na: s3cret\n", "environments/dev.secrets.yaml:2: this is not YAML"),
        ("a: !!timestamp s3cret\n", "environments/dev.secrets.yaml:1: this is not YAML"),
    ],
)
def test_a_file_that_is_refused_is_not_quoted(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        sealed(PATH, text)
    assert said in caught.value.message
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"


def test_the_first_rule_that_fits() -> None:
    rules = config(
        "creation_rules:\n"
        "  - {path_regex: prod.*secrets, age: age1p}\n"
        "  - {path_regex: '[.]secrets[.]yaml$', age: 'age1a, age1b'}\n"
        "  - {age: [age1z]}\n"
    )
    found = {path: rule(rules, path) for path in ("environments/prod.secrets.yaml", str(PATH), "other.yaml")}
    assert [sorted(one.recipients) if one else None for one in found.values()] == [
        ["age1p"],
        ["age1a", "age1b"],
        ["age1z"],
    ]
    assert rule(config("creation_rules: []\n"), "a") is None
    assert rule(config("{}\n"), "a") is None


@pytest.mark.parametrize("text", ["creation_rules:\n  - {path_regex: '('}\n", "creation_rules:\n  - age1a\n"])
def test_rules_that_are_wrong(text: str) -> None:
    with pytest.raises(UsageError, match=r"\.sops\.yaml:2: "):
        rule(config(text), "a")


@pytest.mark.parametrize(
    ("settings", "text", "plain"),
    [
        ({}, f"a: {ENC}\nb: {{c: 1, d_unencrypted: x}}\n", ["b.c"]),
        ({}, f"a: {ENC}\nb: ''\nc: null\nd_unencrypted: {{e: x}}\n", []),
        (
            {"encrypted_regex": "^(data|pass.*)$"},
            f"a: x\ndata: {{k: {ENC}, l: y}}\npassword: z\n",
            ["data.l", "password"],
        ),
        ({"unencrypted_regex": "^(a)$"}, "a: {b: x}\nc: y\n", ["c"]),
        ({"encrypted_suffix": "_enc"}, "a: x\nb_enc: [y, z]\n", ["b_enc.0", "b_enc.1"]),
        ({"unencrypted_suffix": "_p"}, "a_p: x\nb: y\n", ["b"]),
        ({"encrypted_comment_regex": "sops:enc"}, "a: x\n", []),
    ],
)
def test_what_is_plain_and_should_not_be(settings: dict[str, str], text: str, plain: list[str]) -> None:
    found = list(faults(made(text), Rule({"age": "age1a,age1b", **settings})))
    assert [line.split(": ")[1].split(" is plain")[0] for line in found] == plain


def test_recipients_that_differ() -> None:
    found = list(faults(made(f"a: {ENC}\n"), Rule({"key_groups": [{"age": ["age1b", "age1c"]}]})))
    assert found == [
        f"{PATH}: age1a can read it, and is no recipient in .sops.yaml",
        f"{PATH}: age1c cannot read it, and is a recipient in .sops.yaml",
    ]


def test_a_regular_expression_that_is_none() -> None:
    with pytest.raises(UsageError, match="encrypted_regex is no regular expression"):
        list(faults(made(f"a: {ENC}\n"), Rule({"encrypted_regex": "("})))


@pytest.mark.parametrize("more", ["age: 1", "age: [1, {x: y}]", "key_groups: 1", "key_groups: [1, {age: {a: b}}]"])
def test_metadata_of_any_shape(more: str) -> None:
    text = f"a: {ENC}\nsops: {{mac: x, version: 1, {more}}}\n"
    assert not [one for one in sealed(PATH, text).recipients if one.startswith("age1")]
