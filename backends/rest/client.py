"""The REST client: every call is an HTTP request that carries its credentials."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TypeVar

import httpx

from backends.rest.codec import (
    EventPage,
    MemberList,
    Receipt,
    RoomList,
    SeatAnswer,
    SeatRequest,
    TextBody,
    encode,
)
from backends.rest.conversion import PROBLEM, read_problem
from backends.rest.headers import JSON
from chat.domain.errors import AccessDenied, BadRequest, ChatError, ConnectionLost, NoSuchRoom, SeatGone
from chat.domain.json_codec import Decoder
from chat.domain.model import Ack, Delete, Edit, Hello, Member, Say, Welcome
from chat.domain.validation import clean_room, has_no_bytes
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.language import N_
from chat.transport.errors import not_our_words
from chat.transport.http_client import ask, base_url, lost, open_http
from chat.transport.polling import POLL
from chat.transport.polling_client import Page, PollingClient

Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")

_seat: Decoder[SeatAnswer] = Decoder(SeatAnswer)
_receipt: Decoder[Receipt] = Decoder(Receipt)
_page: Decoder[EventPage] = Decoder(EventPage)
_members: Decoder[MemberList] = Decoder(MemberList)
_rooms: Decoder[RoomList] = Decoder(RoomList)
_NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|^\s|\s$")
_SEQ = re.compile(r'"[^"]*-([0-9]{1,16})"')


class RestClient(PollingClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        options = options or ClientOptions()
        super().__init__(address, options, interval=POLL.among(options.settings))
        self._base = base_url(self.address, self.options)
        self._http: httpx.AsyncClient | None = None
        self._access: Headers = []
        self._seated: Headers = []
        self._room = ""
        self._seat = ""
        self._tag = b""  # of the last answer to a poll, if that reached the room's head
        self._heard = False

    async def rooms(self) -> list[str]:
        self._require_seat()
        _, content = await self._call(self._request("GET", "/rooms", self._access))
        return self._read(_rooms, content).rooms

    async def _join(self, hello: Hello) -> tuple[Welcome, int]:
        self._room = f"/rooms/{clean_room(hello.room)}"
        self._access = access_header(hello.access)
        self._http = open_http(self.options)
        body = to_json(SeatRequest(hello.nick, hello.cursor, hello.seat_key, hello.replay))
        _, content = await self._request("POST", f"{self._room}/seats", self._access, body)
        seat = self._read(_seat, content)
        self._seat_key = seat.seat_key
        self._seated = [*self._access, (b"Seat-Key", seat.seat_key.encode())]
        self._seat = f"{self._room}/seats/{seat.seat}"
        return seat.welcome(), seat.start

    async def _say(self, draft: Say) -> Ack:
        body = to_json(TextBody(draft.text))
        _, content = await self._request("POST", f"{self._room}/messages", self._numbered(draft.n), body)
        return Ack(draft.n, self._read(_receipt, content).seq)

    async def _edit(self, draft: Edit) -> Ack:
        body, path = to_json(TextBody(draft.text)), f"{self._room}/messages/{draft.id}"
        _, content = await self._request("PUT", path, self._numbered(draft.n), body)
        return Ack(draft.n, self._read(_receipt, content).seq)

    async def _delete(self, draft: Delete) -> Ack:
        path = f"{self._room}/messages/{draft.id}"
        response, _ = await self._request("DELETE", path, self._numbered(draft.n))
        found = _SEQ.fullmatch(response.headers.get("etag", ""))
        if found is None:
            raise ConnectionLost(not_our_words(self.address, "rest", N_("a deletion without ETag")))
        return Ack(draft.n, int(found[1]))

    async def _poll(self, after: int, wait: float) -> Page:
        query = f"after={after}&wait={wait:.0f}" if wait else f"after={after}"
        headers = [*self._seated, (b"If-None-Match", self._tag)] if self._tag else self._seated
        path = f"{self._room}/events?{query}"
        response, content = await self._request("GET", path, headers, wait=wait)
        if response.status_code == 304:
            return Page((), after)
        page = self._read(_page, content)
        # The tag names the newest event. Until that was read the next poll must not be answered with 304.
        reached = (page.events[-1].seq if page.events else after) >= page.head
        self._tag = response.headers.get("etag", "").encode() if reached else b""
        return Page(page.events, page.head)

    async def _fetch(self, after: int | None, before: int | None, limit: int, wait: float = 0.0) -> Page:
        query = f"limit={limit}"
        if after is not None:
            query += f"&after={after}"
        elif before is not None:
            query += f"&before={before}"
        _, content = await self._request("GET", f"{self._room}/events?{query}", self._seated)
        page = self._read(_page, content)
        return Page(page.events, page.head)

    async def _members(self) -> list[Member]:
        _, content = await self._request("GET", f"{self._room}/members", self._access)
        return self._read(_members, content).members

    async def _ping(self) -> None:
        await self._request("HEAD", self._room, self._access)

    async def _leave(self) -> None:
        await self._request("DELETE", self._seat, self._seated)

    async def _disconnect(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    # --- requests ------------------------------------------------------------------------------

    async def _request(
        self, method: str, path: str, headers: Headers, body: bytes | None = None, *, wait: float = 0.0
    ) -> tuple[httpx.Response, bytes]:
        """Return the response and its body. Raises the server's refusal, and `ConnectionLost`."""
        assert self._http is not None
        try:
            sent = [*headers, (b"Content-Type", JSON)] if body is not None else headers
            request = httpx.Request(method, self._base + path, headers=sent, content=body)
            response, content = await ask(self._http, request, wait)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise lost(self.address, "rest", error, heard=self._heard) from None
        if response.status_code not in (200, 201, 204, 304):
            refusal = self._refusal(response, content)
            if self._seated and isinstance(refusal, NoSuchRoom):  # started again, with an empty log
                refusal = SeatGone(N_("the server does not know the room any more: join again"))
            raise refusal
        self._heard = True
        return response, content

    def _refusal(self, response: httpx.Response, content: bytes) -> ChatError:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if kind == PROBLEM.decode():
            if response.status_code == 404 and not content:  # of HEAD
                return NoSuchRoom(self._room)
            with suppress(BadRequest):
                return read_problem(content)
        return ConnectionLost(not_our_words(self.address, "rest", f"HTTP {response.status_code}"))

    def _read(self, decoder: Decoder[T], body: bytes) -> T:
        try:
            return decoder.decode(body)
        except BadRequest as error:
            raise ConnectionLost(not_our_words(self.address, "rest", error)) from None

    def _numbered(self, n: int) -> Headers:
        return [*self._seated, (b"Idempotency-Key", b"%d" % n)]


def access_header(access: str) -> Headers:
    """Return the header with the access token. Raises `AccessDenied` for a token that fits in no header."""
    if not access:
        return []
    if _NOT_IN_HEADERS.search(access):
        raise AccessDenied(
            "an access token with control characters, or spaces around it, can't be sent in a header"
        )
    return [(b"Authorization", b"Bearer " + access.encode())]


def to_json(body: object) -> bytes:
    """Raises `BadText` for half a surrogate pair."""
    try:
        return encode(body)
    except UnicodeEncodeError as error:
        raise has_no_bytes(error) from None
