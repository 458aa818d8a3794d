"""The ONC RPC client: every call names its seat by the seat key; it polls with a FETCH that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from backends.oncrpc.calls import Calls, dial
from backends.oncrpc.conversion import LIMITS, error_from, event_from, hello_to, member_from, welcome_from
from chat.domain.errors import ConnectionLost
from chat.domain.model import Ack, Delete, Edit, Hello, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.language import N_
from chat.transport.errors import silent
from chat.transport.polling_client import Page, PollingClient
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MAX_EVENTS,
    CHAT_MAX_WAIT_MS,
    CHAT_MEMBERS,
    CHAT_SEEN,
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
    seen_args,
    seen_ok,
    seen_res,
    send_args,
)

WELCOME_TIMEOUT = 10.0
"""Seconds that a server has for the answers to the first calls, over TCP."""
MAX_PAGES = 1000
"""Pages of members that are asked for in one go."""

T = TypeVar("T")


class OncRpcClient(PollingClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options, in_order=True)
        self._transport = self.options.settings.get("transport", "tcp")
        self._calls: Calls | None = None

    async def _join(self, hello: Hello) -> tuple[Welcome, int]:
        args = hello_to(hello)
        self._calls = await dial(self.address, self._transport)
        self._calls.access = args.access
        try:
            # Over UDP a call gives up by itself, after it was sent again several times.
            async with asyncio.timeout(WELCOME_TIMEOUT if self._transport == "tcp" else None):
                welcome, start = await self._take_seat(self._calls, args)
                if hello.replay is not None and hello.cursor is None:
                    start = await self._replay_from(hello.replay, welcome, start)
                return welcome, start
        except TimeoutError:
            raise ConnectionLost(silent(self.address)) from None

    async def _say(self, draft: Say) -> Ack:
        return await self._change(
            CHAT_SEND, send_args(self._seat_key, draft.n, LIMITS.check_text(draft.text))
        )

    async def _edit(self, draft: Edit) -> Ack:
        args = edit_args(self._seat_key, draft.n, draft.id, LIMITS.check_text(draft.text))
        return await self._change(CHAT_EDIT, args)

    async def _delete(self, draft: Delete) -> Ack:
        return await self._change(CHAT_DELETE, delete_args(self._seat_key, draft.n, draft.id))

    async def _fetch(self, after: int | None, before: int | None, limit: int, wait: float = 0.0) -> Page:
        if after is not None:
            place = chat_place(chat_direction.CHAT_AFTER, after)
        elif before is not None:
            place = chat_place(chat_direction.CHAT_BEFORE, before)
        else:
            place = chat_place(chat_direction.CHAT_NEWEST)
        wait_ms = min(CHAT_MAX_WAIT_MS, round(wait * 1000))
        args = fetch_args(self._seat_key, place, min(limit, CHAT_MAX_EVENTS), wait_ms)
        result = await self._open.call(CHAT_FETCH, args, fetch_res)
        ok = _value(result.status, result.value, fetch_ok)
        return Page([event_from(event) for event in ok.events], ok.head)

    async def _members(self) -> list[Member]:
        return await self._list(self._members_page)

    async def _seen(self) -> list[Member]:
        return await self._list(self._seen_page)

    async def _members_page(self, skip: int) -> members_ok:
        result = await self._open.call(CHAT_MEMBERS, members_args(self._seat_key, skip), members_res)
        return _value(result.status, result.value, members_ok)

    async def _seen_page(self, skip: int) -> seen_ok:
        result = await self._open.call(CHAT_SEEN, seen_args(self._seat_key, skip), seen_res)
        return _value(result.status, result.value, seen_ok)

    async def _list(self, ask: Callable[[int], Awaitable[members_ok | seen_ok]]) -> list[Member]:
        """Ask page by page; each begins with the last member of the one before, which shows a change."""
        found: list[Member] = []
        for _ in range(MAX_PAGES):
            ok = await ask(max(0, len(found) - 1))
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

    async def _ping(self) -> None:
        await self._open.null()

    async def _leave(self) -> None:
        await self._open.call(CHAT_LEAVE, leave_args(self._seat_key), leave_res)

    async def _disconnect(self) -> None:
        if self._calls is not None:
            await self._calls.close()

    def activity(self) -> str:
        polls = super().activity()
        return N_(f"over UDP, {polls}") if self._transport == "udp" else polls

    # --- calls ---------------------------------------------------------------------------------

    @property
    def _open(self) -> Calls:
        assert self._calls is not None
        return self._calls

    async def _take_seat(self, calls: Calls, args: join_args) -> tuple[Welcome, int]:
        result = await calls.call(CHAT_JOIN, args, join_res)
        ok = _value(result.status, result.value, join_ok)
        self._seat_key = ok.seat_key
        return welcome_from(ok, await self._members()), ok.start

    async def _replay_from(self, count: int, welcome: Welcome, start: int) -> int:
        """Return the seq after which the last events come: JOIN has no number for it, and needs none."""
        if not count:
            return welcome.head
        page = await self._fetch(None, None, min(count, welcome.limits.replay))
        return max(start, page.events[0].prev) if page.events else start

    async def _change(self, procedure: int, args: send_args | edit_args | delete_args) -> Ack:
        result = await self._open.call(procedure, args, draft_res)
        ok = _value(result.status, result.value, draft_ok)
        return Ack(ok.n, ok.seq)


def _value(status: chat_status, value: object, kind: type[T]) -> T:
    """Return what a result holds. Raises the `ChatError` that it holds instead."""
    if status is not chat_status.CHAT_OK:
        raise error_from(status, value)
    assert isinstance(value, kind)  # chat.x says so, and the result was unpacked by it
    return value
