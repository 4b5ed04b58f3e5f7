"""A wire to a real server that can be cut: bytes pass through, until told otherwise."""

import contextlib
import select
import socket
import struct
import threading


class Wire:
    """Listens on a port of 127.0.0.1 and passes everything on to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener: socket.socket | None = None
        self._silent = False
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Take connections, and pass on what they say."""
        self._silent = False
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse connections and break those there are, as a server does that has crashed."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """Break the connections there are."""
        for pair in self._pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Swallow everything, as a firewall does that has lost its state."""
        self._silent = True

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs.append((near, far))
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), near, far:
            while True:
                for one in select.select([near, far], [], [], 0.1)[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    if not self._silent:
                        (far if one is near else near).sendall(data)
