"""An API server in a thread: real sockets, honest list and watch, and every way to misbehave."""

import contextlib
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


@dataclass
class Fault:
    """What to do instead of answering; `times` it happens."""

    do: Callable[["Handler"], None]
    times: float


@dataclass
class Request:
    """What a client asked for."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)


class ApiServer:
    """Keeps objects by path; `put` and `delete` are seen by lists and watches alike."""

    def __init__(self) -> None:
        self.token: str | None = "secret-token"
        self.skew = 0.0  # seconds our clock is ahead
        self.requests: list[Request] = []
        self.denied: set[str] = set()  # "list pods": what a SelfSubjectAccessReview says no to
        self.logs: dict[tuple[str, str, bool], bytes] = {}
        self._objects: dict[str, dict[str, Json]] = {}
        self._events: list[tuple[int, str, str, Json]] = []
        self._version = 100
        self._compacted = 0
        self._changed = threading.Condition()
        self._faults: dict[str, Fault] = {}
        self._open: dict[Handler, queue.SimpleQueue[str]] = {}
        self._connections: set[socket.socket] = set()
        self._stopping = False
        self.port = 0
        self.start()

    # what happens in the cluster

    def put(self, collection: str, name: str, body: Json | None = None, **metadata: Any) -> Json:
        """Create or change an object."""
        with self._changed:
            self._version += 1
            there = self._objects.setdefault(collection, {})
            known = {"uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}]}
            given = (body or {}).get("metadata") or {}
            item = (body or {}) | {"metadata": known | given | {"name": name} | metadata}
            item["metadata"]["resourceVersion"] = str(self._version)
            item.setdefault("kind", "Thing")
            self._events.append((self._version, collection, "MODIFIED" if name in there else "ADDED", item))
            there[name] = item
            self._changed.notify_all()
            return item

    def delete(self, collection: str, name: str, *, silently: bool = False) -> None:
        """Take an object away; `silently` no watch hears of it."""
        with self._changed:
            self._version += 1
            item = self._objects[collection].pop(name)
            item["metadata"] = item["metadata"] | {"resourceVersion": str(self._version)}
            if not silently:
                self._events.append((self._version, collection, "DELETED", item))
            self._changed.notify_all()

    def compact(self) -> None:
        """Forget the past: a watch from an older version is Gone."""
        with self._changed:
            self._compacted = self._version

    # what goes wrong

    def fail(self, what: str, do: Callable[["Handler"], None], times: float = 1) -> None:
        """Misbehave for "list pods", "watch", "*"…, a number of times."""
        self._faults[what] = Fault(do, times)

    def heal(self) -> None:
        """Behave again."""
        self._faults.clear()

    def disturb(self, how: str) -> None:
        """End or change every watch that is open: eof, rst, cut, silence, gone, garbage, bookmark."""
        with self._changed:
            for commands in self._open.values():
                commands.put(how)
            self._changed.notify_all()

    def watches(self) -> int:
        """How many are open."""
        return len(self._open)

    def count(self, verb: str, resource: str = "") -> int:
        """How many requests there were of a kind."""
        return sum(one.verb == verb and resource in one.path for one in list(self.requests))

    # life

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._stopping = False
        handler = type("Bound", (Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away at once, connections and all."""
        self._stopping = True
        self._server.shutdown()
        self._server.server_close()
        with self._changed:
            self._changed.notify_all()
        for one in list(self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def kubeconfig(self, folder: Path, *, context: str = "dev", **user: Any) -> Path:
        """A file that leads here."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "contexts": [{"name": context, "context": {"cluster": "here", "user": "me"}}],
            "users": [{"name": "me", "user": user or {"token": self.token}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(content))
        return file


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: ApiServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.api._connections.add(self.connection)

    def finish(self) -> None:
        self.api._connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.api.skew, usegmt=True)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        api = self.api
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb = self._verb(url.path, query)
        api.requests.append(Request(verb, url.path, query, dict(self.headers), body))
        resource = url.path.rstrip("/").rsplit("/", 1)[-1]
        for what in (f"{verb} {resource}", verb, "*"):
            fault = api._faults.get(what)
            if fault and fault.times > 0:
                fault.times -= 1
                fault.do(self)
                return
        if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
            self.refuse(401, "Unauthorized")
            return
        getattr(self, f"_{verb}")(url.path, query, json.loads(body or b"{}"))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _verb(self, path: str, query: dict[str, str]) -> str:
        if self.command != "GET":
            return {"POST": "create", "PUT": "replace", "PATCH": "apply", "DELETE": "delete"}[self.command]
        if query.get("watch"):
            return "watch"
        if path.endswith("/log"):
            return "log"
        return "list" if path in self.api._objects or (path.endswith("s") and path not in ("/apis",)) else "get"

    def _get(self, path: str, query: dict[str, str], body: Json) -> None:
        collection, _, name = path.rpartition("/")
        found = self.api._objects.get(collection, {}).get(name)
        if path == "/version":
            found = {"gitVersion": "v1.34.0"}
        if found is None:
            self.refuse(404, f"{name} not found")
        else:
            self.answer(200, found)

    def _list(self, path: str, query: dict[str, str], body: Json) -> None:
        with self.api._changed:
            version = str(self.api._version)
            items = [one for one in self.api._objects.get(path, {}).values() if _selected(one, query)]
        start, limit = int(query.get("continue", 0)), int(query.get("limit", 500))
        metadata: Json = {"resourceVersion": version}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        bare = [{key: value for key, value in one.items() if key != "kind"} for one in items[start : start + limit]]
        kind = items[0]["kind"] if items else "Thing"
        self.answer(200, {"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": bare})

    def _log(self, path: str, query: dict[str, str], body: Json) -> None:
        key = (path.split("/")[-2], query["container"], query.get("previous") == "true")
        text = self.api.logs.get(key)
        if text is None:
            self.refuse(400, f'previous terminated container "{key[1]}" in pod "{key[0]}" not found')
        else:
            self.answer(200, text)

    def _create(self, path: str, query: dict[str, str], body: Json) -> None:
        if path.endswith("selfsubjectaccessreviews"):
            wanted = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
            self.answer(201, {"status": {"allowed": f"{wanted['verb']} {resource}" not in self.api.denied}})
        elif body["metadata"]["name"] in self.api._objects.get(path, {}):
            self.refuse(409, "already exists")
        else:
            self.answer(201, self.api.put(path, body["metadata"]["name"], body))

    def _replace(self, path: str, query: dict[str, str], body: Json) -> None:
        collection, _, name = path.rpartition("/")
        if name not in self.api._objects.get(collection, {}):
            self.refuse(404, f"{name} not found")
            return
        there = self.api._objects[collection][name]["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion") != there:
            self.refuse(409, "the object has been modified")
        else:
            self.answer(200, self.api.put(collection, name, body))

    def _apply(self, path: str, query: dict[str, str], body: Json) -> None:
        collection, _, name = path.rpartition("/")
        self.answer(200, body if query.get("dryRun") else self.api.put(collection, name, body))

    def _delete(self, path: str, query: dict[str, str], body: Json) -> None:
        collection, _, name = path.rpartition("/")
        there = self.api._objects.get(collection, {}).get(name, {}).get("metadata", {})
        wanted = body.get("preconditions") or {}
        if not there:
            self.refuse(404, f"{name} not found")
        elif any(there[key] != value for key, value in wanted.items()):
            self.refuse(409, "precondition failed")
        else:
            self.api.delete(collection, name)
            self.answer(200, {"status": "Success"})

    def _watch(self, path: str, query: dict[str, str], body: Json) -> None:
        api, seen = self.api, int(query["resourceVersion"])
        if seen < api._compacted:
            self.refuse(410, "too old resource version")
            return
        self.begin_stream()
        until = time.monotonic() + float(query.get("timeoutSeconds", 300))
        commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        api._open[self] = commands
        try:
            while time.monotonic() < until and not api._stopping:
                with api._changed:
                    news = [one for one in api._events if one[0] > seen]
                    if not news and commands.empty():
                        api._changed.wait(max(0.0, min(0.1, until - time.monotonic())))
                if not news and self._abandoned():
                    return
                for version, collection, kind, item in news:
                    seen = version
                    if collection == path and _selected(item, query):
                        self.event(kind, item)
                if not commands.empty() and self._disturbed(commands.get(), seen):
                    return
            self.end_stream()
        finally:
            api._open.pop(self, None)

    def _abandoned(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def _disturbed(self, how: str, seen: int) -> bool:
        match how:
            case "bookmark":
                self.event("BOOKMARK", {"kind": "Thing", "metadata": {"resourceVersion": str(seen)}})
                return False
            case "gone":
                self.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
                self.end_stream()
            case "garbage":
                self.chunk(b"<html>\n")
                self.end_stream()
            case "eof":
                self.end_stream()
            case "cut":
                self.wfile.write(b"40\r\n{")
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "rst":
                reset(self)
            case "silence":
                hang(self)
        return True

    # how to answer

    def answer(self, status: int, body: Json | bytes, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        self.answer(status, {"kind": "Status", "status": "Failure", "code": status, "message": message}, **headers)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, kind: str, item: Json) -> None:
        self.chunk(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


# faults for `fail`


def status(code: int, message: str = "injected", **headers: str) -> Callable[[Handler], None]:
    """Answer with an error."""
    return lambda handler: handler.refuse(code, message, **headers)


def hang(handler: Handler) -> None:
    """Never say anything again."""
    handler.close_connection = True
    while not handler.api._stopping:
        time.sleep(0.01)


def slow(seconds: float) -> Callable[[Handler], None]:
    """Answer late, but answer."""

    def later(handler: Handler) -> None:
        time.sleep(seconds)
        handler.refuse(503, "slow")

    return later


def reset(handler: Handler) -> None:
    """Break the connection with a RST."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.api._connections.discard(handler.connection)
    socket.close(handler.connection.detach())


def html(handler: Handler) -> None:
    """Answer as a captive portal does."""
    handler.answer(200, b"<html>log in</html>")


def error_event(handler: Handler) -> None:
    """Begin a watch, then say that its version is gone."""
    handler.begin_stream()
    handler.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    handler.end_stream()


def empty_watch(handler: Handler) -> None:
    """A watch that ends at once."""
    handler.begin_stream()
    handler.end_stream()


def _selected(item: Json, query: dict[str, str]) -> bool:
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = term.partition("=")
        if (item["metadata"].get("labels") or {}).get(key) != value:
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = term.partition("=")
        found: Any = item
        for part in key.removesuffix("!").split("."):
            found = found.get(part, {})
        if (found == value) is key.endswith("!"):
            return False
    return True
