"""The conditions that pipelines state: `${{ … }}` of GitHub, `rules: if:` of GitLab. Pure."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lab.runner.forge import Unknown

_GITHUB = re.compile(r"\s*(==|!=|&&|\|\||[!(),\[\].]|'(?:[^']|'')*'|-?\d+(?:\.\d+)?|[A-Za-z_][\w-]*|\*)")
_GITLAB = re.compile(r"\s*(==|!=|=~|!~|&&|\|\||[()]|\"[^\"]*\"|'[^']*'|/(?:[^/\\]|\\.)+/i?|\$\w+|\$\{\w+\}|null)")
_STATUS = re.compile(r"\b(success|failure|cancelled|always)\s*\(")


def github(text: str, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> Any:
    """The value of an expression. `status`: what success(), failure() and cancelled() say here."""
    return _Github(_tokens(_GITHUB, text), contexts, status, text).whole()


def condition(text: Any, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> bool:
    """The answer of an `if:`; one that asks for no status asks for success() as well."""
    said = str(text).lower() if isinstance(text, bool) else str(text or "").strip()
    inner = re.fullmatch(r"\$\{\{(.*)\}\}", said, re.DOTALL)
    said = inner[1] if inner else said
    if not _STATUS.search(said):
        said = f"success() && ({said or 'true'})"
    return truth(github(said, contexts, status))


def filled(text: Any, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> str:
    """The text with every `${{ … }}` replaced."""
    if isinstance(text, bool):
        return str(text).lower()
    return re.sub(r"\$\{\{(.*?)\}\}", lambda one: shown(github(one[1], contexts, status)), str(text), flags=re.DOTALL)


def shown(value: Any) -> str:
    """A value in a text, as GitHub writes it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def truth(value: Any) -> bool:
    """Whether GitHub takes a value for true."""
    return value not in (None, False, "", 0)


def gitlab(text: str, variables: Mapping[str, str]) -> bool:
    """The answer of a rule of GitLab's."""
    return _Gitlab(_tokens(_GITLAB, text), variables, text).whole()


def _tokens(pattern: re.Pattern[str], text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        match = pattern.match(text, at)
        if match is None:
            raise Unknown(f"expression `{text.strip()}`: cannot be read from `{text[at:].strip()}` on")
        found.append(match[1])
        at = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens, self._at, self._text = tokens, 0, text

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> str | None:
        token = self._next()
        if token is not None and (not wanted or token in wanted):
            self._at += 1
            return token
        return None

    def _demand(self, wanted: str) -> None:
        if self._take(wanted) is None:
            raise Unknown(f"expression `{self._text.strip()}`: `{wanted}` is missing")


class _Github(_Reader):
    """or → and → comparison → not → reference. Both sides of && and || are read; none has effects."""

    def __init__(self, tokens: list[str], contexts: Mapping[str, Any], status: Mapping[str, bool], text: str) -> None:
        super().__init__(tokens, text)
        self._contexts, self._status = contexts, status

    def whole(self) -> Any:
        value = self._or()
        if self._next() is not None:
            raise Unknown(f"expression `{self._text.strip()}`: cannot be read from `{self._next()}` on")
        return value

    def _or(self) -> Any:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if truth(value) else other
        return value

    def _and(self) -> Any:
        value = self._comparison()
        while self._take("&&"):
            other = self._comparison()
            value = other if truth(value) else value
        return value

    def _comparison(self) -> Any:
        value = self._not()
        while sign := self._take("==", "!="):
            other = self._not()
            value = (_folded(value) == _folded(other)) is (sign == "==")
        return value

    def _not(self) -> Any:
        return not truth(self._not()) if self._take("!") else self._value()

    def _value(self) -> Any:
        token = self._take()
        if token == "(":
            value = self._or()
            self._demand(")")
            return value
        if token is None:
            raise Unknown(f"expression `{self._text.strip()}` ends too soon")
        if token[0] == "'":
            return token[1:-1].replace("''", "'")
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if token[0].isdigit() or token[0] == "-":
            return float(token) if "." in token else int(token)
        if self._take("("):
            return self._call(token, list(self._arguments()))
        return self._reference(token)

    def _arguments(self) -> Iterator[Any]:
        while not self._take(")"):
            yield self._or()
            if self._next() != ")":
                self._demand(",")

    def _call(self, name: str, given: list[Any]) -> Any:
        if name == "always":
            return True
        if name in self._status:
            return self._status[name]
        functions: Mapping[str, Callable[..., Any]] = {
            "startsWith": lambda text, start: shown(text).lower().startswith(shown(start).lower()),
            "endsWith": lambda text, end: shown(text).lower().endswith(shown(end).lower()),
            "contains": lambda text, part: (
                part in text if isinstance(text, list) else shown(part).lower() in shown(text).lower()
            ),
            "format": lambda text, *more: re.sub(r"\{(\d+)\}", lambda one: shown(more[int(one[1])]), text),
        }
        if name not in functions:
            raise Unknown(f"expression `{self._text.strip()}`: the function {name}() is not known here")
        return functions[name](*given)

    def _reference(self, name: str) -> Any:
        if name not in self._contexts:
            raise Unknown(f"expression `{self._text.strip()}`: the context {name} is not known here")
        value = self._contexts[name]
        place = name
        while self._take("."):
            key = self._take()
            place = f"{place}.{key}"
            if isinstance(value, Strict) and key not in value:
                raise Unknown(f"expression `{self._text.strip()}`: {place} is not known here")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


class Strict(dict[str, Any]):
    """A context that the platform fills: what is not in it is a lack of this stand-in, and not an empty value."""


class _Gitlab(_Reader):
    def __init__(self, tokens: list[str], variables: Mapping[str, str], text: str) -> None:
        super().__init__(tokens, text)
        self._variables = variables

    def whole(self) -> bool:
        value = self._or()
        if self._next() is not None:
            raise Unknown(f"rule `{self._text}`: cannot be read from `{self._next()}` on")
        return value

    def _or(self) -> bool:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value or other
        return value

    def _and(self) -> bool:
        value = self._comparison()
        while self._take("&&"):
            other = self._comparison()
            value = value and other
        return value

    def _comparison(self) -> bool:
        if self._take("("):
            value = self._or()
            self._demand(")")
            return value
        left = self._value()
        if sign := self._take("==", "!="):
            return (left == self._value()) is (sign == "==")
        if sign := self._take("=~", "!~"):
            found = self._matches(left, self._take() or "")
            return found is (sign == "=~")
        return bool(left)

    def _matches(self, text: str | None, pattern: str) -> bool:
        match = re.fullmatch(r"/(.*)/(i?)", pattern, re.DOTALL)
        if match is None:
            raise Unknown(f"rule `{self._text}`: {pattern} is no pattern")
        return text is not None and re.search(match[1], text, re.IGNORECASE if match[2] else 0) is not None

    def _value(self) -> str | None:
        token = self._take()
        if token is None:
            raise Unknown(f"rule `{self._text}` ends too soon")
        if token[0] == "$":
            return self._variables.get(token.strip("${}"))
        if token[0] in "\"'":
            return token[1:-1]
        if token == "null":
            return None
        raise Unknown(f"rule `{self._text}`: `{token}` is no value")


def matches(name: str, patterns: list[str]) -> bool:
    """Whether a branch or a tag is named by one of GitHub's filter patterns: only `*` and `**` are known here."""
    for pattern in patterns:
        if set(pattern) & set("?+[!"):
            raise Unknown(f"filter pattern `{pattern}`: only * and ** are known here")
    parts = [pattern.replace("**", "\0") for pattern in patterns]
    return any(
        fnmatch.fnmatchcase(name, part.replace("\0", "*")) and ("\0" in part or name.count("/") == part.count("/"))
        for part in parts
    )


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else "" if value is None else value
