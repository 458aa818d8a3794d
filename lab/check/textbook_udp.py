"""A UDP server as in a good tutorial, and its broken twins: each is wrong in one method.

`TextbookUdp` keeps what `docs/datagrams.md` promises. What is left out: cookies and MACs, so anybody can
send in another one's name; the log on disk; limits. Never use a twin to chat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from backends.udp.codec import (
    MTU,
    AwayMessage,
    EndMessage,
    HelloMessage,
    MemberListMessage,
    MembersMessage,
    NameListMessage,
    NamesMessage,
    PageMessage,
    PongMessage,
    WelcomeMessage,
    decode_request,
)
from chat.domain.errors import BadRequest, ChatError, SeatGone
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HistoryMessage,
    LeaveMessage,
    PingMessage,
    encode,
)
from chat.domain.model import Ack, Draft, Event, Missing
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer
from lab.check.textbook_room import TextbookRoom

Place = tuple[Any, ...]
"""Where a datagram came from."""


class TextbookUdp(ChatServer):
    """All as it should be."""

    async def start(self) -> Address:
        self.rooms: dict[str, TextbookRoom] = {}
        self.people: dict[Place, tuple[TextbookRoom, str]] = {}
        self._welcomes: dict[str, WelcomeMessage] = {}  # by nonce
        self._nonces: dict[Place, str] = {}
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Endpoint(self), (self.address.host, self.address.port)
        )
        return Address(*self._transport.get_extra_info("sockname")[:2])

    async def stop(self) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    # --- what a twin changes -------------------------------------------------------------------

    def draft(self, place: Place, room: TextbookRoom, key: str, draft: Draft) -> None:
        """Store a draft, and answer it: with its event, which everybody gets."""
        outcome = room.apply(key, draft)
        if isinstance(outcome, Ack):
            self.send(place, AckMessage.of(outcome))
        else:
            self.publish(room, outcome)

    def names(self, room: TextbookRoom, after: int, before: int) -> Sequence[Missing]:
        """Return which events there are between two seqs."""
        return [Missing(one.seq, one.prev, one.kind) for one in room.page(after, before, 20)]

    # --- the rest ------------------------------------------------------------------------------

    def send(self, place: Place, message: object) -> None:
        self._transport.sendto(encode(message), place)

    def publish(self, room: TextbookRoom, event: Event) -> None:
        for place, (where, _) in list(self.people.items()):
            if where is room:
                self.send(place, event)

    def take(self, data: bytes, place: Place) -> None:
        with suppress(BadRequest):
            request = decode_request(data)
            if isinstance(request, HelloMessage):
                self._enter(place, request)
            elif place in self.people:
                room, key = self.people[place]
                if isinstance(request, Draft):
                    try:
                        self.draft(place, room, key, request)
                    except ChatError as error:
                        self.send(place, ErrorMessage.of(error))
                else:
                    self._answer(place, room, key, request)

    def _answer(self, place: Place, room: TextbookRoom, key: str, request: object) -> None:
        match request:
            case HistoryMessage():
                events = room.page(request.after, request.before, request.limit)
                newest = request.after is None
                fit = _fitting(events[::-1])[::-1] if newest else _fitting(events)
                self.send(place, PageMessage(request.ref, room.head, fit))
            case NamesMessage():
                names = self.names(room, request.after, request.before)
                more = bool(names) and names[-1].seq + 1 < min(request.before, room.head + 1)
                self.send(place, NameListMessage(request.ref, more, list(names)))
            case MembersMessage():
                members = list(room.members.values())[request.skip :]
                self.send(place, MemberListMessage(request.ref, len(members) > 8, members[:8]))
            case PingMessage():
                self.send(place, PongMessage(request.ref, room.head))
            case AwayMessage():
                del self.people[place]
            case LeaveMessage():
                for event in room.leave(key):
                    self.publish(room, event)
                self.send(place, EndMessage.of(SeatGone("you have left"), self._nonces[place]))
                del self.people[place]

    def _enter(self, place: Place, message: HelloMessage) -> None:
        if (known := self._welcomes.get(message.nonce)) is not None:
            self.send(place, known)
            return
        hello = message.hello("")
        room = self.rooms.setdefault(hello.room, TextbookRoom())
        try:
            welcome, key, news = room.enter(hello, "udp")
        except ChatError as error:
            self.send(place, EndMessage.of(error, message.nonce))
            return
        for event in news:
            self.publish(room, event)
        replay = room.replay(hello)
        start = replay[0].prev if replay else room.head
        self._welcomes[message.nonce] = answer = WelcomeMessage.of(welcome, start, message.nonce, "")
        self.people = {old: one for old, one in self.people.items() if one != (room, key)}
        self.people[place] = (room, key)
        self._nonces[place] = message.nonce
        self.send(place, answer)


def _fitting(events: list[Event]) -> list[Event]:
    """Return the first events, as many as fit in a datagram, at least one if there is any."""
    room, fit = MTU - 100, events[:1]
    for event in events:
        room -= len(encode(event)) + 1
        if room < 0:
            break
        if event is not events[0]:
            fit.append(event)
    return fit


class _Endpoint(asyncio.DatagramProtocol):
    def __init__(self, server: TextbookUdp) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: Place) -> None:
        self._server.take(data, addr)


class DoubleApply(TextbookUdp):
    """Stores what comes. A datagram that the network has duplicated is two messages."""

    def draft(self, place: Place, room: TextbookRoom, key: str, draft: Draft) -> None:
        event = room.apply(key, draft, numbered=False)
        assert isinstance(event, Event)
        self.publish(room, event)
        self.send(place, AckMessage(draft.n, event.seq))


class UnnamedLoss(TextbookUdp):
    """Keeps no list of what it has sent: it can't say which events are missing."""

    def names(self, room: TextbookRoom, after: int, before: int) -> Sequence[Missing]:
        return []
