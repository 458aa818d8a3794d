"""The client of a technique whose server can't push: it polls, and every draft has its own reply.

`PollingClient` holds what such clients share: the poll loop, the order of drafts, paging, closing. A
technique implements its calls.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import NamedTuple, TypeVar

from chat.domain.errors import BadRequest, ChatError, ConnectionLost, SeatGone, SeatTaken
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Hello, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.language import N_
from chat.transport.errors import beyond_the_log
from chat.transport.polling import LONG, WAIT, read_interval

GOODBYE = 1.0
"""Seconds that a server has to answer the call that ends the seat."""
IDLE = 0.25
"""The least seconds between two empty long polls: some servers answer at once."""

T = TypeVar("T")


class Page(NamedTuple):
    """The events of one answer, ascending."""

    events: Sequence[Event]
    head: int
    """The seq of the room's newest event, in this answer or not."""


Ask = Callable[[float], Awaitable[Page]]
"""Asks once for the events after those it has returned; the server may wait so many seconds for the first."""


class Polls:
    """The polls of one client: when the next one is due, and how many brought nothing."""

    def __init__(self, interval: str = LONG) -> None:
        self._interval = read_interval(interval)
        self.asked = 0
        self.empty = 0

    async def news(self, ask: Ask, over: asyncio.Future[None]) -> AsyncIterator[Sequence[Event]]:
        """Yield the events of each poll until ``over`` is done.

        The next poll follows at once after a long poll that brought events, and after a page that does not
        reach the room's head.
        """
        wait = WAIT if self._interval is None else 0.0
        while not over.done():
            begun = perf_counter()
            page = await ask(wait)
            self.asked += 1
            if page.events:
                yield page.events
            else:
                self.empty += 1
            if page.events and (self._interval is None or page.events[-1].seq < page.head):
                continue
            rest = IDLE if self._interval is None else self._interval
            if (remaining := begun + rest - perf_counter()) > 0:
                await asyncio.wait([over], timeout=remaining)


class DraftOrder:
    """Sends one draft after the other, in the order of the calls.

    When a draft is refused only temporarily, the drafts that wait behind it by then are refused with it:
    they would overtake it.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._refusals = 0
        self._refusal: ChatError = ConnectionLost("")

    @asynccontextmanager
    async def turn(self, n: int) -> AsyncIterator[None]:
        """Wait until every draft before this one is answered. Raises the refusal of one before it."""
        before = self._refusals
        async with self._lock:
            if self._refusals != before:
                refusal = self._refusal
                raise type(refusal)(str(refusal), n=n, retry_after=refusal.retry_after)
            try:
                yield
            except ChatError as error:
                if not error.final:
                    self._refusals += 1
                    self._refusal = error
                raise


class PollingClient(ChatClient):
    """Every call names its seat, so no connection is tied to one; the client polls for events.

    Drafts go one after the other, each when the one before it is answered, unless the technique keeps the
    order of calls itself (``in_order``): calls over several connections may overtake each other. After a
    `ConnectionLost` nothing more is sent, because a draft that is sent again must not come after later ones.

    A technique sets `_seat_key` in `_join`, and implements the abstract methods. They may raise any
    `ChatError`; `ConnectionLost`, `SeatGone` and `SeatTaken` end this client.
    """

    def __init__(
        self,
        address: Address,
        options: ClientOptions | None = None,
        *,
        interval: str = LONG,
        in_order: bool = False,
    ) -> None:
        super().__init__(address, options)
        self._polls = Polls(interval)
        self._order = None if in_order else DraftOrder()
        self._seat_key = ""
        self._start = 0
        self._page_limit = 1
        self._reason: ChatError | None = None  # why no more calls are made
        self._closing = False
        self._tells_seen = True
        self._over: asyncio.Future[None] | None = None
        self._under_way: set[asyncio.Timeout] = set()  # one for each call

    async def connect(self, hello: Hello) -> Welcome:
        self._over = asyncio.get_running_loop().create_future()
        welcome, self._start = await self._call(self._join(hello))
        self._page_limit = max(1, welcome.limits.page)
        return welcome

    async def send(self, draft: Draft) -> Ack:
        self._require_seat()
        if not draft.n:
            raise BadRequest(
                "a draft needs a number, counted from 1: the server recognises a repeated draft by it"
            )
        try:
            if self._order is None:
                return await self._call(self._submit(draft))
            async with self._order.turn(draft.n):
                self._require_seat()
                return await self._call(self._submit(draft))
        except ConnectionLost:
            raise
        except ChatError as error:
            error.n = error.n or draft.n
            raise

    async def events(self) -> AsyncIterator[Sequence[Event]]:
        self._require_seat()
        assert self._over is not None
        after = self._start

        async def ask(wait: float) -> Page:
            nonlocal after
            page = await self._call(self._poll(after, wait))
            if page.head < after:
                raise ConnectionLost(beyond_the_log(after, page.head))
            if page.events:
                after = page.events[-1].seq
            return page

        try:
            async for events in self._polls.news(ask, self._over):
                yield events
            self._require_seat()
        except ChatError:
            if not self._closing:
                raise

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Ask until the page is full: one answer may hold fewer events than were asked for."""
        found: list[Event] = []
        wanted = max(1, min(limit, self._page_limit))
        while len(found) < wanted:
            self._require_seat()
            missing = wanted - len(found)
            if after is not None:
                place = found[-1].seq if found else after
                events, head = await self._call(self._fetch(place, None, missing))
                found.extend(events)
                ended = not events or events[-1].seq >= head
            else:
                events, _ = await self._call(self._fetch(None, found[0].seq if found else before, missing))
                found[:0] = events
                ended = not events or events[0].prev == 0
            if ended:
                break
        return found

    async def members(self) -> list[Member]:
        self._require_seat()
        if self._tells_seen:
            try:
                return await self._call(self._seen())
            except BadRequest:  # an older server, which has no such operation
                self._tells_seen = False
        return await self._call(self._members())

    async def ping(self) -> float:
        self._require_seat()
        start = perf_counter()  # the clock of uvloop is updated once in a turn of the loop only
        await self._call(self._ping())
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._closing:
            return
        self._closing = True
        leave = leave and bool(self._seat_key) and not self._reason
        self._end(ConnectionLost("the connection is closed"))
        try:
            if leave:
                with suppress(ChatError, TimeoutError):
                    async with asyncio.timeout(GOODBYE):
                        await self._leave()
        finally:
            await self._disconnect()

    def activity(self) -> str:
        counts = self.counts()
        return N_(f"polls {counts['polls']}, empty {counts['empty']}")

    def counted(self) -> Mapping[str, int]:
        return {"polls": self._polls.asked, "empty": self._polls.empty}

    def _require_seat(self) -> None:
        """Raise why this client has ended, or `ConnectionLost` if it has no seat yet."""
        if self._reason is not None:
            raise type(self._reason)(str(self._reason))
        if not self._seat_key:
            raise ConnectionLost("not connected")

    async def _call(self, call: Awaitable[T]) -> T:
        """Await a call; abandon it when this client ends. A lost connection or seat ends it."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._under_way.add(scope)
                try:
                    return await call
                finally:
                    self._under_way.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise
            assert self._reason is not None
            raise type(self._reason)(str(self._reason)) from None
        except (ConnectionLost, SeatGone, SeatTaken) as error:
            self._end(error)
            raise

    def _end(self, reason: ChatError) -> None:
        """Send nothing more, for this reason; abandon the calls under way."""
        if self._reason is not None:
            return
        self._reason = reason
        if self._over is not None:
            self._over.set_result(None)
            for scope in self._under_way:
                scope.reschedule(0)  # in the past: at once

    async def _submit(self, draft: Draft) -> Ack:
        match draft:
            case Say():
                return await self._say(draft)
            case Edit():
                return await self._edit(draft)
            case Delete():
                return await self._delete(draft)

    async def _poll(self, after: int, wait: float) -> Page:
        """Return the events after a seq. The server may wait so many seconds for the first."""
        return await self._fetch(after, None, self._page_limit, wait)

    # --- what a technique implements -----------------------------------------------------------

    @abstractmethod
    async def _join(self, hello: Hello) -> tuple[Welcome, int]:
        """Connect, take the seat, set `_seat_key`; return the welcome, and the seq after which to read."""

    @abstractmethod
    async def _say(self, draft: Say) -> Ack: ...

    @abstractmethod
    async def _edit(self, draft: Edit) -> Ack: ...

    @abstractmethod
    async def _delete(self, draft: Delete) -> Ack: ...

    @abstractmethod
    async def _fetch(self, after: int | None, before: int | None, limit: int, wait: float = 0.0) -> Page:
        """Return the first events after a seq, or the last before one, or the newest; at most ``limit``."""

    @abstractmethod
    async def _members(self) -> list[Member]:
        """Return the members; how far each has read is told if that does not break older clients."""

    async def _seen(self) -> list[Member]:
        """Return the members, and how far each has read. Raises `BadRequest` if the server can't tell."""
        return await self._members()

    @abstractmethod
    async def _ping(self) -> None:
        """Make the cheapest call there is."""

    @abstractmethod
    async def _leave(self) -> None:
        """End the seat. Called at most once, before `_disconnect`."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Release the connections; there may be none."""
