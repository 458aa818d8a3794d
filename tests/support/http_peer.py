"""A peer that speaks HTTP by hand: whatever bytes a test wants, and the answers that come."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, NamedTuple, Self

from chat.interfaces.address import Address


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> Any:
        """The body of a refusal, which must be a problem (RFC 9457)."""
        assert self.headers["content-type"] == "application/problem+json", self
        told = self.json
        assert told["status"] == self.status, told
        assert {"type", "title", "detail", "code"} <= told.keys(), told
        return told


class HttpPeer:
    """One connection. ``async with await HttpPeer.open(address) as peer`` closes it at the end."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address, self.reader, self.writer = address, reader, writer
        self.host = str(address)

    @classmethod
    async def open(cls, address: Address) -> Self:
        return cls(address, *await asyncio.open_connection(address.host, address.port, limit=1 << 24))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> bytes:
        """Return the bytes of a request; a body that is no bytes is sent as JSON."""
        said = {"Host": self.host, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            said.setdefault("Content-Type", "application/json")
        if body is not None:
            said.setdefault("Content-Length", str(len(body)))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
        return "\r\n".join(lines).encode() + (body or b"")

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request and return the answer."""
        await self.send(self.request(method, path, body, headers=headers))
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """Return the next answer. Raises EOFError when the server has closed the connection."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        return Answer(int(status.split()[1]), headers, await self.reader.readexactly(size))

    async def rest(self) -> bytes:
        """Return what comes until the server closes the connection; nothing where it does so hard."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class SeatedPeer(HttpPeer):
    """A peer with a seat in the room ``lab``, over REST."""

    key = ""
    seat = ""

    async def sit(self, nick: str) -> Self:
        took = (await self.ask("POST", "/rooms/lab/seats", {"nick": nick})).json
        self.key, self.seat = took["seat_key"], took["seat"]
        return self

    async def does(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask with the key; the headers are named in Python's way."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(method, f"/rooms/lab{path}", body, headers={"Seat-Key": self.key, **said})

    async def says(self, text: str, **headers: str) -> Answer:
        return await self.does("POST", "/messages", {"text": text}, **headers)
