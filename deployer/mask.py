"""Known secrets, hidden wherever they surface."""

import base64
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

SHORTEST = 4
"""A shorter value would hide ordinary words; it is no secret worth the name."""


class Mask:
    """Hides every known secret in a text, plain, base64 or URL-encoded."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            for part in {secret, *secret.splitlines()}:
                if len(part) >= SHORTEST:
                    encoded = base64.b64encode(part.encode()).decode()
                    forms |= {part, encoded, encoded.rstrip("="), quote(part, safe="")}
        self._forms = sorted(forms, key=len, reverse=True)  # a secret that holds another goes first

    def __call__(self, text: str) -> str:
        """The text with every secret as `***`."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text
