"""One address with its seat: what it is sent, and what it asks."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from backends.udp.codec import (
    AwayMessage,
    EndMessage,
    HelloMessage,
    MembersMessage,
    NamesMessage,
    PongMessage,
    Request,
    WelcomeMessage,
    encode_members,
    encode_names,
    encode_page,
    pack,
)
from backends.udp.seal import DOWN, UP, Opener, Sealer, derive
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.json_codec import AckMessage, ErrorMessage, HistoryMessage, LeaveMessage, PingMessage, encode
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.server import Seat, Sink

if TYPE_CHECKING:
    from backends.udp.server import Door

SILENCE = 6
"""Seconds without a datagram after which a peer is taken for gone; its seat stays for the grace time. Clients
ping every second."""
MAX_UNDECIDED = 1000
"""Drafts of one peer that may wait for the log; more are dropped, and are unconfirmed at their author."""
MAX_READING = 4
"""Questions of one peer that read the log at once; more are dropped, and come again."""
QUESTIONS = 500
"""Questions of one peer that are answered in a second, and complaints about what is none."""
PAGE_EVENTS = 12
"""Events that are read for a page: the shortest take a hundred bytes each."""
PAGE_NAMES = 40
"""Events that are read for a page of names."""

Peername: TypeAlias = tuple[Any, ...]
"""Whatever the socket calls an address."""
Datagrams: TypeAlias = tuple[bytes, ...]
"""What the hub's events become: the JSON of one datagram each."""

log = logging.getLogger(__name__)


class Peer(Sink[Datagrams]):
    """One address with its seat."""

    coalescing = (
        0.03  # fewer datagrams are cheaper for everybody: the kernel takes as long for a short as for a long
    )

    encode = staticmethod(pack)

    def __init__(self, door: Door, address: Peername, hello: HelloMessage, seat: Seat, root: bytes) -> None:
        self.address = address
        self.hello = hello
        self.opener: Opener | None = None
        self._door = door
        self._seat = seat
        self._start = seat.start
        self._sealer: Sealer | None = None
        self._salt = ""
        if root:
            self._salt = secrets.token_hex(8)
            self.opener = Opener(derive(root, UP, hello.nonce, self._salt))
            self._sealer = Sealer(derive(root, DOWN, hello.nonce, self._salt))
        self.heard = False
        """Whether it has said anything since its hello: if not, the welcome may be lost."""
        self._silent = 0  # ticks since it was heard
        self._questions = 0  # in this tick
        self._reading = 0
        self._undecided = 0
        self._gone = False

    def greet(self) -> None:
        """Send the welcome, or send it again."""
        if not self._may_ask():
            return
        welcome = WelcomeMessage.of(self._seat.welcome, self._start, self.hello.nonce, self._salt)
        self._send(welcome)

    def tick(self) -> None:
        """A second has passed."""
        self._questions = 0
        self._silent += 1
        if self._silent > SILENCE:
            self.hang_up()

    def hang_up(self) -> None:
        """The connection has ended; the seat has its grace time."""
        self._gone = True
        self._door.forget(self)
        self._seat.detach(self)

    # --- what the hub writes -------------------------------------------------------------------

    def write(self, blob: Datagrams) -> None:
        send, address, sealer = self._door.send, self.address, self._sealer
        for datagram in blob:
            send(datagram if sealer is None else sealer.seal(datagram), address)

    def buffered(self) -> int:
        """Nothing: what the kernel does not take is lost, and who is slow loses."""
        return 0

    def close(self, reason: ChatError) -> None:
        if not self._gone:
            self._send(EndMessage.of(reason, self.hello.nonce))
            self.hang_up()

    # --- what the peer says --------------------------------------------------------------------

    def complain(self, error: BadRequest) -> None:
        """Answer what was not understood."""
        if self._may_ask():
            self._send(ErrorMessage.of(error))

    def take(self, request: Request) -> None:
        self.heard = True
        self._silent = 0
        match request:
            case PingMessage():
                self._send(PongMessage(request.ref, self._seat.head))
            case HistoryMessage() | NamesMessage():
                if self._reading < MAX_READING and self._may_ask():
                    self._reading += 1
                    work = self._history if isinstance(request, HistoryMessage) else self._names
                    self._door.keep(self._read(work, request), self._read_done)
            case MembersMessage():
                if self._may_ask():
                    members = self._seat.members()[request.skip :]
                    self._put(encode_members(request.ref, members))
            case LeaveMessage():
                self._seat.leave()
            case AwayMessage():
                self.hang_up()
            case HelloMessage():
                pass  # the door's
            case _:
                self._draft(request)

    def _may_ask(self) -> bool:
        self._questions += 1
        if self._questions > QUESTIONS:
            self._door.counts["too many questions"] += 1
            return False
        return True

    def _draft(self, draft: Draft) -> None:
        if not draft.n:
            self.complain(BadRequest("a draft needs a number, counted from 1: it may come twice"))
        elif self._undecided < MAX_UNDECIDED:
            self._undecided += 1
            self._seat.send(draft, self._decided)
        else:
            self._door.counts["too many drafts"] += 1

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Say what no event says; an accepted draft's answer is its event."""
        self._undecided -= 1
        if isinstance(outcome, Ack):
            self._send(AckMessage.of(outcome))
        elif isinstance(outcome, ChatError):
            self._send(ErrorMessage.of(outcome))

    async def _read(self, work: Callable[[Any], Coroutine[Any, Any, bytes]], request: Any) -> None:
        try:
            self._put(await work(request))
        except ChatError as error:
            self._send(ErrorMessage.of(error, request.ref))
        except Exception:
            log.exception("a request failed")  # ours: its peer is told, and comes back
            self.close(ConnectionLost("the server failed at this request; come back and resume"))

    def _read_done(self) -> None:
        self._reading -= 1

    async def _history(self, asked: HistoryMessage) -> bytes:
        limit = max(1, min(asked.limit, PAGE_EVENTS))
        events = await self._seat.history(after=asked.after, before=asked.before, limit=limit)
        return encode_page(asked.ref, self._seat.head, events, backwards=asked.after is None)

    async def _names(self, asked: NamesMessage) -> bytes:
        events = await self._seat.history(after=asked.after, before=asked.before, limit=PAGE_NAMES)
        return encode_names(asked.ref, events, len(events) == PAGE_NAMES)

    def _send(self, message: object) -> None:
        self._put(encode(message))

    def _put(self, datagram: bytes) -> None:
        if not self._gone:
            self._door.send(datagram if self._sealer is None else self._sealer.seal(datagram), self.address)
