"""RPyC's protocol as both sides have it, without I/O: requests and replies in, frames out.

RPyC's own `Connection` serves whatever Python can do with an object, and blocks while it asks back. This one
serves eight kinds of requests on what its side exposes, and refuses everything else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rpyc.core import consts

from backends.rpyc import codec
from backends.rpyc.acknowledgements import acknowledged
from backends.rpyc.codec import Framer, Local, Message, Request
from backends.rpyc.service import MODULE, error_pairs
from chat.domain.errors import BadRequest, ChatError
from chat.transport.connection_state import State

_OLD = "your RPyC is older than 4.1, which names objects in another way: pip install 'rpyc>=4.1'"


class NoSuchName(Exception):
    """The peer asks for an attribute that is not exposed: ``AttributeError`` is what its Python expects."""


class Exposed(ABC):
    """What one side lets the other do."""

    @abstractmethod
    def root(self) -> Local:
        """Return what the peer gets as ``conn.root``. Raises `BadRequest`."""

    @abstractmethod
    def attribute(self, target: Any, name: Any) -> Local:
        """Return what the peer gets for ``target.name``. Raises `NoSuchName`."""

    @abstractmethod
    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        """Return names and docstrings of the methods of the object with this `codec.Name`."""

    @abstractmethod
    def hint(self) -> str:
        """Return what the peer can do instead of what is not supported."""

    @abstractmethod
    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        """Call one of our objects; answer with `RpycProtocol.reply` or `refuse`, now or later.

        Raises:
            BadRequest: it can't be called, or not like this.
        """

    @abstractmethod
    def peer_closes(self) -> None:
        """The peer asks for the end of the connection, and for no reply."""


class RpycProtocol:
    """Numbers its own requests, serves those of the peer, and collects what is to be sent."""

    def __init__(self, exposed: Exposed, max_frame: int, *, serves_older: bool = False) -> None:
        """Begin in `State.OPENING`.

        Args:
            exposed: what the peer may call.
            max_frame: bytes of the longest frame that the peer may send, also when inflated.
            serves_older: also talk with RPyC 4.1 to 5, if the peer begins.
        """
        self.state = State.OPENING
        self.separate = False
        """Each frame is to be sent by a write of its own. RPyC waits at the socket, and not for what TLS has
        read from it already: of several frames in one TLS record it would see the first, and the others when
        something else comes."""
        self.bytes_to_send = 0
        self._exposed = exposed
        self._older = None if serves_older else False  # None: not known before its first message
        self._framer = Framer(max_frame)
        self._number = 0
        self._out: list[bytes] = []

    # --- bytes ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now; `decode` reads each when it is its turn.

        Raises:
            BadRequest: a frame is too long, or this is not RPyC. The connection must be closed.
        """
        return self._framer.feed(data)

    def acknowledged(self, data: bytes) -> list[int]:
        """Return the numbers of our requests that this answers with None, if it is nothing but that.

        If it is not, it returns nothing, and `receive_data` is to be called.
        """
        return acknowledged(data) if self._framer.at_boundary else []

    def decode(self, message: bytes) -> Message:
        """Return what the peer sent. Raises `BadRequest`."""
        message = codec.inflated(message)
        if self._older is None:
            self._older = codec.is_older(message)
        return codec.decode(codec.from_older(message) if self._older else message)

    def data_to_send(self) -> list[bytes]:
        """Return what was collected since the last call, each item for one write."""
        frames, self._out, self.bytes_to_send = self._out, [], 0
        if self.separate or not frames:
            return frames
        return [b"".join(frames)]

    def send(self, *frames: bytes) -> None:
        self._out += map(codec.to_older, frames) if self._older else frames
        self.bytes_to_send += sum(map(len, frames))

    # --- our requests --------------------------------------------------------------------------

    def next_number(self, count: int = 1) -> int:
        """Return the number of the next request, and leave out those of as many as follow it."""
        first = self._number + 1
        self._number += count
        return first

    def request(self, handler: int, *args: Any) -> int:
        """Send a request; return its number. Raises UnicodeEncodeError for a lone surrogate."""
        frame = codec.request(self._number + 1, handler, args)
        self.send(frame)
        return self.next_number()

    # --- the peer's requests -------------------------------------------------------------------

    def reply(self, number: int, value: Any) -> None:
        """Answer a request with a value."""
        self.send(codec.returned(number, value))

    def reply_brine(self, number: int, value: bytes) -> None:
        """Answer a request with a value that is in brine already, and holds no references."""
        self.send(codec.returned_brine(number, value))

    def refuse(self, number: int, error: ChatError) -> None:
        """Answer a request with an exception."""
        self.send(codec.raised(number, MODULE, type(error).__name__, str(error), error_pairs(error)))

    def serve(self, request: Request) -> None:
        """Do what the peer asks for, or answer why not."""
        try:
            self._serve(request)
        except NoSuchName as error:
            self.send(codec.raised(request.number, "builtins", "AttributeError", str(error)))
        except BadRequest as error:
            self.refuse(request.number, error)

    def _serve(self, request: Request) -> None:
        number, handler, args = request
        exposed = self._exposed
        match handler, args:
            case consts.HANDLE_CALLATTR, (target, name, tuple() as values, *rest):
                exposed.called(number, exposed.attribute(target, name), values, _keywords(rest))
            case consts.HANDLE_CALL, (target, tuple() as values, *rest):
                exposed.called(number, target, values, _keywords(rest))
            case consts.HANDLE_PING, (data,):
                self.reply(number, data)
            case consts.HANDLE_GETATTR, (target, name):
                self.reply(number, exposed.attribute(target, name))
            case consts.HANDLE_GETROOT, ():
                self.reply(number, exposed.root())
            case consts.HANDLE_INSPECT, (name,) if type(name) is not tuple:
                raise BadRequest(_OLD)
            case consts.HANDLE_INSPECT, (name,):
                self.reply(number, exposed.methods(name))
            case consts.HANDLE_DEL, _:
                self.reply(number, None)  # what is handed out lives as long as the connection
            case consts.HANDLE_CLOSE, ():
                exposed.peer_closes()
            case _:
                what = codec.HANDLERS.get(handler, "unknown")
                raise BadRequest(f"request {handler} of RPyC ({what}) is not supported: {exposed.hint()}")


def _keywords(rest: list[Any]) -> tuple[Any, ...]:
    match rest:
        case []:
            return ()
        case [tuple() as kwargs]:
            return kwargs
    raise BadRequest("keyword arguments come as one tuple of pairs")
