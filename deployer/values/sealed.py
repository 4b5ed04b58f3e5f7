"""Files that sops encrypted, as they lie in git: what is encrypted in them, and whether .sops.yaml wants it so."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.values.document import Document, Keys, parse

ENCRYPTED = "ENC["
"""What an encrypted value begins with."""

LONG = 8
"""Digits of a number that is long enough to be a secret."""

SELECTORS = {
    "encrypted_regex": True,
    "unencrypted_regex": False,
    "encrypted_suffix": True,
    "unencrypted_suffix": False,
}
"""What a rule picks keys by, and whether these are the encrypted ones."""

UNCHECKED = ("encrypted_comment_regex", "unencrypted_comment_regex")
"""Picked by comments, which a parsed document does not have."""


@dataclass(frozen=True)
class Sealed:
    """An encrypted file: nothing in it is secret."""

    path: Path  # relative to the project
    document: Document  # without the metadata; an encrypted value is `ENC[…]`
    metadata: Mapping[str, Any]

    @property
    def recipients(self) -> frozenset[str]:
        """The age keys that can read the file."""
        return _recipients(self.metadata)

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Where a secret stands; a list is one value."""
        encrypted = (keys for keys, value in leaves(self.document.data) if _encrypted(value))
        return tuple(dict.fromkeys(tuple(takewhile(lambda key: isinstance(key, str), keys)) for keys in encrypted))  # type: ignore[arg-type]

    def secrets(self, opened: Mapping[str, Any]) -> tuple[str, ...]:
        """Every scalar that was encrypted, as text; `opened` is what the file decrypts to."""
        there = dict(leaves(opened))
        encrypted = (keys for keys, value in leaves(self.document.data) if _encrypted(value))
        return tuple(text for keys in encrypted for text in _texts(there.get(keys)))


@dataclass(frozen=True)
class Rule:
    """The creation rule of .sops.yaml that a file falls under."""

    settings: Mapping[str, Any]

    @property
    def recipients(self) -> frozenset[str]:
        """The age keys that a file under it is to be encrypted for."""
        return _recipients(self.settings)


def sealed(path: Path, text: str) -> Sealed:
    """Read an encrypted file. Raises UsageError where it is plain or no YAML; the error quotes nothing of it."""
    try:
        # sops indents JSON with tabs, which YAML does not take.
        document = parse(path, text.replace("\t", " ") if path.suffix == ".json" else text)
    except UsageError as error:
        where = error.message.split(": ", 1)[0]
        raise UsageError(
            f"{where}: this is not YAML as sops writes it", hint=f"`sops decrypt {path}` says more"
        ) from None
    metadata = document.data.get("sops")
    if not isinstance(metadata, dict) or not {"mac", "version"} <= metadata.keys():
        raise UsageError(
            f"{path} is not encrypted, and plain secrets do not belong into git",
            hint=f"sops encrypt --in-place {path}; what was committed already is known, so change it",
        )
    data = {key: value for key, value in document.data.items() if key != "sops"}
    return Sealed(path, Document(path, data, document.lines, document.quoted), metadata)


def rule(config: Document, path: str) -> Rule | None:
    """The first rule whose path_regex finds something in `path` (relative to the folder of .sops.yaml), as in sops.

    Raises UsageError where .sops.yaml is wrong.
    """
    rules = config.data.get("creation_rules")
    for number, one in enumerate(_list(rules)):
        if not isinstance(one, dict):
            raise UsageError(f"{config.path}:{config.line(('creation_rules', number))}: a creation rule is a map")
        pattern = str(one.get("path_regex") or "")
        try:
            if re.search(pattern, path):
                return Rule(one)
        except re.error:
            line = config.line(("creation_rules", number, "path_regex"))
            raise UsageError(f"{config.path}:{line}: path_regex is no regular expression") from None
    return None


def faults(file: Sealed, under: Rule) -> Iterator[str]:
    """What is not as the rule wants it: values that are plain, recipients too many or too few."""
    for where in plain(file, under):
        yield f"{where} is plain, and .sops.yaml wants it encrypted"
    for one in sorted(file.recipients - under.recipients):
        yield f"{file.path}: {one} can read it, and is no recipient in .sops.yaml"
    for one in sorted(under.recipients - file.recipients):
        yield f"{file.path}: {one} cannot read it, and is a recipient in .sops.yaml"


def plain(file: Sealed, under: Rule) -> Iterator[str]:
    """Where a value stands that is to be encrypted and is not; what a file's metadata say is a rule too."""
    if any(key in under.settings for key in UNCHECKED):
        return
    wanted = _picked(under)
    for keys, value in leaves(file.document.data):
        if value not in ("", None) and not _encrypted(value) and wanted(keys):  # sops leaves these two as they are
            yield f"{file.path}:{file.document.line(keys)}: {'.'.join(map(str, keys))}"


def leaves(data: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every scalar with its place."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(value, (*keys, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves(value, (*keys, index))
    else:
        yield keys, data


class _Picked:
    """Whether a rule wants a value encrypted: one of the keys above it decides."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        given = [(key, str(settings[key])) for key in SELECTORS if settings.get(key)]
        self.selector, self.text = given[0] if given else ("unencrypted_suffix", "_unencrypted")

    def __call__(self, keys: Keys) -> bool:
        names = [key for key in keys if isinstance(key, str)]
        if self.selector.endswith("_suffix"):
            found = any(name.endswith(self.text) for name in names)
        else:
            found = any(re.search(self.text, name) for name in names)
        return found is SELECTORS[self.selector]


def _picked(under: Rule) -> _Picked:
    picked = _Picked(under.settings)
    try:
        picked(("",))
    except re.error:
        raise UsageError(f".sops.yaml: {picked.selector} is no regular expression") from None
    return picked


def _recipients(settings: Mapping[str, Any]) -> frozenset[str]:
    """`age:` as .sops.yaml writes it (a text with commas, or a list) and as a file does (maps), in groups or not."""
    found: set[str] = set()
    for group in (settings, *_list(settings.get("key_groups"))):
        age = group.get("age") if isinstance(group, Mapping) else None
        for one in age.split(",") if isinstance(age, str) else _list(age):
            found.add(str(one.get("recipient", "") if isinstance(one, Mapping) else one).strip())
    return frozenset(found - {""})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _encrypted(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(ENCRYPTED)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, bool) or value is None:
        return
    yield str(value)
    if isinstance(value, int) and len(digits := str(abs(value))) >= LONG:
        # helm reads a number as a float, and writes a long one as 1.234567e+09
        first, rest = digits[0], digits[1:].rstrip("0")
        yield f"{'-' * (value < 0)}{first}{'.' * bool(rest)}{rest}e+{len(digits) - 1:02d}"
