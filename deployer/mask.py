"""Known secrets, hidden wherever they surface and however they are written."""

import base64
import dataclasses
import operator
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

MASK = "***"

SHORTEST = 4
"""Characters. A shorter value would hide ordinary words; it is no secret worth the name."""

FEWEST = 8
"""Digits. A shorter number is a port, a size or a time in every other line."""

WORDS = frozenset({"true", "false", "null", "none"})

CUT = 8
"""Characters of a secret that are hidden where a text was cut in the middle of it."""

CHUNK = 240
"""Characters of one part of the pattern: what is longer is hidden piece by piece. It divides by 3, as base64 wants."""

WRAPPED = (48, 57)
"""Bytes in a line of base64, as PEM and as MIME wrap it."""

AGE_KEY = "AGE-SECRET-KEY-[0-9A-Za-z-]{8,}"

NAMED = {
    **{"\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "[eE]"},
    **{"\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P"},
}
"""What follows the backslash in JSON, Go, YAML and the shell."""

ENTITIES = {"&": "amp|#38|#x26", "<": "lt|#60|#x3c", ">": "gt|#62|#x3e", '"': "quot|#34|#x22", "'": "apos|#39|#x27"}

T = TypeVar("T")


class Mask:
    """Hides every secret it has learnt.

    Plain, each line of it, in base64 (also in the midst of a longer one), hexadecimal, URL-encoded, and as JSON, Go,
    YAML, HTML and the shell write it. Not hidden: what is shorter than 4 characters, a number of less than 8 digits,
    and true, false, null, none.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._learning = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._long: tuple[str, ...] = ()
        self._pattern = re.compile(AGE_KEY)
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these too, from now on."""
        parts = {part for secret in secrets for part in _parts(secret)}
        with self._learning:
            if parts - self._known:
                self._known |= parts
                self._long = tuple(part for part in self._known if len(part) > CUT and len(part.splitlines()) == 1)
                self._pattern = _pattern(self._known)

    @property
    def known(self) -> frozenset[str]:
        """The secrets that are hidden: whole ones, and each line of one."""
        return self._known

    def __call__(self, text: str) -> str:
        """The text with every secret as `***`."""
        return self._cut(self._pattern.sub(MASK, text))

    def through(self, thing: T) -> T:
        """The same thing, of dataclasses, maps and lists, with every string in it masked; keys stay as they are."""
        return cast("T", self._through(thing))

    def _through(self, thing: Any) -> Any:
        if isinstance(thing, str):
            masked = self(thing)
            return thing if masked == thing else masked  # a word of an enumeration stays one
        if isinstance(thing, int | float) and not isinstance(thing, bool):
            return MASK if self(str(thing)) == MASK else thing
        if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
            changed = {
                one.name: masked
                for one in dataclasses.fields(thing)
                if one.init and (masked := self._through(value := getattr(thing, one.name))) is not value
            }
            return dataclasses.replace(thing, **changed) if changed else thing
        if isinstance(thing, Mapping):
            return {key: self._through(value) for key, value in thing.items()}
        if isinstance(thing, list):
            return [self._through(value) for value in thing]
        if type(thing) is tuple:
            items = tuple(map(self._through, thing))
            return thing if all(map(operator.is_, items, thing)) else items
        return thing

    def _cut(self, text: str) -> str:
        """Kubernetes keeps the first kilobyte of an event and the last two of a log: the rest of a secret goes too."""
        for secret in self._long:
            if (at := text.rfind(secret[:CUT], -len(secret))) >= 0 and secret.startswith(text[at:].rstrip(" .…\n")):
                text = text[:at] + MASK
            end = text.find(secret[-CUT:], 0, len(secret)) + CUT
            if end >= CUT and secret.endswith(text[:end]):
                text = MASK + text[end:]
        return text


def _parts(secret: str) -> Iterator[str]:
    for part in {secret.strip(), *(line.strip() for line in secret.splitlines())}:
        number = re.fullmatch(r"[-+]?\d+(?:\.\d+)?", part)
        small = number and sum(map(str.isdigit, part)) < FEWEST
        if len(part) >= SHORTEST and not small and part.lower() not in WORDS:
            yield part


def _pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """One pattern for all, a branch for each first character: so most of a text is passed over at a glance."""
    branches: dict[str, dict[str, None]] = {}
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=_Form.rank):
        for first, rest in form.branches():
            branches.setdefault(first, {})[rest] = None
    starts = [f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in branches.items()]
    return re.compile("|".join([*starts, AGE_KEY]))


@dataclasses.dataclass(frozen=True)
class _Form:
    """One way to write a secret: as it is, or in an alphabet of its own."""

    text: str
    alphabet: str = "text"  # text, base64, hex
    after: str = ""  # the pattern of what may follow

    def rank(self) -> tuple[int, str, str]:
        """A secret that holds another goes first."""
        return -len(self.text), self.alphabet, self.text

    def branches(self) -> Iterator[tuple[str, str]]:
        """(first character, pattern of the rest)."""
        if self.alphabet == "hex":
            first, rest = self.text[0], f"(?i:{self.text[1:]})"
            yield from ((one, rest) for one in dict.fromkeys((first.lower(), first.upper())))
            return
        atoms = [_atom(one, self.alphabet) for one in re.findall(r"\\+|.", self.text, re.DOTALL)]
        rest = "".join(_any(ways) for ways in atoms[1:]) + self.after
        for first, more in atoms[0]:
            yield first, more + rest


def _forms(secret: str) -> Iterator[_Form]:
    for text in _quoted(secret):
        yield from (_Form(piece) for piece in _pieces(text, CHUNK))
    raw = secret.encode("utf-8", errors="surrogateescape" if _encodable(secret) else "surrogatepass")
    yield from (_Form(piece.hex(), "hex") for piece in _pieces(raw, CHUNK))
    for before in range(3):
        yield from _encoded(raw, CHUNK, before)
    for size in WRAPPED:
        if len(raw) > size:
            yield from _encoded(raw, size, 0)


def _encoded(raw: bytes, size: int, before: int) -> Iterator[_Form]:
    """Base64 piece by piece; behind the last one comes what is left of its last byte, and the padding."""
    *pieces, last = (_base64(piece, before) for piece in _pieces(raw, size))
    yield from (_Form(piece, "base64") for piece in pieces)
    yield _Form(last, "base64", "[A-Za-z0-9+/_-]?(?:=|%3[Dd]){0,2}")


def _encodable(secret: str) -> bool:
    """A variable of the job may hold any bytes; Python has these as half surrogates of a certain range."""
    return all("\udc80" <= one <= "\udcff" for one in re.findall("[\ud800-\udfff]", secret))


def _base64(raw: bytes, before: int) -> str:
    """The base64 characters that hold nothing but `raw`, when `before` bytes (modulo 3) stand before it."""
    encoded = base64.b64encode(b"\0" * before + raw).decode()
    return encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]


def _quoted(secret: str) -> set[str]:
    """In quotes, as the shell and YAML write a quote in it."""
    return {secret, *(secret.replace("'", form) for form in ("''", "'\\''", "'\"'\"'"))}


def _pieces(whole: Any, size: int) -> Iterator[Any]:
    """Pieces of that length; the last one is longer where too little would be left."""
    begin = 0
    while len(whole) - begin >= size + SHORTEST:
        yield whole[begin : begin + size]
        begin += size
    yield whole[begin:]


def _any(ways: list[tuple[str, str]]) -> str:
    alternatives = [re.escape(first) + rest for first, rest in ways]
    return alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"


def _atom(character: str, alphabet: str) -> list[tuple[str, str]]:
    """How one character (or a row of backslashes) is written: (first character, pattern of the rest)."""
    if alphabet == "base64":
        code = f"(?i:{ord(character):02x})"
        also = {"+": [("-", ""), ("%", code)], "/": [("_", ""), ("%", code), ("\\", r"\\?/")]}
        return [(character, ""), *also.get(character, [])]
    if character[0] == "\\":
        count, code = len(character), "(?:25){0,2}5[Cc]"
        return [("\\", rf"\\{{{count - 1},{8 * count - 1}}}"), ("%", "%".join([code] * count))]
    if character.isascii() and (character.isalnum() or character == "_"):
        return [(character, "")]
    plain = {"\n": r"[ \t]{0,40}"}.get(character, "")
    ways = [(character, plain), ("\\", rf"\\{{0,6}}(?:{'|'.join(_escapes(character))})")]
    octets = character.encode("utf-8", errors="surrogatepass")
    ways.append(("%", "%".join(f"(?:25){{0,2}}(?i:{octet:02x})" for octet in octets)))
    if character in ENTITIES:
        ways.append(("&", f"(?i:(?:amp;)?(?:{ENTITIES[character]});)"))
    if character == " ":
        ways.append(("+", ""))
    if character == "\n":
        ways.append(("\r", r"\n[ \t]{0,40}"))
    return ways


def _escapes(character: str) -> Iterator[str]:
    """What follows the backslash."""
    code = ord(character)
    more = r"\\{1,7}"
    octets = character.encode("utf-8", errors="surrogatepass")
    yield re.escape(character)
    if character in NAMED:
        yield NAMED[character]
    if code < 0x100:
        yield f"(?i:x{code:02x})"
    if code < 0x10000:
        yield f"(?i:u{code:04x})"
    else:
        high, low = 0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)
        yield f"(?i:u{high:04x}{more}u{low:04x})"
    yield f"(?i:U{code:08x})"
    yield more.join(f"(?i:x{octet:02x})" for octet in octets)
    yield more.join(f"{octet:03o}" for octet in octets)
