from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.values.document import objects, parse, scalar


def test_remembers_lines() -> None:
    document = parse(Path("x.yaml"), "a:\n  b: 1\n  c:\n    - d: 2\n")
    assert document.data == {"a": {"b": 1, "c": [{"d": 2}]}}
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c", 0, "d")) == 4
    assert document.line(("a", "c", 0, "nope")) == 4  # the nearest ancestor
    assert document.line(("nope",)) is None


def test_a_date_stays_a_string() -> None:
    assert parse(Path("x.yaml"), "day: 2026-01-02\n").data == {"day": "2026-01-02"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:30", "22:30"),
        ("1:30.5", "1:30.5"),
        ("1e3", 1000),
        ("-.5", -0.5),
        ("1e400", "1e400"),
        ("0o17", 15),
        ("-017", -15),
        ("08", 8),
        ("0B11", 3),
        ("0x_fF", 255),
        ("0o8", "0o8"),
        ("1_000.5", 1000.5),
        ("_1", "_1"),
        ("y", True),
        ("N", False),
        ("yes", True),
        ("tRue", "tRue"),
        ("=", "="),
    ],
)
def test_a_scalar_is_what_helm_reads(text: str, value: object) -> None:
    """As test_layers_helm.py asks the helms themselves."""
    found = parse(Path("x.yaml"), f"a: {text}\n").data["a"]
    assert (found, isinstance(found, bool)) == (value, isinstance(value, bool))
    assert objects(f"a: {text}\n") == [{"a": value}]


def test_a_letter_is_a_key() -> None:
    assert parse(Path("x.yaml"), "a: {y: 1, N: n}\n").data == {"a": {"y": 1, "N": False}}


def test_a_key_of_an_object_is_a_string() -> None:
    assert objects("data: {y: 1, 22: 2}\n") == [{"data": {"true": 1, "22": 2}}]


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse(Path("x.yaml"), "# nothing\n").data == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\nb: 3\n", "x.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", "x.yaml:2: key `a` stands here twice"),
        ("- a\n- b\n", "x.yaml:1: a mapping is expected here, not a list"),
        ("1: a\n", "x.yaml:1: a key must be a string"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "x.yaml:3: merge keys"),
        ("a: &x [*x]\n", "x.yaml:1: an alias refers to itself"),
        ("a: !!python/object:os.system {}\n", "not valid YAML"),
        ("a: \x00\n", "x.yaml: not valid YAML"),
        ("a:\n\t- b\n", "x.yaml:2: not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(Path("x.yaml"), text)
    assert said in error.value.message


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("true", True), ("[a, b]", ["a", "b"]), ("", None), ("a:b", "a:b")]
)
def test_scalars(text: str, value: object) -> None:
    assert scalar(text) == value


@pytest.mark.parametrize("text", ["[", "!!binary aGk=", "!!set {a}", "&a [*a]"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(UsageError, match="is not a YAML value"):
        scalar(text)


def test_a_byte_order_mark_is_no_part_of_a_key() -> None:
    found = parse(Path("a.yaml"), "\ufeffa: 1\nb: 2\n")
    assert (found.data, found.line(("a",))) == ({"a": 1, "b": 2}, 1)
