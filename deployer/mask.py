"""Known secrets, hidden wherever they surface."""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

SHORTEST = 4
"""A shorter value would hide ordinary words; it is no secret worth the name."""


class Mask:
    """Hides every known secret in a text, plain, base64, URL-encoded or as JSON writes it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            for part in {secret, *secret.splitlines()}:
                if len(part) >= SHORTEST:
                    raw = part.encode(errors="surrogateescape")  # a variable of the job may hold any bytes
                    encoded = base64.b64encode(raw).decode()
                    written = json.dumps(part, ensure_ascii=False)[1:-1]
                    forms |= {part, encoded, encoded.rstrip("="), quote(raw, safe=""), written}
        self._forms = sorted(forms, key=len, reverse=True)  # a secret that holds another goes first

    def also(self, secrets: Iterable[str]) -> "Mask":
        """A mask that hides more."""
        made = Mask(secrets)
        made._forms = sorted({*self._forms, *made._forms}, key=len, reverse=True)
        return made

    def __call__(self, text: str) -> str:
        """The text with every secret as `***`."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text
