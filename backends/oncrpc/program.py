"""The procedures as calls to the hub, for every transport."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from itertools import accumulate, takewhile
from typing import Any, TypeVar

from backends.oncrpc.codec import MAX_REPLY, AcceptStat, Call, refused, succeeded
from backends.oncrpc.conversion import error_to, event_to, hello_from, member_to, number, seen_to, welcome_to
from backends.oncrpc.proof import bare
from backends.oncrpc.sending import Beginning, CalledSay, beginning_of, draft_reply, say_again, sent_args
from chat.domain.errors import ChatError, Closing
from chat.domain.model import Ack, Delete, Draft, Edit, Event
from chat.interfaces.server import HubPort, Seat
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MAX_EVENTS,
    CHAT_MAX_MEMBERS,
    CHAT_MAX_WAIT_MS,
    CHAT_MEMBERS,
    CHAT_PROG,
    CHAT_SEEN,
    CHAT_SEND,
    CHAT_V1,
    PROCEDURES,
    chat_direction,
    chat_error,
    chat_status,
    delete_args,
    draft_res,
    edit_args,
    fetch_args,
    fetch_ok,
    fetch_res,
    join_args,
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
from protos.xdr import Message, XdrError

OVERHEAD = 200
"""Bytes of a reply besides its list: the header, the status, and the fields behind the list."""

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)

_RESULTS: dict[int, Callable[[chat_status, chat_error], Message]] = {
    CHAT_JOIN: join_res,
    CHAT_LEAVE: leave_res,
    CHAT_SEND: draft_res,
    CHAT_EDIT: draft_res,
    CHAT_DELETE: draft_res,
    CHAT_FETCH: fetch_res,
    CHAT_MEMBERS: members_res,
    CHAT_SEEN: seen_res,
}


class Caller(ABC):
    """Where a call came from, and where its reply goes."""

    most = MAX_REPLY
    """Bytes that a reply may have."""
    hurried = False
    """Its calls do not wait for news: nobody is there to wait."""
    is_admitted = False
    """A call over this connection has shown the access token: the calls after it need not."""

    peer = ""
    """The host, whose wrong access tokens and seats are counted."""
    connection = ""
    """Names the connection that seats are taken over."""
    found: tuple[str, Seat] | None = None
    """The seat of the call before, and its key; None: there was none in this turn of the loop."""
    is_proven = True
    """The caller gets what is sent to its address: a reply may be longer than the call."""

    def told(self, seat_key: str) -> str:
        """Return the seat key as the caller is told it."""
        return seat_key

    def prove(self, seat_key: str) -> None:  # noqa: B027  # a connection is proven by its handshake
        """A call has named this seat key."""

    before: Beginning | None = None
    """How the last SEND began; None: there was none in this turn of the loop, or it was the last call."""

    @property
    def has_more(self) -> bool:
        """Whether more calls come in this turn of the loop."""
        return False

    def told_outcome(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Answer a SEND."""
        assert isinstance(draft, CalledSay)
        self.answer(draft_reply(draft.xid, draft.n, outcome))

    @abstractmethod
    def answer(self, reply: bytes) -> None:
        """Send the reply; called once for each call, unless its task was cancelled."""

    @abstractmethod
    def seated(self) -> None:
        """A call has named a seat: keep this connection."""

    @abstractmethod
    def admitted(self) -> None:
        """A call has shown the access token."""

    @abstractmethod
    def page(self) -> AbstractAsyncContextManager[Any]:
        """Return a context to be held while a page is read and sent: few pages should be in memory."""


class Program:
    """Serves calls. Every call gets one reply."""

    def __init__(self, hub: HubPort) -> None:
        self.closing = False
        self._hub = hub
        self._tasks: set[asyncio.Task[None]] = set()
        self._polls: set[asyncio.Task[None]] = set()  # those of them that wait for events

    def close(self) -> None:
        """From now on every call, and every poll under way, is answered with CHAT_CLOSING."""
        self.closing = True
        for task in self._polls:
            task.cancel()

    def hurry(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Answer those of the tasks that wait for news, of callers that are `hurried` now."""
        for task in self._polls.intersection(tasks):
            task.cancel()

    async def stop(self, seconds: float) -> None:
        """Wait for the calls under way, then cancel them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one call ------------------------------------------------------------------------------

    def send_again(self, record: bytes, before: Beginning, caller: Caller) -> bool:
        """Serve a SEND that begins like one before it; return False if it does not."""
        draft = say_again(record, before)
        if draft is None:
            return False
        try:
            before.seat.send(draft, caller.told_outcome)
        except ChatError as error:
            caller.told_outcome(draft, error)
        return True

    def serve(self, call: Call, caller: Caller) -> asyncio.Task[None] | None:
        """Serve a call; return its task if it has one. Drafts go to the log in the order of calls."""
        if (refusal := _refuse_address(call)) is not None:
            caller.answer(refusal)
            return None
        try:
            argument = _argument(call)
        except XdrError:
            caller.answer(refused(call.xid, AcceptStat.GARBAGE_ARGS))
            return None
        work: Coroutine[None, None, None] | None = None
        try:
            work = self._begin(call, argument, caller)
        except ChatError as error:
            self._refuse(call, caller, error, getattr(argument, "n", 0))
        except Exception:
            self._failed(call, caller)
        if work is None:
            return None
        task = asyncio.create_task(self._finish(call, caller, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _begin(
        self, call: Call, argument: Message | None, caller: Caller
    ) -> Coroutine[None, None, None] | None:
        """Do all that needs no waiting; return the rest. Raises a `ChatError`."""
        if argument is None:
            self._answer(call, caller, None)
            return None
        if self.closing:
            raise Closing("the server is going down; reconnect and resume")
        match argument:
            case send_args():  # the most frequent first: to find that it is none of the others takes a while
                draft = CalledSay(argument.text, number(argument.n), call.xid)
                seat = self._seat(call, argument.seat_key, caller)
                if caller.has_more:
                    caller.before = beginning_of(call, seat)
                seat.send(draft, caller.told_outcome)
            case fetch_args():
                return self._fetch(call, argument, self._seat(call, argument.seat_key, caller), caller)
            case join_args():
                return self._join(call, argument, caller)
            case edit_args():
                edit = Edit(number(argument.id), argument.text, number(argument.n))
                self._draft(call, argument.seat_key, edit, caller)
            case delete_args():
                self._draft(call, argument.seat_key, Delete(number(argument.id), number(argument.n)), caller)
            case members_args() | seen_args():
                return self._members(call, argument, self._seat(call, argument.seat_key, caller), caller)
            case leave_args():
                self._seat(call, argument.seat_key, caller).leave()
                self._answer(call, caller, leave_res(chat_status.CHAT_OK))
        return None

    async def _finish(self, call: Call, caller: Caller, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except ChatError as error:
            self._refuse(call, caller, error)
        except Exception:
            self._failed(call, caller)

    def _seat(self, call: Call, seat_key: str, caller: Caller) -> Seat:
        """Return the seat of a call. A seat key alone is not enough: it may have been seen elsewhere."""
        if caller.found is not None and caller.found[0] == seat_key:
            return caller.found[1]
        key = bare(seat_key)
        if not caller.is_admitted and self._hub.admit(call.shown, caller.peer, key):
            caller.admitted()
        caller.prove(seat_key)
        seat = self._hub.find_seat(key)
        caller.seated()
        caller.found = seat_key, seat
        return seat

    # --- the procedures ------------------------------------------------------------------------

    async def _join(self, call: Call, args: join_args, caller: Caller) -> None:
        hello = hello_from(args, call.shown)
        seat = await self._hub.take_seat(hello, "oncrpc", caller.peer, caller.connection)
        caller.admitted()
        caller.seated()
        ok = welcome_to(seat.welcome, seat.start)
        ok.seat_key = caller.told(ok.seat_key)
        self._answer(call, caller, join_res(chat_status.CHAT_OK, ok))

    def _draft(self, call: Call, seat_key: str, draft: Draft, caller: Caller) -> None:
        def reply(_: Draft, outcome: Event | Ack | ChatError) -> None:
            caller.answer(draft_reply(call.xid, draft.n, outcome))

        self._seat(call, seat_key, caller).send(draft, reply)

    async def _fetch(self, call: Call, args: fetch_args, seat: Seat, caller: Caller) -> None:
        _check_proven(caller)
        place = args.place
        seq = number(place.value or 0)
        limit = max(1, min(args.limit, CHAT_MAX_EVENTS, self._hub.limits.page))
        after = place.direction is chat_direction.CHAT_AFTER
        if after and args.wait_ms and not caller.hurried:
            await self._news(seat, seq, min(args.wait_ms, CHAT_MAX_WAIT_MS) / 1000, caller)
        async with caller.page():
            if after:
                events = await seat.read(seq, limit, 0)
            else:
                before = None if place.direction is chat_direction.CHAT_NEWEST else seq
                events = await seat.history(after=None, before=before, limit=limit)
            page = [event_to(event) for event in events]
            page = _first(page, caller.most) if after else _first(page[::-1], caller.most)[::-1]
            self._answer(call, caller, fetch_res(chat_status.CHAT_OK, fetch_ok(page, seat.head)))

    async def _news(self, seat: Seat, after: int, wait: float, caller: Caller) -> None:
        """Wait for the first event after a seq, or so many seconds, or until the caller is `hurried`.

        The page itself is read later, when the client can take it. Raises `Closing` when the server stops.
        """
        if self.closing:
            raise Closing("the server is going down; reconnect and resume")
        task = asyncio.current_task()
        assert task is not None
        self._polls.add(task)
        try:
            await seat.read(after, 1, wait)
        except asyncio.CancelledError:
            if self.closing:
                raise Closing("the server is going down; reconnect and resume") from None
            if not caller.hurried:
                raise
        finally:
            self._polls.discard(task)

    async def _members(self, call: Call, args: members_args | seen_args, seat: Seat, caller: Caller) -> None:
        _check_proven(caller)
        members = await seat.members()
        asked, ok = members[args.skip :][:CHAT_MAX_MEMBERS], chat_status.CHAT_OK
        if isinstance(args, seen_args):
            seen = _first([seen_to(member) for member in asked], caller.most)
            more = args.skip + len(seen) < len(members)
            self._answer(call, caller, seen_res(ok, seen_ok(seen, more)))
        else:
            page = _first([member_to(member) for member in asked], caller.most)
            more = args.skip + len(page) < len(members)
            self._answer(call, caller, members_res(ok, members_ok(page, more)))

    # --- replies -------------------------------------------------------------------------------

    def _answer(self, call: Call, caller: Caller, result: Message | None) -> None:
        try:
            reply = succeeded(call.xid, result)
        except XdrError:
            self._failed(call, caller)
        else:
            caller.answer(reply)

    def _refuse(self, call: Call, caller: Caller, error: ChatError, n: int = 0) -> None:
        self._answer(call, caller, _RESULTS[call.procedure](*error_to(error, n)))

    def _failed(self, call: Call, caller: Caller) -> None:
        """Answer a call that failed in the server; the connection goes on."""
        log.exception("%s failed", PROCEDURES[call.procedure].name)
        caller.answer(refused(call.xid, AcceptStat.SYSTEM_ERR))


def _check_proven(caller: Caller) -> None:
    """Raise `Closing` where a long reply would go to an address that may be forged."""
    if not caller.is_proven:
        raise Closing("the address is not proven: JOIN again")  # short: the reply is no longer than the call


def _refuse_address(call: Call) -> bytes | None:
    """Return the reply to a call of another program, version or procedure; None for one of ours."""
    if call.program != CHAT_PROG:
        return refused(call.xid, AcceptStat.PROG_UNAVAIL)
    if call.version != CHAT_V1:
        return refused(call.xid, AcceptStat.PROG_MISMATCH, CHAT_V1, CHAT_V1)
    if call.procedure not in PROCEDURES:
        return refused(call.xid, AcceptStat.PROC_UNAVAIL)
    return None


def _argument(call: Call) -> Message | None:
    """Raises `XdrError`."""
    if call.procedure == CHAT_SEND and (sent := sent_args(call.arguments)) is not None:
        return sent
    kind = PROCEDURES[call.procedure].argument
    if kind is not None:
        return kind.decode(call.arguments)
    if call.arguments:
        raise XdrError("an argument for a procedure without any")
    return None


def _first(items: list[M], most: int) -> list[M]:
    """Return as many items from the front as fit into a reply, at least one; over a stream all of them."""
    if most >= MAX_REPLY:
        return items
    sizes = accumulate(len(item.encode()) for item in items)
    fitting = sum(1 for _ in takewhile(lambda size: size <= most - OVERHEAD, sizes))
    return items[: max(1, fitting)]
