"""A client of the line protocol that knows nothing of ours: one socket, one JSON object a line."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

PATIENCE = 30.0


class LineClient:
    """Joins room lab, and waits for each answer."""

    def __init__(self, address: str, nick: str, **hello: object) -> None:
        """``hello``: its other fields. `welcome` is what came back, an error too."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._lines = self._socket.makefile("rb")
        self.seen: list[dict[str, Any]] = []
        """Every event so far."""
        self.welcome = self.ask({"kind": "hello", "room": "lab", "nick": nick, **hello}, "welcome")
        self._n = self.welcome.get("n", 0)

    def __enter__(self) -> LineClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def say(self, text: str) -> dict[str, Any]:
        """Send a message; return its event, or the error."""
        self._n += 1
        return self.ask({"kind": "say", "n": self._n, "text": text}, "sent", text)

    def ask(self, message: dict[str, object], kind: str, text: str = "") -> dict[str, Any]:
        """Send a message; return the answer of this kind, or the error."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self.next()
            if answer["kind"] == "error" or (answer["kind"] == kind and (not text or answer["text"] == text)):
                return answer

    def next(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the server has closed the connection"
        answer: dict[str, Any] = json.loads(line)
        if "seq" in answer:
            self.seen.append(answer)
        return answer
