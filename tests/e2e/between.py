"""A server of the test's own in front of one of the lab's, over TLS: it passes on, or answers as a test says.

What is in front of it is never touched, so nobody else's run is.
"""

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "10.97.0.1"  # docker, the kubelets, helm and `deploy` all reach it, and the lab's certificates are for it
PIECE = 1 << 16


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    authorization: str
    agent: str  # the program that asks
    at: float  # when, in time.monotonic()'s terms


@dataclass(frozen=True)
class Answer:
    """What is said instead of the lab's server."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """The connection breaks in the middle of the request's body."""

    after: int  # bytes


@dataclass(frozen=True)
class Shortened:
    """The lab's server gets the beginning of the request's body, and what it answers is passed back."""

    after: int  # bytes


Script = Callable[[Asked], "Answer | Broken | Shortened | None"]
"""What a request is answered; None: it is passed on."""


class Between(ThreadingHTTPServer):
    """Passes requests on to `target` (host:port); `script` may answer some, `away` breaks all."""

    daemon_threads = True

    def __init__(self, certificate: str, target: str) -> None:
        super().__init__((HOST, 0), _Passing)
        pki = Path(os.environ["LAB_STATE"]) / "pki"
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.load_cert_chain(pki / f"{certificate}.crt", pki / f"{certificate}.key")
        self.socket = own.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self.target = target
        self.script: Script = lambda asked: None
        self.authorization = ""  # in place of the client's, where the target takes no other
        self.asked: list[Asked] = []
        self.away = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def leave(self) -> None:
        """Be away: what is open breaks, and nothing is answered any more."""
        self.away = True
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def back(self) -> None:
        """Answer again."""
        self.away = False
        self.script = lambda asked: None

    def leave_at(self, moment: Callable[[Asked], bool]) -> None:
        """Be away from this request on, which is not answered."""

        def look(asked: Asked) -> None:
            if moment(asked):
                self.leave()

        self.script = look

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error."""

    @contextlib.contextmanager
    def opened(self, connection: socket.socket) -> Iterator[None]:
        """Known while it is served."""
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)


class _Passing(BaseHTTPRequestHandler):
    server: Between
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with self.server.opened(self.connection):
            super().handle()

    def _pass(self) -> None:
        authorization, agent = self.headers.get("Authorization", ""), self.headers.get("User-Agent", "")
        asked = Asked(self.command, self.path, authorization, agent, time.monotonic())
        self.server.asked.append(asked)
        answer = None if self.server.away else self.server.script(asked)
        if self.server.away:
            self.close_connection = True
        elif isinstance(answer, Answer):
            for _ in self._pieces():
                pass
            self._say(answer)
        elif isinstance(answer, Broken):
            for _ in _beginning(self._pieces(), answer.after):
                pass
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._ask(answer.after if answer else None)

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer.body.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body.encode())

    def _ask(self, after: int | None) -> None:
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("connection", "expect")}
        if self.server.authorization:
            headers |= {"Authorization": self.server.authorization}
        far = http.client.HTTPSConnection(self.server.target, context=self.server.trust, timeout=300)
        with contextlib.closing(far):
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
            given = chunked or "Content-Length" in self.headers
            body = self._pieces() if given else None
            if body and after is not None:
                beginning = b"".join(_beginning(body, after))
                body, chunked = iter((beginning,)), False
                headers = {key: value for key, value in headers.items() if key.lower() != "transfer-encoding"}
                headers["Content-Length"] = str(len(beginning))
            far.request(self.command, self.path, body, headers, encode_chunked=chunked)
            answer = far.getresponse()
            self.send_response_only(answer.status)
            sized = answer.getheader("Content-Length") is not None or answer.status in (204, 304)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(key, value)
            if not sized:  # a watch, or a body whose end is the connection's
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            while piece := answer.read1(PIECE):
                self.wfile.write(piece)
                self.wfile.flush()

    def _pieces(self) -> Iterator[bytes]:
        """The body of the request, as it comes."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while left := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(left)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass


def _beginning(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes, all pieces read."""
    for piece in pieces:
        if size > 0:
            yield piece[:size]
        size -= len(piece)


def times(number: int, answer: Answer | Broken | Shortened, matters: Callable[[Asked], bool]) -> Script:
    """Answer the first requests that matter so; then pass on."""
    left = [number]
    lock = threading.Lock()

    def say(asked: Asked) -> Answer | Broken | Shortened | None:
        if not matters(asked):
            return None
        with lock:
            left[0] -= 1
            return answer if left[0] >= 0 else None

    return say


def slowly(seconds: float, matters: Callable[[Asked], bool]) -> Script:
    """Let requests that matter wait before they are passed on."""

    def say(asked: Asked) -> None:
        if matters(asked):
            time.sleep(seconds)

    return say
