"""The REST client: polls for news, and says one thing after the other over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from time import perf_counter
from typing import TypeVar

import httpx

from backends.rest.codec import (
    JSON,
    PROBLEM,
    EventPage,
    MemberList,
    Receipt,
    SeatAnswer,
    SeatRequest,
    TextBody,
    encode,
    read_problem,
)
from chat.domain.errors import AccessDenied, BadRequest, ChatError, ConnectionLost
from chat.domain.json_codec import Decoder
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Hello, Member, Say, Welcome
from chat.domain.validation import clean_room, has_no_bytes
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.errors import not_our_words
from chat.transport.http_client import Turns, ask, base_url, lost, open_http
from chat.transport.polling import POLL, Polls

GOODBYE = 1.0
"""Seconds that a server has to take note of a leave."""

Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")

_seat: Decoder[SeatAnswer] = Decoder(SeatAnswer)
_receipt: Decoder[Receipt] = Decoder(Receipt)
_page: Decoder[EventPage] = Decoder(EventPage)
_members: Decoder[MemberList] = Decoder(MemberList)
_NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|^\s|\s$")
_SEQ = re.compile(r'"[^"]*-([0-9]{1,16})"')


class RestClient(ChatClient):
    """Every request carries its credentials: there is no connection that would know them.

    Drafts go one after the other, each when the one before it is answered: over several connections nobody
    knows which comes first. After one whose answer is lost nothing more is sent, because what is sent again
    must not come behind it; after one that is refused for the moment, none of those that wait.
    """

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._base = base_url(self.address, self.options)
        self._polls = Polls(POLL.among(self.options.settings))
        self._http: httpx.AsyncClient | None = None
        self._access: Headers = []
        self._seated: Headers = []
        self._room = ""
        self._seat = ""
        self._start = 0
        self._page = 1
        self._heard = False
        self._closing = False
        self._turns = Turns()
        self._reason = ""
        self._over: asyncio.Future[None] | None = None

    async def connect(self, hello: Hello) -> Welcome:
        self._room = f"/rooms/{clean_room(hello.room)}"
        self._access = access_header(hello.access)
        self._http = open_http(self.options)
        self._over = asyncio.get_running_loop().create_future()
        asked = to_json(SeatRequest(hello.nick, hello.cursor, hello.seat_key))
        _, body = await self._ask("POST", f"{self._room}/seats", self._access, asked)
        seat = self._read(_seat, body)
        self._seated = [*self._access, (b"Seat-Key", seat.seat_key.encode())]
        self._seat = f"{self._room}/seats/{seat.seat}"
        self._start, self._page = seat.start, seat.limits.page
        return seat.welcome()

    async def send(self, draft: Draft) -> Ack:
        self._joined()
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: sent again, it is known by it")
        headers = [*self._seated, (b"Idempotency-Key", b"%d" % draft.n)]
        async with self._turns.turn(draft.n):
            self._joined()
            try:
                match draft:
                    case Say():
                        path, text = f"{self._room}/messages", to_json(TextBody(draft.text))
                        _, body = await self._ask("POST", path, headers, text)
                    case Edit():
                        path, text = f"{self._room}/messages/{draft.id}", to_json(TextBody(draft.text))
                        _, body = await self._ask("PUT", path, headers, text)
                    case Delete():
                        response, _ = await self._ask("DELETE", f"{self._room}/messages/{draft.id}", headers)
                        return Ack(draft.n, self._seq(response))
                return Ack(draft.n, self._read(_receipt, body).seq)
            except ConnectionLost as error:
                self._end(str(error))
                raise
            except ChatError as error:
                error.n = error.n or draft.n
                raise

    async def events(self) -> AsyncIterator[list[Event]]:
        self._joined()
        after, tag = self._start, b""

        async def poll(wait: float) -> list[Event]:
            nonlocal after, tag
            query = f"?after={after}&wait={wait:.0f}" if wait else f"?after={after}"
            headers = [*self._seated, (b"If-None-Match", tag)] if tag else self._seated
            response, body = await self._ask("GET", f"{self._room}/events{query}", headers, wait=wait)
            if response.status_code == 304:
                return []
            page = self._read(_page, body)
            if page.events:
                after = page.events[-1].seq
            # The tag names the newest event: until that was read there is news, whatever happens.
            self._polls.behind = after < page.head
            tag = b"" if self._polls.behind else response.headers.get("etag", "").encode()
            return page.events

        try:
            async for events in self._polls.news(poll, self._page, self._over):
                yield events
            self._joined()
        except ChatError:
            if not self._closing:
                raise

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Ask until the page is full: one of long texts comes in pieces."""
        found: list[Event] = []
        wanted = max(1, min(limit, self._page))
        while len(found) < wanted:
            self._joined()
            query = f"limit={wanted - len(found)}"
            if after is not None:
                query += f"&after={found[-1].seq if found else after}"
            elif before is not None or found:
                query += f"&before={found[0].seq if found else before}"
            path = f"{self._room}/events?{query}"
            _, body = await self._ask("GET", path, self._seated)
            page = self._read(_page, body)
            events = page.events
            found = found + events if after is not None else events + found
            if not events or (events[-1].seq >= page.head if after is not None else events[0].prev == 0):
                break
        return found

    async def members(self) -> list[Member]:
        self._joined()
        _, body = await self._ask("GET", f"{self._room}/members", self._access)
        return self._read(_members, body).members

    async def ping(self) -> float:
        self._joined()
        start = perf_counter()  # uvloop's own clock stands still within a turn
        await self._ask("HEAD", self._room, self._access)
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        http, self._http = self._http, None
        self._closing = True
        leaves = leave and self._seat and not self._reason
        self._end("the connection is closed")
        if http is None:
            return
        if leaves:
            request = httpx.Request("DELETE", self._base + self._seat, headers=self._seated)
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await ask(http, request)
        await http.aclose()

    def activity(self) -> str:
        return str(self._polls)

    # --- asking --------------------------------------------------------------------------------

    async def _ask(
        self, method: str, path: str, headers: Headers, body: bytes | None = None, *, wait: float = 0.0
    ) -> tuple[httpx.Response, bytes]:
        """Ask, and return the answer. Raises what it refuses with, and `ConnectionLost`."""
        assert self._http is not None
        assert self._over is not None
        try:
            made = [*headers, (b"Content-Type", JSON)] if body is not None else headers
            request = httpx.Request(method, self._base + path, headers=made, content=body)
            asking = asyncio.ensure_future(ask(self._http, request, wait))
            try:
                await asyncio.wait((asking, self._over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not asking.done():
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
            if asking.cancelled():
                raise ConnectionLost(self._reason or "the connection is closed")
            response, content = asking.result()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise lost(self.address, "rest", error, heard=self._heard) from None
        if response.status_code not in (200, 201, 204, 304):
            raise self._refusal(response, content)
        self._heard = True
        return response, content

    def _refusal(self, response: httpx.Response, content: bytes) -> ChatError:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if kind == PROBLEM.decode():
            with suppress(BadRequest):
                return read_problem(content)
        return ConnectionLost(not_our_words(self.address, "rest", f"HTTP {response.status_code}"))

    def _read(self, decoder: Decoder[T], body: bytes) -> T:
        try:
            return decoder.decode(body)
        except BadRequest as error:
            raise ConnectionLost(not_our_words(self.address, "rest", error)) from None

    def _seq(self, response: httpx.Response) -> int:
        found = _SEQ.fullmatch(response.headers.get("etag", ""))
        if found is None:
            raise ConnectionLost(not_our_words(self.address, "rest", "a deletion without ETag"))
        return int(found[1])

    def _joined(self) -> None:
        if self._reason:
            raise ConnectionLost(self._reason)
        if self._http is None or not self._seat:
            raise ConnectionLost("not connected")

    def _end(self, reason: str) -> None:
        """Ask nothing more: the reason is why."""
        if not self._reason:
            self._reason = reason
            if self._over is not None:
                self._over.set_result(None)


def access_header(access: str) -> Headers:
    """Return the header that carries the access token. Raises `AccessDenied` if none can."""
    if not access:
        return []
    if _NOT_IN_HEADERS.search(access):
        raise AccessDenied("an access token with control characters, or spaces around it, fits in no header")
    return [(b"Authorization", b"Bearer " + access.encode())]


def to_json(body: object) -> bytes:
    """Raises `BadText` for half a surrogate pair."""
    try:
        return encode(body)
    except UnicodeEncodeError as error:
        raise has_no_bytes(error) from None
