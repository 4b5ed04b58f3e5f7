"""One open watch."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import HTTPError

from deployer.cluster import errors, kinds
from deployer.cluster.kinds import Json


class Stream:
    """Iterate it for (type, object), once; `close` from any thread ends the iteration at once."""

    def __init__(self, response: Any, server: str) -> None:
        self._response = response
        self._server = server
        self._closed = False

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        """Yield until the server ends the watch or `close` is called; trouble is Unreachable, Gone or Forbidden."""
        try:
            for line in self._lines():
                try:
                    event = json.loads(line)
                    kind, item = str(event["type"]), event["object"]
                except (ValueError, KeyError, TypeError) as error:
                    raise errors.unanswered(error, self._server) from error
                if kind == "ERROR":
                    raise errors.answered(int(item.get("code") or 500), json.dumps(item).encode(), {}, verb="watch")
                yield kind, kinds.lean(item)
        finally:
            with contextlib.suppress(HTTPError, OSError):
                self._response.close()

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        try:
            for chunk in self._response.stream(1 << 16):
                if self._closed:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                yield from filter(None, map(bytes.strip, lines))
        except (HTTPError, OSError, ValueError, AttributeError) as error:  # the last two: shut down in mid-read
            if not self._closed:
                raise errors.unanswered(error, self._server) from error

    def close(self) -> None:
        """End the iteration, also one that waits for bytes in another thread: only shutting the socket wakes it."""
        self._closed = True
        with contextlib.suppress(HTTPError, OSError, ValueError, RuntimeError, AttributeError):
            self._response.shutdown()
