"""A YAML file that people own, changed without losing a comment. The only ruamel.yaml import."""

import difflib
import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from deployer.errors import UsageError
from deployer.values.document import Keys

WIDTH = 4096  # a long line stays one line


def edited(path: str, text: str, changes: dict[Keys, Any]) -> str:
    """The text with a value at each key path; sections that are missing are added at the end of the one above.

    Raises UsageError where the text is no YAML, or a section is no map.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        data = yaml.load(text)
    except YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        return text + _written(yaml, _laid(path, CommentedMap(), changes))
    before = _written(yaml, data)
    return _patched(text, before, _written(yaml, _laid(path, data, changes)))


def _laid(path: str, data: Any, changes: dict[Keys, Any]) -> Any:
    for keys, value in changes.items():
        section = data
        for key in keys[:-1]:
            if isinstance(section, CommentedMap) and section.get(key) is None:
                section[key] = CommentedMap()
            section = section[key] if isinstance(section, CommentedMap) else None
        if not isinstance(section, CommentedMap):
            raise UsageError(f"{path}: {'.'.join(map(str, keys[:-1]))} is no map")
        section[keys[-1]] = value
    return data


def _written(yaml: YAML, data: Any) -> str:
    written = io.StringIO()
    yaml.dump(data, written)
    return written.getvalue()


def _patched(text: str, before: str, after: str) -> str:
    """What differs between two writings, done to the text: its own spacing stays wherever nothing changed."""
    lines, old, new = (one.splitlines(keepends=True) for one in (text, before, after))
    if len(lines) != len(old):
        return after
    patched: list[str] = []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        patched += lines[start:end] if kind == "equal" else new[first:last]
    return "".join(patched)
