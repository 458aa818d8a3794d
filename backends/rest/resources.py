"""The methods of all resources, as calls to the hub."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response

from backends.rest.answers import Later, answer, failure
from backends.rest.codec import (
    EventPage,
    MemberList,
    Message,
    Receipt,
    RoomList,
    RoomState,
    SeatAnswer,
    decode_seat_request,
    decode_text,
    encode,
)
from backends.rest.conversion import Refused
from backends.rest.headers import (
    access_token,
    draft_number,
    etag,
    is_json,
    part_tag,
    read_headers,
    read_query,
    tagged,
    wants_json,
    whole_number,
)
from chat.domain.errors import BadRequest, ChatError, NoSuchMessage, NotYours, SeatGone
from chat.domain.json_codec import Decoder
from chat.domain.model import MAX_NUMBER, Ack, Delete, Draft, Edit, Event, Hello, Say
from chat.domain.validation import seat_name
from chat.interfaces.server import HubPort, Reader, Seat
from chat.transport.asgi import Scope
from chat.transport.http_server import News, WebServer, Whole, read_body
from chat.transport.polling import WAIT
from chat.transport.preconditions import failed_precondition, names

NAME = "rest"
PAGES = 16
"""Pages of events that are kept, as their answers: many clients poll for the same one at the same time."""
PAGE_BYTES = 256 * 1024
"""Bytes of a page, roughly: a page of long events has fewer than were asked for, but at least one."""
QUERY = {b"after": MAX_NUMBER, b"before": MAX_NUMBER, b"limit": MAX_NUMBER, b"wait": int(WAIT)}
"""The parameters of a request for events, and the largest value of each."""

T = TypeVar("T")
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Call:
    """One request: its headers, access token and room. Raises a `ChatError` for a malformed header."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.headers = read_headers(request.scope["headers"])
        self.access = access_token(self.headers)
        host, port = request.scope["client"] or ("", "")
        self.peer, self.connection = str(host), f"{host} {port}".strip()
        self.seat_key = self.headers.get(b"seat-key", b"").decode(errors="replace")
        self.room = str(request.path_params.get("room", ""))
        accept = self.headers.get(b"accept")
        if accept is not None and not wants_json(accept):
            raise Refused(406, BadRequest("only application/json is available: Accept must allow it"))

    def unmodified(self, tag: bytes | None) -> Response | None:
        """Return the answer 304 if the client of a GET has this state already.

        Args:
            tag: names the state; None: it has no entity tag.

        Raises:
            Refused: 412, it is not the state that ``If-Match`` names.
        """
        return unmodified(self.headers, tag)

    def may_change(self, tag: bytes | None, *, exists: bool = True, n: int = 0) -> None:
        """Check the preconditions of a method that changes something.

        Args:
            tag: names the state; None: it has no entity tag.
            exists: the target has a state; a collection that only takes posts has none.
            n: the number of the draft.

        Raises:
            Refused: 412.
        """
        if failed_precondition(self.headers, tag, reads=False, exists=exists):
            text = "it has changed in the meantime, or its state is one that If-None-Match names: get it anew"
            raise Refused(412, BadRequest(text, n=n), tagged(tag))

    async def body(self, decoder: Decoder[T], limit: int) -> T:
        """Return the decoded body. Raises a `ChatError`, and `ClientDisconnected`."""
        if not is_json(self.headers.get(b"content-type", b"")):
            raise Refused(415, BadRequest("the body must be JSON in UTF-8: Content-Type: application/json"))
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(
                415,
                BadRequest("the body must not be compressed"),
                [(b"accept-encoding", b"identity")],
            )
        size = self.headers.get(b"content-length", b"0")
        body = None if int(size) > limit else await read_body(self.request.receive, limit)
        if body is None:
            raise Refused(413, BadRequest(f"the body may have {limit} bytes: send less"))
        return decoder.decode(body)


def unmodified(headers: dict[bytes, bytes], tag: bytes | None) -> Response | None:
    """See `Call.unmodified`."""
    status = failed_precondition(headers, tag, reads=True)
    if status == 412:
        raise Refused(412, BadRequest("it is not in the state that If-Match names"), tagged(tag))
    return answer(304, headers=tagged(tag)) if status else None


class Page:
    """A page of events: its answer, made once for all clients that ask for the same page."""

    def __init__(self, tag: bytes, page: bytes) -> None:
        self.tag = tag
        self.answer = answer(200, page, [(b"etag", tag)])


class Resources:
    """The methods of all resources. Each takes a request and returns the response."""

    def __init__(self, hub: HubPort, web: WebServer) -> None:
        self._hub = hub
        self._web = web
        self._pages: OrderedDict[tuple[str, str, int, int, bool, bool, int], Page] = OrderedDict()
        self._changing: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    # --- rooms ---------------------------------------------------------------------------------

    async def list_rooms(self, request: Request) -> Response:
        call = Call(request)
        rooms = self._hub.rooms(call.access, call.peer)
        return call.unmodified(None) or answer(200, encode(RoomList(rooms)))

    async def get_room(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        tag, state = etag(room.epoch, room.head), RoomState(call.room, room.epoch, room.head)
        return call.unmodified(tag) or answer(200, encode(state), [(b"etag", tag)])

    async def list_members(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        there = encode(MemberList(await room.members(), room.behind()))
        return call.unmodified(None) or answer(200, there)

    # --- seats ---------------------------------------------------------------------------------

    async def take_seat(self, request: Request) -> Response:
        call = Call(request)
        self._hub.admit(call.access, call.peer)
        call.may_change(None, exists=False)
        asked = await call.body(decode_seat_request, self._hub.limits.frame_bytes)
        hello = Hello(call.room, asked.nick, asked.cursor, call.access, asked.seat_key, asked.replay)
        seat = await self._hub.take_seat(hello, NAME, call.peer, call.connection)
        welcome = seat.welcome
        status = 200 if welcome.seat_key == asked.seat_key else 201
        place = f"/rooms/{welcome.room}/seats/{welcome.seat}"
        return answer(status, encode(SeatAnswer.of(welcome, seat.start)), [(b"location", place.encode())])

    async def leave_room(self, request: Request) -> Response:
        call = Call(request)
        await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        key = call.seat_key
        if seat_name(key) != request.path_params["seat"]:
            raise NotYours("the Seat-Key is not the key of this seat: only its owner may end it")
        try:
            seat = self._hub.find_seat(key, call.room)
        except SeatGone as gone:
            raise Refused(410, gone) from None
        call.may_change(None)
        seat.leave()
        return answer(204)

    # --- events --------------------------------------------------------------------------------

    async def list_events(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        asked = read_query(request.scope["query_string"], QUERY)
        after, before = asked.get(b"after"), asked.get(b"before")
        limit = asked.get(b"limit", self._hub.limits.page)
        known = call.headers.get(b"if-none-match")
        # With the key of a seat it is a poll of its owner, and keeps the seat; without one it only reads.
        source: Seat | Reader = self._seat(call) if b"seat-key" in call.headers else room
        wait, begin = asked.get(b"wait", 0), room.head
        same = known is not None and names(known, etag(room.epoch, begin), weak=True)
        if wait and after is None and before is None and (known is None or same):
            after = begin  # wait for what comes next; at once, if it has come since the tag that is known
        forward = after is not None and before is None
        if wait and after is not None and forward and (same or after >= begin):
            await read_body(request.receive, self._hub.limits.frame_bytes)
            conditions = call.headers if b"if-match" in call.headers or known is not None else {}
            answer_with = partial(self._answer_news, request.scope, call.room, room, conditions)
            form = "" if conditions else "json"
            return Later(self._web, News(source, max(after, begin), after, limit, wait, form), answer_with)
        head = room.head  # the page ends here, whatever is said while it is read
        newest = after is None and before is None  # a page that reaches the head
        if newest and known and (unmodified := call.unmodified(etag(room.epoch, head))):
            return unmodified
        if after is None or not forward:
            events = await source.history(after=after, before=before, limit=limit)
        else:
            events = await source.read(after, limit, 0)
            head = room.head
        page = self._page(call.room, room.epoch, events, head, forward=after is not None, last=before is None)
        return call.unmodified(page.tag) or page.answer

    def _answer_news(
        self,
        scope: Scope,
        name: str,
        room: Reader,
        conditions: dict[bytes, bytes],
        told: list[Event] | Exception,
    ) -> Whole:
        """Return the answer to a poll of this room; ``conditions``: its headers, if any is a condition."""
        try:
            if isinstance(told, Exception):
                raise told
            page = self._page(name, room.epoch, told, room.head, forward=True, last=True)
            response = (conditions and unmodified(conditions, page.tag)) or page.answer
        except Exception as error:
            response = failure(error, scope)
        return response.status_code, response.raw_headers, bytes(response.body)

    def _page(
        self, name: str, epoch: str, events: list[Event], head: int, *, forward: bool, last: bool
    ) -> Page:
        """Return the page with these events of a room; the other arguments are those of `page_of`."""
        if not events:
            found = Page(etag(epoch, head), encode(EventPage([], head)))
        else:
            key = (name, epoch, events[0].seq, events[-1].seq, forward, last, head)
            if (kept := self._pages.get(key)) is None:
                kept = self._pages[key] = page_of(events, epoch, head, forward=forward, last=last)
                if len(self._pages) > PAGES:
                    self._pages.popitem(last=False)
            found = kept
        return found

    # --- messages ------------------------------------------------------------------------------

    async def send_message(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        seat = self._seat(call)
        n = draft_number(call.headers)
        call.may_change(None, exists=False, n=n)
        body = await call.body(decode_text, self._hub.limits.frame_bytes)
        told = await decided(seat, Say(body.text, n))
        headers = [
            (b"location", b"/rooms/%b/messages/%d" % (call.room.encode(), told.seq)),
            (b"etag", etag(room.epoch, told.seq)),
        ]
        return answer(201, encode(Receipt(told.n, told.seq, told.seq)), headers)

    async def get_message(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        sent, last = await self._find(room, message_id(request))
        tag = etag(room.epoch, last.seq)
        if unmodified := call.unmodified(tag):
            return unmodified
        edited_at = last.at if last is not sent else 0
        message = Message(
            sent.id, sent.author, sent.seat, sent.technique, sent.at, last.text, last.seq, edited_at
        )
        return answer(200, encode(message), [(b"etag", tag)])

    async def edit_message(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        seat = self._seat(call)
        n, id = draft_number(call.headers), message_id(request)
        body = await call.body(decode_text, self._hub.limits.frame_bytes)
        told = await self._change(call, room, seat, Edit(id, body.text, n))
        return answer(200, encode(Receipt(told.n, told.seq, id)), [(b"etag", etag(room.epoch, told.seq))])

    async def delete_message(self, request: Request) -> Response:
        call = Call(request)
        room = await self._hub.look(call.room, call.access, call.peer, call.seat_key)
        seat = self._seat(call)
        n, id = draft_number(call.headers), message_id(request)
        told = await self._change(call, room, seat, Delete(id, n))
        return answer(204, headers=[(b"etag", etag(room.epoch, told.seq))])

    async def _change(self, call: Call, room: Reader, seat: Seat, draft: Edit | Delete) -> Event | Ack:
        """Change a message, if the request's preconditions allow it.

        Changes of one message go one after the other, so that none comes between the look and the
        decision. A draft that was accepted before is not looked at again: its answer may have been lost.
        """
        key = (call.room, draft.id)
        if (lock := self._changing.get(key)) is None:
            lock = self._changing[key] = asyncio.Lock()
        async with lock:
            version = room.version(draft.id)
            if version and not (draft.n and seat.accepted(draft.n)):
                await self._check_version(call, room, seat, draft, version)
            try:
                return await decided(seat, draft)
            except NoSuchMessage as none:
                await self._find(room, draft.id, n=none.n)  # it knows better where it is deleted
                gone = NoSuchMessage(f"message {draft.id} is too old to be changed", n=none.n)
                raise Refused(409, gone) from None

    async def _check_version(
        self, call: Call, room: Reader, seat: Seat, draft: Edit | Delete, version: int
    ) -> None:
        """Check the preconditions. Raises `Refused`.

        The message of somebody else is passed over: what would be refused anyway is refused with its own
        reason (RFC 9110, 13.2.1).
        """
        try:
            call.may_change(etag(room.epoch, version), n=draft.n)
        except Refused:
            found = await room.message(draft.id)
            if found is None or found[0].seat == seat.welcome.seat:
                raise

    async def _find(self, room: Reader, id: int, n: int = 0) -> tuple[Event, Event]:
        found = await room.message(id)
        if found is None:
            raise NoSuchMessage(f"there is no message {id}: it was never sent", n=n)
        if found[1].kind == "deleted":
            raise Refused(410, NoSuchMessage(f"message {id} was deleted", n=n))
        return found

    def _seat(self, call: Call) -> Seat:
        key = call.headers.get(b"seat-key")
        if key is None:
            raise SeatGone(f"this request needs a Seat-Key: take a seat with POST /rooms/{call.room}/seats")
        return self._hub.find_seat(key.decode(errors="replace"), call.room)


def page_of(events: list[Event], epoch: str, head: int, *, forward: bool, last: bool) -> Page:
    """Return a page with what of these events fits it.

    Args:
        events: ascending, at least one.
        epoch: of the room.
        head: of the room.
        forward: events that do not fit are left out at the end; otherwise at the beginning.
        last: no later events were left out on demand: the page reaches the head if it ends with the newest.
    """
    page = encode(EventPage(events, head))
    while len(page) > PAGE_BYTES and len(events) > 1:
        half = len(events) // 2
        events = events[:half] if forward else events[-half:]
        page = encode(EventPage(events, head))
    if last and events[-1].seq >= head:
        return Page(etag(epoch, head), page)
    return Page(part_tag(epoch, head, events[0].seq, events[-1].seq), page)


def message_id(request: Request) -> int:
    """Return the message that the path names. Raises `NoSuchMessage`."""
    text = str(request.path_params["id"])
    if (id := whole_number(text.encode(errors="replace"))) is None:
        raise NoSuchMessage(f"there is no message {text[:32]!r}: a message is named by a number")
    return id


async def decided(seat: Seat, draft: Draft) -> Event | Ack:
    """Hand a draft over and wait for the room's decision. Raises the refusal."""
    outcome: asyncio.Future[Event | Ack | ChatError] = asyncio.get_running_loop().create_future()

    def reply(_: Draft, told: Event | Ack | ChatError) -> None:
        if not outcome.done():
            outcome.set_result(told)

    seat.send(draft, reply)
    told = await outcome
    if isinstance(told, ChatError):
        raise told
    return told
