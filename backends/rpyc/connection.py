"""One RPyC connection on the event loop, as both sides have it: no thread, no proxy objects, no waiting.

RPyC's own `Connection` serves whatever Python can do with an object, and blocks while it asks back. Here
stands only what the chat needs, and what is not written here can't be asked for.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from rpyc.core import consts

from backends.rpyc import codec
from backends.rpyc.codec import Framer, Local, Raised, Request, Returned
from backends.rpyc.service import MODULE, error_pairs
from chat.domain.errors import BadRequest, ChatError
from chat.interfaces.server import LOW_WATER


class NoSuchName(Exception):
    """The peer asks for an attribute that is not there: ``AttributeError`` is what its Python expects."""


class Connection(asyncio.Protocol, ABC):
    """Numbers its own requests, and serves those of the peer in their order."""

    transport: asyncio.Transport

    def __init__(self, limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._framer = Framer(limit)
        self._number = 0
        self._turn: list[bytes] | None = None  # frames that leave together
        self._turn_bytes = 0

    # --- to be said by each side ---------------------------------------------------------------

    @abstractmethod
    def root(self) -> Local:
        """Return what the peer gets as ``conn.root``. Raises `BadRequest`."""

    @abstractmethod
    def attribute(self, target: Any, name: Any) -> Local:
        """Return what the peer gets for ``target.name``. Raises `NoSuchName`."""

    @abstractmethod
    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        """Return names and docstrings of what the object with this `codec.Name` can do."""

    @abstractmethod
    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        """Call one of our objects; answer with `give` or `refuse`, now or later. Raises `BadRequest`."""

    def peer_closes(self) -> None:
        """The peer asks for the end of the connection, and for no reply."""
        self.flush()
        self.transport.close()

    @abstractmethod
    def take(self, answer: Returned | Raised) -> None:
        """Take what a request of ours has come to."""

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # RPyC waits at the socket, and not for what TLS has read from it already: of several frames in one
        # TLS record it would see the first, and the others when something else comes.
        self._one_by_one = transport.get_extra_info("sslcontext") is not None
        with suppress(OSError):  # it may be reset already
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def put(self, *frames: bytes) -> None:
        """Write frames, with the others of this turn if there is one."""
        if self._turn is None:
            self._write(frames)
            return
        self._turn += frames
        self._turn_bytes += sum(map(len, frames))
        if self._turn_bytes > LOW_WATER:
            self.flush()

    def begin(self) -> None:
        """Begin a turn: what is put until its `end` leaves in one piece."""
        self._turn = []

    def end(self) -> None:
        self.flush()
        self._turn = None

    def flush(self) -> None:
        if self._turn:
            self._write(self._turn)
            self._turn.clear()
            self._turn_bytes = 0

    def _write(self, frames: Sequence[bytes]) -> None:
        if self._one_by_one:
            for frame in frames:
                self.transport.write(frame)
        else:
            self.transport.write(b"".join(frames))

    # --- asking and answering ------------------------------------------------------------------

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def ask(self, handler: int, *args: Any) -> int:
        """Send a request; return its number."""
        number = self.next_number()
        self.put(codec.request(number, handler, args))
        return number

    def give(self, number: int, value: Any) -> None:
        self.put(codec.returned(number, value))

    def refuse(self, number: int, error: ChatError) -> None:
        self.put(codec.raised(number, MODULE, type(error).__name__, str(error), error_pairs(error)))

    def serve(self, request: Request) -> None:
        """Do what the peer asks for, or answer why not."""
        try:
            self._serve(request)
        except NoSuchName as error:
            self.put(codec.raised(request.number, "builtins", "AttributeError", str(error)))
        except BadRequest as error:
            self.refuse(request.number, error)

    def _serve(self, request: Request) -> None:
        number, handler, args = request
        match handler, args:
            case consts.HANDLE_CALLATTR, (target, name, tuple() as values, *rest):
                self.called(number, self.attribute(target, name), values, _keywords(rest))
            case consts.HANDLE_CALL, (target, tuple() as values, *rest):
                self.called(number, target, values, _keywords(rest))
            case consts.HANDLE_PING, (data,):
                self.give(number, data)
            case consts.HANDLE_GETATTR, (target, name):
                self.give(number, self.attribute(target, name))
            case consts.HANDLE_GETROOT, ():
                self.give(number, self.root())
            case consts.HANDLE_INSPECT, (name,):
                self.give(number, self.methods(name))
            case consts.HANDLE_DEL, _:
                self.give(number, None)  # what is handed out lives as long as the connection
            case consts.HANDLE_CLOSE, ():
                self.peer_closes()
            case _:
                raise BadRequest(f"request {handler} of RPyC is not served here")


def _keywords(rest: list[Any]) -> tuple[Any, ...]:
    match rest:
        case []:
            return ()
        case [tuple() as kwargs]:
            return kwargs
    raise BadRequest("keyword arguments come as one tuple of pairs")
