"""The ONC RPC client: asks for news with a FETCH that waits, and with the next one when that is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import perf_counter
from typing import TypeVar

from backends.oncrpc.calls import Calls, dial
from backends.oncrpc.words import error_from, event_from, fitting_text, hello_to, member_from, welcome_from
from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Hello, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.errors import silent
from chat.transport.polling import Polls
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MAX_EVENTS,
    CHAT_MAX_WAIT_MS,
    CHAT_MEMBERS,
    CHAT_SEND,
    chat_direction,
    chat_place,
    chat_status,
    delete_args,
    draft_ok,
    draft_res,
    edit_args,
    fetch_args,
    fetch_ok,
    fetch_res,
    join_args,
    join_ok,
    join_res,
    leave_args,
    leave_res,
    members_args,
    members_ok,
    members_res,
    send_args,
)

WELCOME_TIMEOUT = 10.0
GOODBYE = 1.0  # seconds that a server has to take note of a leave
MAX_PAGES = 1000

T = TypeVar("T")


class OncRpcClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._calls: Calls | None = None
        self._seat_key = ""
        self._start = 0
        self._page = CHAT_MAX_EVENTS
        self._closing = False
        self._polls = Polls()

    async def connect(self, hello: Hello) -> Welcome:
        args = hello_to(hello)
        transport = self.options.settings.get("transport", "tcp")
        self._calls = await dial(self.address, transport)
        try:
            # Over UDP a call gives up by itself, when it was sent often enough.
            async with asyncio.timeout(WELCOME_TIMEOUT if transport == "tcp" else None):
                return await self._join(self._calls, args)
        except TimeoutError:
            raise ConnectionLost(silent(self.address)) from None

    async def _join(self, calls: Calls, args: join_args) -> Welcome:
        result = await calls.call(CHAT_JOIN, args, join_res)
        ok = _value(result.status, result.value, join_ok)
        self._seat_key, self._start = ok.seat_key, ok.start
        self._page = min(ok.limits.page, CHAT_MAX_EVENTS)
        return welcome_from(ok, await self.members())

    async def send(self, draft: Draft) -> Ack:
        calls, key, n = self._joined(), self._seat_key, draft.n
        if not n:
            raise BadRequest("a draft needs a number, counted from 1: sent again, it is known by it")
        try:
            match draft:
                case Say():
                    sent = calls.call(CHAT_SEND, send_args(key, n, fitting_text(draft.text)), draft_res)
                case Edit():
                    args = edit_args(key, n, draft.id, fitting_text(draft.text))
                    sent = calls.call(CHAT_EDIT, args, draft_res)
                case Delete():
                    sent = calls.call(CHAT_DELETE, delete_args(key, n, draft.id), draft_res)
        except BadText as error:
            error.n = n
            raise
        result = await sent
        ok = _value(result.status, result.value, draft_ok)
        return Ack(ok.n, ok.seq)

    async def events(self) -> AsyncIterator[list[Event]]:
        self._joined()
        after = self._start

        async def ask(wait: float) -> list[Event]:
            place = chat_place(chat_direction.CHAT_AFTER, after)
            events, _ = await self._fetch(place, CHAT_MAX_EVENTS, min(CHAT_MAX_WAIT_MS, round(wait * 1000)))
            return events

        try:
            async for events in self._polls.news(ask, CHAT_MAX_EVENTS):
                after = events[-1].seq
                yield events
        except ChatError:
            if not self._closing:
                raise

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Ask until the page is full: a datagram does not hold 200 events."""
        found: list[Event] = []
        wanted = max(1, min(limit, self._page))
        while len(found) < wanted:
            if after is not None:
                place = chat_place(chat_direction.CHAT_AFTER, found[-1].seq if found else after)
            elif before is not None or found:
                place = chat_place(chat_direction.CHAT_BEFORE, found[0].seq if found else before)
            else:
                place = chat_place(chat_direction.CHAT_NEWEST)
            events, head = await self._fetch(place, wanted - len(found))
            found = found + events if after is not None else events + found
            if not events or (events[-1].seq >= head if after is not None else events[0].prev == 0):
                break
        return found

    async def _fetch(self, place: chat_place, limit: int, wait_ms: int = 0) -> tuple[list[Event], int]:
        args = fetch_args(self._seat_key, place, limit, wait_ms)
        result = await self._joined().call(CHAT_FETCH, args, fetch_res)
        ok = _value(result.status, result.value, fetch_ok)
        return [event_from(event) for event in ok.events], ok.head

    async def members(self) -> list[Member]:
        """Ask page by page; each begins with the last of the one before, to see that nobody has moved up."""
        calls = self._joined()
        found: list[Member] = []
        for _ in range(MAX_PAGES):
            args = members_args(self._seat_key, max(0, len(found) - 1))
            result = await calls.call(CHAT_MEMBERS, args, members_res)
            ok = _value(result.status, result.value, members_ok)
            page = [member_from(member) for member in ok.members]
            if not found:
                found = page
            elif page and page[0].seat == found[-1].seat:
                found += page[1:]
            else:
                found = []
                continue
            if not ok.more:
                break
        return found

    async def ping(self) -> float:
        calls = self._joined()
        start = perf_counter()  # uvloop's own clock stands still within a turn
        await calls.null()
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        self._closing = True
        if self._calls is None:
            return
        if leave and self._seat_key and not self._calls.lost.done():
            with suppress(ChatError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._calls.call(CHAT_LEAVE, leave_args(self._seat_key), leave_res)
        await self._calls.close()

    def activity(self) -> str:
        over = "over UDP, " if self.options.settings.get("transport") == "udp" else ""
        return f"{over}{self._polls}"

    def _joined(self) -> Calls:
        if self._calls is None or not self._seat_key:
            raise ConnectionLost("not connected")
        return self._calls


def _value(status: chat_status, value: object, kind: type[T]) -> T:
    """Return what a result brings. Raises the `ChatError` that it brings instead."""
    if status is not chat_status.CHAT_OK:
        raise error_from(status, value)
    assert isinstance(value, kind)  # chat.x says so, and the result was unpacked by it
    return value
