"""No form of a secret survives, and nothing else is touched."""

import base64
import html
import json
import shlex
import time
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployer.mask import MASK, Mask

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=60).filter(
    lambda s: "*" not in s and s == s.strip() and Mask([s]).known == {s}
)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def go(text: str) -> str:
    r"""As Go's %+q writes it: \u00e9, \U0001f680."""
    written = "".join(one if " " <= one <= "~" else _escape(ord(one)) for one in text.replace("\\", "\\\\"))
    return written.replace('"', '\\"')


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def lean(text: str) -> str:
    """JSON in a JSON document, such as a log line that a job's document quotes."""
    return json.dumps(json.dumps(text, ensure_ascii=False))[3:-3]


FORMS = {
    "plain": str,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "url-safe": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "unpadded": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    "url": lambda s: quote(s, safe=""),
    "url path": lambda s: quote(s, safe="/:@"),
    "url form": quote_plus,
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json": lambda s: json.dumps(s)[1:-1],
    "json, raw": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json in json": lean,
    "go": go,
    "python": lambda s: repr(s)[1:-1],
    "yaml": lambda s: yaml.safe_dump(s, default_style='"', width=10**6)[1:-2],
    "yaml, quoted": lambda s: s.replace("'", "''"),
    "html": html.escape,
    "shell": lambda s: shlex.quote(s).strip("'") if "'" not in (s[0], s[-1]) else s,
}


@settings(max_examples=30, deadline=None)
@given(SECRETS, AROUND, AROUND)
@example(r"""a'b"c\d\\ e/f+g?h=i&j<k>%l$m""", "", "")
@example("''''''''''''''''x", "'", "'")
@example("\\\\\\\\\\\\\\\\x", "\\", "\\")
@example("pässwörd🚀 \x1b\x7f\u200b", "é", "🚀")
def test_no_form_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    mask = Mask([secret])
    for name, form in FORMS.items():
        written = form(secret)
        masked = mask(f"{before} {written} {after}")
        assert MASK in masked, name
        assert written not in masked.replace(MASK, ""), name


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=7), SECRETS, st.binary(max_size=7), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode])
)
def test_in_the_midst_of_base64(before: bytes, secret: str, after: bytes, encode: object) -> None:
    """A Secret of Kubernetes holds a whole file, or `user:password`."""
    text = encode(before + secret.encode() + after).decode()  # type: ignore[operator]
    masked = Mask([secret])(text)
    assert MASK in masked
    left = masked.replace("=", "").split(MASK)
    assert len(left[0]) <= len(before) * 8 // 6 + 1
    assert len(left[-1]) <= len(after) * 8 // 6 + 2


@pytest.mark.parametrize("size", [64, 76])
def test_wrapped_base64(size: int) -> None:
    secret = "".join(f"{number:05d}-" for number in range(40))
    encoded = base64.b64encode(secret.encode()).decode()
    lines = [encoded[at : at + size] for at in range(0, len(encoded), size)]
    mask = Mask([secret])
    assert [mask(line) for line in lines] == [MASK] * len(lines)


def test_a_long_secret_is_hidden_whole() -> None:
    secret = "-".join(f"{number:x}" for number in range(3000, 6000))
    mask = Mask([secret])
    for form in FORMS.values():
        assert len(mask(f"x {form(secret)} y").replace(MASK, "")) < len(secret) / 100
    embedded = base64.b64encode(b"a" + secret.encode() + b"b").decode()
    assert len(mask(embedded).replace(MASK, "")) < len(embedded) / 100


def test_each_line_of_a_secret_is_hidden() -> None:
    mask = Mask(["first line\nsecond line\n"])
    assert mask("x second line y") == "x *** y"
    assert mask('{"a": "first line\\nsecond line\\n"}') == '{"a": "***\\n"}'
    assert mask("a: |\n  first line\n  second line\n") == "a: |\n  ***\n"
    assert mask("first line\r\nsecond line") == "***"


def test_a_secret_that_holds_another_goes_first() -> None:
    assert Mask(["pass", "password"])("password") == "***"


@pytest.mark.parametrize("value", ["a", "", "abc", "    ", "1234567", "-12.5", "true", "False", "null", "8080"])
def test_short_values_and_small_numbers_are_words(value: str) -> None:
    text = f"banana abcde true False null 1234567 -12.5 8080 {value}"
    assert Mask([value])(text) == text


@pytest.mark.parametrize("value", ["abcd", "12345678", "-1234.5678", "1234567x"])
def test_the_shortest_that_are_hidden(value: str) -> None:
    assert Mask([value])(f"a {value} b") == "a *** b"


def test_what_is_learnt_later_is_hidden_too() -> None:
    mask = Mask(["first-secret"])
    mask.learn(["second-secret"])
    assert mask("first-secret second-secret") == "*** ***"


def test_an_age_key_is_hidden_though_nobody_named_it() -> None:
    assert Mask()("key AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L, read") == "key ***, read"


def test_any_bytes_of_a_variable() -> None:
    secret = b"s3cret\xff\xfe".decode(errors="surrogateescape")
    assert Mask([secret])(f"a {secret} b") == "a *** b"
    assert Mask([secret])(base64.b64encode(b"s3cret\xff\xfe").decode()) == "***"
    assert Mask(["half \ud800 of a pair"])("x") == "x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot use s3cret-value-of", "cannot use ***"),
        ("cannot use s3cret-value-of...", "cannot use ***"),
        ("-value-of-the-team is wrong", "*** is wrong"),
        ("s3cret", "s3cret"),
    ],
)
def test_a_text_that_was_cut_in_the_middle(text: str, shown: str) -> None:
    assert Mask(["s3cret-value-of-the-team"])(text) == shown


@dataclass(frozen=True)
class Held:
    name: str
    more: tuple[object, ...] = ()


def test_through_a_document() -> None:
    made = {
        "message": 'no "s3cret\\value"',
        "s3cret\\value": 1,
        "list": [1, True, None, 1.5, 123456789012, Held("s3cret\\value", ("a", "s3cret\\value"))],
    }
    masked = Mask(["s3cret\\value", "123456789012"]).through(made)
    assert masked == {
        "message": 'no "***"',
        "s3cret\\value": 1,
        "list": [1, True, None, 1.5, MASK, Held(MASK, ("a", MASK))],
    }
    assert made["list"][4] == 123456789012  # type: ignore[index]
    held = Held("a", ("b",))
    assert Mask(["s3cret"]).through(held) is held


def test_a_hundred_secrets_in_a_megabyte_take_no_time() -> None:
    mask = Mask([f"{number:08x}-{'x' * (number % 40)}{number}&'\"\\" for number in range(100)])
    text = "2026-11-26T08:00:00Z level=info msg=\"a usual line, with / and + and 00000001 and 'quotes'\"\n" * 10_000
    began = time.process_time()
    assert mask(text) == text
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", ["\\" * 50_000, "'" * 50_000, "\\'" * 25_000, " " * 50_000, "%25" * 20_000])
def test_no_text_makes_it_slow(text: str) -> None:
    mask = Mask(["\\\\'\\'' \" \\\\\\''''''' %%%25%5c x", "''''''''''''''''''''x", "\\\\\\\\\\\\\\\\\\\\x"])
    began = time.process_time()
    mask(text)
    assert time.process_time() - began < 10
