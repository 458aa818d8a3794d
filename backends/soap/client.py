"""The SOAP client: asks for news with Fetch, at intervals or with one that waits, hidden behind `events`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeVar

import msgspec

from backends.soap.calls import Calls, document
from backends.soap.words import MAX_EVENTS, MAX_WAIT, camel, fitting_hello, fitting_text
from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Hello, Limits, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.errors import not_our_words
from chat.transport.http_client import Turns
from chat.transport.polling import POLL, Polls

GOODBYE = 1.0  # seconds that a server has to take note of a Leave

T = TypeVar("T")


class SoapClient(ChatClient):
    """Every call names its seat: there is no connection that would know it.

    Drafts go one after the other, each when the one before it is answered: over several connections nobody
    knows which comes first. After one whose answer is lost nothing more is sent, because what is sent again
    must not come behind it.
    """

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._polls = Polls(POLL.among(self.options.settings))
        self._calls: Calls | None = None
        self._seat_key = ""
        self._start = 0
        self._page = MAX_EVENTS
        self._closing = False
        self._turns = Turns()
        self._reason = ""
        self._over: asyncio.Future[None] | None = None

    async def connect(self, hello: Hello) -> Welcome:
        hello = fitting_hello(hello)
        await asyncio.to_thread(document)
        self._over = asyncio.get_running_loop().create_future()
        self._calls = Calls(self.address, self.options, hello.nick, hello.access)
        cursor = hello.cursor
        joined = await self._call(
            "Join",
            room=hello.room,
            nick=hello.nick,
            seatKey=hello.seat_key or None,
            after=cursor.seq if cursor else None,
            epoch=(cursor.epoch or None) if cursor else None,
        )
        limits = self._made(Limits, _limits(joined))
        fields = {name: getattr(joined, camel(name), None) for name in _WELCOME}
        welcome = self._made(Welcome, {**fields, "members": (), "limits": limits})
        self._start = self._made(int, joined.start)
        self._seat_key, self._page = welcome.seat_key, max(1, min(limits.page, MAX_EVENTS))
        return msgspec.structs.replace(welcome, members=tuple(await self.members()))

    async def send(self, draft: Draft) -> Ack:
        key, n = self._joined(), draft.n
        if not n:
            raise BadRequest("a draft needs a number, counted from 1: sent again, it is known by it")
        arguments: dict[str, Any]
        try:
            match draft:
                case Say():
                    name, arguments = "Send", {"text": fitting_text(draft.text)}
                case Edit():
                    name, arguments = "Edit", {"id": draft.id, "text": fitting_text(draft.text)}
                case Delete():
                    name, arguments = "Delete", {"id": draft.id}
        except BadText as error:
            error.n = n
            raise
        async with self._turns.turn(n):
            self._joined()
            answer = await self._call(name, seatKey=key, n=n, **arguments)
        return self._made(Ack, {"n": answer.n, "seq": answer.seq})

    async def events(self) -> AsyncIterator[list[Event]]:
        key, after = self._joined(), self._start

        async def poll(wait: float) -> list[Event]:
            wait = min(MAX_WAIT, round(wait))
            return await self._fetch(seatKey=key, after=after, limit=MAX_EVENTS, wait=wait)

        try:
            async for events in self._polls.news(poll, self._page, self._over):
                after = events[-1].seq
                yield events
            self._joined()
        except ChatError:
            if not self._closing:
                raise

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        limit = max(1, min(limit, MAX_EVENTS))
        return await self._fetch(seatKey=self._joined(), after=after, before=before, limit=limit, wait=0)

    async def _fetch(self, **arguments: Any) -> list[Event]:
        answer = await self._call("Fetch", **arguments)
        return [self._made(Event, _present(event, Event)) for event in answer.event]

    async def members(self) -> list[Member]:
        answer = await self._call("Members", seatKey=self._joined())
        return [self._made(Member, _present(member, Member)) for member in answer or ()]

    async def ping(self) -> float:
        self._joined()
        start = perf_counter()  # uvloop's own clock stands still within a turn
        await self._call("Ping")
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        calls, self._calls = self._calls, None
        self._closing = True
        leaves = leave and self._seat_key and not self._reason
        self._end("the connection is closed")
        if calls is None:
            return
        if leaves:
            with suppress(ChatError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await calls.call("Leave", seatKey=self._seat_key)
        await calls.close()

    def activity(self) -> str:
        return str(self._polls)

    # --- calls ---------------------------------------------------------------------------------

    async def _call(self, operation: str, **arguments: Any) -> Any:
        """Call, and return what the response holds. Raises the refusal, and `ConnectionLost`."""
        if self._calls is None or self._over is None:
            raise ConnectionLost(self._reason or "not connected")
        calling = asyncio.ensure_future(self._calls.call(operation, **arguments))
        try:
            await asyncio.wait((calling, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not calling.done():
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
        if calling.cancelled():
            raise ConnectionLost(self._reason or "the connection is closed")
        try:
            return calling.result()
        except ConnectionLost as error:
            self._end(str(error))
            raise

    def _made(self, kind: type[T], fields: Any) -> T:
        """Return a value of the model. Raises `ConnectionLost` if the server has left something out."""
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            lost = ConnectionLost(not_our_words(self.address, "soap", error))
            self._end(str(lost))
            raise lost from None

    def _joined(self) -> str:
        if self._reason:
            raise ConnectionLost(self._reason)
        if self._calls is None or not self._seat_key:
            raise ConnectionLost("not connected")
        return self._seat_key

    def _end(self, reason: str) -> None:
        """Ask nothing more: the reason is why."""
        if not self._reason:
            self._reason = reason
            if self._over is not None:
                self._over.set_result(None)


_WELCOME = [name for name in Welcome.__struct_fields__ if name not in ("members", "limits")]


def _limits(joined: Any) -> dict[str, Any]:
    return {name: getattr(joined.limits, camel(name), None) for name in Limits.__struct_fields__}


def _present(value: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields that are there: what is empty was left out, and comes back as None."""
    return {name: held for name in kind.__struct_fields__ if (held := getattr(value, name, None)) is not None}
