"""A peer that speaks RPyC by hand: whatever bytes a test wants, and answers only if the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self, cast

from rpyc.core import consts

from backends.rpyc import codec
from backends.rpyc.codec import Framer, Local, Message, Raised, Remote, Request, Returned
from backends.rpyc.server import ClientConnection, RpycServer
from chat.interfaces.address import Address

FUNCTION = Local(("builtins.function", 1, 1))
BIG = 64 * 1024 * 1024


class RpycPeer:
    """One connection. ``async with await RpycPeer.open(address) as peer`` closes it at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.callbacks: list[dict[str, Any]] = []
        """The keywords of every callback so far."""
        self.requests: list[Request] = []
        """Everything that the server has asked, callbacks included."""
        self.answer: Callable[[Request], bytes | None] = self.take
        """What is sent back for a request of the server's."""
        self.root: Any = None
        self._framer = Framer(BIG)
        self._messages: list[bytes] = []
        self._number = 0

    @classmethod
    async def open(cls, address: Address) -> Self:
        return cls(*await asyncio.open_connection(address.host, address.port))

    # --- what is sent --------------------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, handler: int, *args: Any) -> int:
        """Send a request; return its number."""
        self._number += 1
        await self.send(codec.request(self._number, handler, args))
        return self._number

    async def ask(self, handler: int, *args: Any) -> Returned | Raised:
        """Send a request, and wait for its answer."""
        return await self.answer_to(await self.begin(handler, *args))

    async def begin_call(self, method: str, *args: Any, **kwargs: Any) -> int:
        if self.root is None:
            self.root = (await self.value(consts.HANDLE_GETROOT)).name
        root = Remote(self.root)
        return await self.begin(consts.HANDLE_CALLATTR, root, method, args, tuple(kwargs.items()))

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Returned | Raised:
        """Call a method of the root's."""
        return await self.answer_to(await self.begin_call(method, *args, **kwargs))

    async def value(self, handler: int, *args: Any) -> Any:
        answer = await self.ask(handler, *args)
        assert isinstance(answer, Returned), answer
        return answer.value

    async def enter(self, nick: str, **hello: Any) -> dict[str, Any]:
        """Log in; return the welcome."""
        answer = await self.call("login", nick, "lab", FUNCTION, **hello)
        assert isinstance(answer, Returned), answer
        return dict(answer.value)

    # --- what comes ----------------------------------------------------------------------------

    async def message(self) -> Message:
        """Return the next message, and answer it if it is a request. Raises EOFError at the end."""
        while not self._messages:
            data = await self.reader.read(65536)
            if not data:
                raise EOFError
            self._messages = self._framer.feed(data)
        message = codec.decode(self._messages.pop(0))
        if isinstance(message, Request):
            self.requests.append(message)
            if reply := self.answer(message):
                await self.send(reply)
        return message

    def take(self, request: Request) -> bytes | None:
        """Keep what the callback is called with, and return None."""
        if request.handler == consts.HANDLE_CALL:
            self.callbacks.append(dict(request.args[2]))
        return codec.returned(request.number, None)

    def ignore(self, request: Request) -> bytes | None:
        """Keep what the callback is called with, and never return."""
        self.take(request)
        return None

    async def answer_to(self, number: int) -> Returned | Raised:
        while True:
            message = await self.message()
            if not isinstance(message, Request) and message.number == number:
                return message

    async def hears(self, **fields: Any) -> dict[str, Any]:
        """Wait for a callback with these keywords."""
        while True:
            for keywords in self.callbacks:
                if fields.items() <= keywords.items():
                    return keywords
            await self.message()

    async def end(self) -> list[dict[str, Any]]:
        """Read until the server closes the connection; return the keywords of every callback."""
        while True:
            try:
                await self.message()
            except (EOFError, ConnectionError):
                return self.callbacks

    def stop_reading(self) -> None:
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()


def connection_of(server: RpycServer, nick: str) -> ClientConnection:
    """Return the server's end of somebody's connection."""
    return next(each for each in server.connections if each.seat and each.seat.welcome.nick == nick)


async def reason(peer: RpycPeer) -> str:
    """Return the code that the last callback gave; fails unless the connection ends."""
    last = (await peer.end())[-1]
    assert last["kind"] == "error"
    return str(last["code"])


async def refusal(peer: RpycPeer, method: str, *args: object) -> str:
    answer = await peer.call(method, *args)
    assert isinstance(answer, Raised), answer
    return answer.text
