"""A client that has a seat: its address, its keys, the requests that it sends and the events that it gets.

UDP itself has no connections. This one exists while datagrams come from the address.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from backends.udp.codec import (
    AwayMessage,
    EndMessage,
    HelloMessage,
    MembersMessage,
    NamesMessage,
    PongMessage,
    Request,
    WelcomeMessage,
)
from backends.udp.message_auth import DOWN, UP, Authenticator, Verifier, derive
from backends.udp.packing import encode_members, encode_names, encode_page, pack
from backends.udp.segmentation import Run, align, runs
from backends.udp.server_socket import Peername, ServerSocket
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.json_codec import AckMessage, ErrorMessage, HistoryMessage, LeaveMessage, PingMessage, encode
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Say
from chat.interfaces.server import Seat, Sink

SILENCE_TIMEOUT = 6
"""Seconds without a datagram after which a client is taken for gone; its seat stays for the grace time. Our
clients send a ping every second."""
MAX_UNDECIDED = 1000
"""Drafts of one client that may wait for the log; more are dropped, and stay unconfirmed."""
MAX_LOG_READS = 4
"""Requests of one client that read the log at the same time; more are dropped, and sent again."""
MAX_REQUESTS = 500
"""Requests of one client that are answered in a second, and errors for what is no request."""
PAGE_EVENTS = 12
"""Events that are read for a page: the shortest take about a hundred bytes each."""
PAGE_NAMES = 40
"""Events that are read for a page of names."""

Datagrams: TypeAlias = tuple[Run, ...]
"""The JSON of some datagrams with events."""

log = logging.getLogger(__name__)


class ServerConnection(Sink[Datagrams]):
    """One client's address and its seat."""

    coalescing = 0.03  # a datagram costs the kernel the same, whatever its length: fewer ones are cheaper

    def __init__(
        self,
        udp: ServerSocket,
        address: Peername,
        hello: HelloMessage,
        seat: Seat,
        root: bytes,
        tasks: set[asyncio.Task[None]],
        forget: Callable[[ServerConnection], None],
    ) -> None:
        """Begin; `send_welcome` tells the client.

        Args:
            udp: sends to the client.
            address: the client's.
            hello: the one that took the seat.
            seat: the client's.
            root: the root key of message authentication; empty where no token is used.
            tasks: where its tasks are kept until they are done.
            forget: called when the connection has ended.
        """
        self.address = address
        self.hello = hello
        self.verifier: Verifier | None = None
        """Checks the MAC of what comes; None where no token is used."""
        self.confirmed = False
        """Whether a request has come: before that, the welcome may be lost."""
        self._udp = udp
        self._name = None if root else udp.name(address)  # with a token, each gets other bytes
        self._seat = seat
        self._start = seat.start
        self._tasks = tasks
        self._forget = forget
        self._authenticator: Authenticator | None = None
        self._salt = ""
        if root:
            self._salt = secrets.token_hex(8)
            self.verifier = Verifier(derive(root, UP, hello.nonce, self._salt))
            self._authenticator = Authenticator(derive(root, DOWN, hello.nonce, self._salt))
        self._silent = 0  # seconds without a request
        self._requests = 0  # in this second
        self._log_reads = 0
        self._undecided = 0
        self._ended = False

    def send_welcome(self) -> None:
        """Send the welcome, also for a second time."""
        if not self._within_limit():
            return
        welcome = WelcomeMessage.of(self._seat.welcome, self._start, self.hello.nonce, self._salt)
        self._send(welcome)

    def tick(self) -> None:
        """Note that a second has passed; end the connection if it was silent for too long."""
        self._requests = 0
        self._silent += 1
        if self._silent > SILENCE_TIMEOUT:
            self.end()

    def end(self, reason: ChatError | None = None) -> None:
        """End the connection without a message; the seat stays for the grace time.

        Args:
            reason: why the server ends it; None: the client did.
        """
        self._ended = True
        self._forget(self)
        self._seat.detach(self, reason)

    # --- what the hub writes -------------------------------------------------------------------

    @staticmethod
    def encode(events: Sequence[Event]) -> Datagrams:
        return tuple(runs(align(pack(events))))

    def write(self, blob: Datagrams) -> None:
        if self._name is not None:
            self._udp.share(blob, self._name, self.address)
            return
        for run in blob:
            if self._authenticator is None:
                self._udp.send_run(run, self.address)
            else:
                for protected in runs(map(self._authenticator.protect, run)):
                    self._udp.send_run(protected, self.address)

    def buffered(self) -> int:
        """Return 0: what the kernel does not take is lost, so a slow client loses events."""
        return 0

    def taken(self, written: int) -> int | None:
        """Return None: nothing is acknowledged, so nobody knows what has come."""
        return None

    def close(self, reason: ChatError) -> None:
        if not self._ended:
            self._send(EndMessage.of(reason, self.hello.nonce))
            self.end(reason)

    # --- what the client asks ------------------------------------------------------------------

    def reject(self, error: BadRequest) -> None:
        """Answer a datagram that is no request."""
        if self._within_limit():
            self._send(ErrorMessage.of(error))

    def handle(self, request: Request) -> None:
        """Process a request of this client."""
        self.confirmed = True
        self._silent = 0
        match request:
            case Say() | Edit() | Delete():  # first, because a pattern that does not match takes its time
                self._handle_draft(request)
            case PingMessage():
                self._send(PongMessage(request.ref, self._seat.head))
            case HistoryMessage():
                self._read_log(self._history, request)
            case NamesMessage():
                self._read_log(self._names, request)
            case MembersMessage():
                self._read_log(self._members, request)
            case LeaveMessage():
                self._seat.leave()
            case AwayMessage():
                self.end()
            case HelloMessage():
                pass  # the endpoint processes it

    def _within_limit(self) -> bool:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            self._udp.counts["too many requests"] += 1
            return False
        return True

    def _handle_draft(self, draft: Draft) -> None:
        if not draft.n:
            self.reject(BadRequest("a draft needs a number, counted from 1: its datagram may come twice"))
        elif self._undecided < MAX_UNDECIDED:
            self._undecided += 1
            self._seat.send(draft, self._decided)
        else:
            self._udp.counts["too many drafts"] += 1

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Answer a draft that was refused or accepted before; the event answers an accepted one."""
        self._undecided -= 1
        if isinstance(outcome, Ack):
            self._send(AckMessage.of(outcome))
        elif isinstance(outcome, ChatError):
            self._send(ErrorMessage.of(outcome))

    def _read_log(self, read: Callable[[Any], Coroutine[Any, Any, bytes]], request: Any) -> None:
        """Answer a request by a task: reading the log takes a while."""
        if self._within_limit() and self._log_reads < MAX_LOG_READS:
            self._log_reads += 1
            task = asyncio.create_task(self._answer(read, request))
            self._tasks.add(task)
            task.add_done_callback(self._log_read)

    def _log_read(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._log_reads -= 1

    async def _answer(self, read: Callable[[Any], Coroutine[Any, Any, bytes]], request: Any) -> None:
        try:
            self._send_encoded(await read(request))
        except ChatError as error:
            self._send(ErrorMessage.of(error, request.ref))
        except Exception:
            log.exception("a request failed")  # a bug of ours: the client reconnects
            self.close(ConnectionLost("the server failed to handle this request; reconnect and resume"))

    async def _history(self, asked: HistoryMessage) -> bytes:
        limit = max(1, min(asked.limit, PAGE_EVENTS))
        events = await self._seat.history(after=asked.after, before=asked.before, limit=limit)
        return encode_page(asked.ref, self._seat.head, events, backwards=asked.after is None)

    async def _names(self, asked: NamesMessage) -> bytes:
        events = await self._seat.history(after=asked.after, before=asked.before, limit=PAGE_NAMES)
        end = self._seat.head if asked.before is None else min(asked.before - 1, self._seat.head)
        return encode_names(asked.ref, events, bool(events) and events[-1].seq < end)

    async def _members(self, asked: MembersMessage) -> bytes:
        members = await self._seat.members()
        return encode_members(asked.ref, members[asked.skip :])

    def _send(self, message: object) -> None:
        self._send_encoded(encode(message))

    def _send_encoded(self, body: bytes) -> None:
        if not self._ended:
            datagram = body if self._authenticator is None else self._authenticator.protect(body)
            self._udp.send(datagram, self.address)
