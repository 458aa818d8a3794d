"""A minimal HTTP client for the load generators: a socket, prepared requests, and their answers."""

from __future__ import annotations

import socket

from lab.bench.checker import DeliveryError
from lab.bench.http_wire import Answers, Web
from lab.bench.load import CONNECT_TIMEOUT, READ_BYTES


class HttpClient:
    """One connection that is kept alive, with one call outstanding, and the seat that it uses."""

    def __init__(self, host: str, port: int, web: Web, nick: str = "") -> None:
        """Connect and, with a ``nick``, take a seat."""
        self._socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self._socket.fileno()
        self._answers = Answers()
        self.key, self.head = "k" * 22, 0
        self.n = 0
        try:
            if nick and (hello := web.join(nick)):
                self.key, self.head = web.joined(self.call(hello, web.seated))
        except DeliveryError:
            self.close()
            raise
        self._socket.setblocking(False)

    def call(self, request: bytes, status: int) -> bytes:
        """Send a request and return the body of its answer. Raises `DeliveryError` for another status."""
        self._socket.sendall(request)
        while (body := self.take(status)) is None:
            pass
        return body

    def ask(self, request: bytes) -> None:
        """Send a request. It fits in the socket's buffer, because it is the only one."""
        if self._socket.send(request) < len(request):
            raise DeliveryError("the server does not read")

    def take(self, status: int) -> bytes | None:
        """Read; return the answer's body if it is complete. Raises `DeliveryError`."""
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise DeliveryError("the server has closed the connection")
        answer = self._answers.feed(data)
        if answer is None:
            return None
        if answer[0] != status:
            raise DeliveryError(f"the server answered with {answer[0]}: {answer[1][:300]!r}")
        return answer[1]

    def close(self) -> None:
        self._socket.close()
