"""RPyC's wire format: frames, messages, values. No I/O, so that any bytes in any slicing can be tried.

A frame is a length (4 bytes, big-endian), a flag (1: deflated), a message and LF. A message is its kind
(1 byte) and the *brine* of its number and content; brine is RPyC's encoding of immutable values. A value in
it is *boxed*: labelled as a value, as a tuple of boxes, or as the name of an object on one of the two sides.

RPyC 4.1 to 5 differ in the first two bytes of a message: there its kind is in the brine.

An object of the peer's is a name here and nothing else. RPyC itself makes a proxy of it (a netref), which
asks the peer about its attributes.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct
from rpyc.core import brine, channel, consts

from chat.domain.errors import BadRequest
from chat.domain.model import Limits
from chat.language import N_

MAX_FRAME = Limits().frame_bytes
HEADER = channel.Channel.FRAME_HEADER
FLUSHER: bytes = channel.Channel.FLUSHER
MAX_NAME = 256  # characters of a type's name
MAX_ID = 2**64  # the id() of any object is less
MAX_DIGITS = 20  # decimal digits of the largest number below that
SMALL = max(brine.IMM_INTS)  # the largest number that is one byte in brine

HANDLERS = {
    value: name.removeprefix("HANDLE_").lower()
    for name, value in vars(consts).items()
    if name.startswith("HANDLE_")
}
"""What a request asks for: the names of ``consts.HANDLE_...``."""

Name = tuple[str, int, int]
"""RPyC's ``id_pack``: the type's name, the id of the type, the id of the object (0: it is a type)."""


class Local(Struct, frozen=True):
    """An object on this side."""

    name: Name


class Remote(Struct, frozen=True):
    """An object on the peer's side."""

    name: Name


class Request(NamedTuple):
    number: int
    handler: int
    """One of ``consts.HANDLE_...``: what to do with the arguments."""
    args: tuple[Any, ...]


class Returned(NamedTuple):
    number: int
    value: Any


class Raised(NamedTuple):
    number: int
    name: str
    """The exception's class, without its module."""
    text: str
    fields: dict[str, Any]
    """Its attributes."""


Message = Request | Returned | Raised

# --- frames ------------------------------------------------------------------------------------


class Deflated(bytes):
    """A compressed message. It is inflated when it is its turn: many may wait, and each may become 64 KiB."""

    limit = MAX_FRAME

    def inflate(self) -> bytes:
        """Raises `BadRequest`."""
        stream = zlib.decompressobj()
        try:
            message = stream.decompress(self, self.limit)
        except zlib.error:
            raise BadRequest(N_("not a frame of RPyC: it cannot be inflated")) from None
        if not stream.eof:
            raise BadRequest(N_(f"a frame may have {self.limit} bytes, this one inflates to more"))
        return message


class Framer:
    """Cuts a stream of bytes into messages."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._rest = bytearray()

    @property
    def at_boundary(self) -> bool:
        """Whether what comes next begins a frame."""
        return not self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now.

        Raises:
            BadRequest: a frame is too long on the wire, or this is not RPyC. Where the next frame begins is
                not known after that.
        """
        source: bytes | bytearray = data
        if self._rest:
            self._rest += data
            source = self._rest
        place, size, messages = 0, len(source), []
        unpack, header, flusher = HEADER.unpack_from, HEADER.size, FLUSHER
        while size - place >= header:
            length, deflated = unpack(source, place)
            if length > self._limit:
                raise self._broken(N_(f"a frame may have {self._limit} bytes, this one claims {length}"))
            begin = place + header
            end = begin + length
            if end >= size:
                break
            if not source.startswith(flusher, end):
                raise self._broken(N_("not a frame of RPyC: it does not end with LF"))
            message = bytes(source[begin:end])
            if deflated:
                message = Deflated(message)
                message.limit = self._limit
            messages.append(message)
            place = end + len(flusher)
        if source is self._rest:
            del self._rest[:place]
        else:
            self._rest += data[place:]
        return messages

    def _broken(self, why: str) -> BadRequest:
        self._rest.clear()
        return BadRequest(why)


def frame(message: bytes) -> bytes:
    """Return the message in its frame. Nothing is deflated: RPyC accepts both."""
    return b"".join((HEADER.pack(len(message), 0), message, FLUSHER))


# --- older peers -------------------------------------------------------------------------------

# Up to RPyC 5 a message is the brine of three values, and its kind is the first of them. RPyC 6 writes the
# kind as a byte, and then the brine of the other two. So the first two bytes differ, and nothing else.
_OLDER: dict[bytes, bytes] = {
    bytes([kind]) + brine.TAG_TUP2: brine.TAG_TUP3 + brine.dump(kind)
    for kind in (consts.MSG_REQUEST, consts.MSG_REPLY, consts.MSG_EXCEPTION)
}
_NEWER = {older: newer for newer, older in _OLDER.items()}


def is_older(message: bytes) -> bool:
    """Whether an RPyC before 6 has written this message."""
    return message.startswith(brine.TAG_TUP3)  # 18, and RPyC 6 has no kind with this number


def from_older(message: bytes) -> bytes:
    """Return a message of RPyC 4.1 to 5 as RPyC 6 writes it; any other as it is."""
    return _NEWER.get(message[:2], message[:2]) + message[2:]


def to_older(frame: bytes) -> bytes:
    """Return a frame of ours as RPyC 4.1 to 5 read it."""
    begin = HEADER.size
    return frame[:begin] + _OLDER[frame[begin : begin + 2]] + frame[begin + 2 :]


# --- messages ----------------------------------------------------------------------------------


def inflated(message: bytes) -> bytes:
    """Return the message as it was before it was compressed, if it was. Raises `BadRequest`."""
    return message.inflate() if type(message) is Deflated else message


def decode(message: bytes) -> Message:
    """Return what the peer sent, in the form of RPyC 6. Raises `BadRequest`."""
    message = inflated(message)
    try:
        number, content = brine.load(message[1:])
        if type(number) is not int or not 0 <= number < MAX_ID:
            raise ValueError(number)
        kind = message[0]
        if kind == consts.MSG_REQUEST:
            handler, args = content
            args = unbox(args)
            if type(handler) is int and type(args) is tuple:
                return Request(number, handler, args)
        elif kind == consts.MSG_REPLY:
            return Returned(number, unbox(content))
        elif kind == consts.MSG_EXCEPTION:
            return _raised(number, content)
    except Exception:  # brine raises whatever the bytes lead it to: struct.error, TypeError, RecursionError
        pass
    raise BadRequest(N_("not a message of RPyC 6"))


def _raised(number: int, content: Any) -> Raised:
    """Read an exception as data: RPyC would make a class for every name that the peer sends."""
    if content == consts.EXC_STOP_ITERATION:
        return Raised(number, "StopIteration", "", {})
    (_, name), args, fields, _ = content
    text = args[0] if args and type(args[0]) is str else ""
    return Raised(number, str(name), text, dict(fields))


def unbox(box: Any) -> Any:
    """Return the value in a box. Raises any exception if it is not a box."""
    label, value = box
    if label == consts.LABEL_VALUE:
        return value
    if label == consts.LABEL_TUPLE:
        return tuple(map(unbox, value))
    kind, number, instance = value
    if not (type(kind) is str and type(number) is int and type(instance) is int):
        raise ValueError(value)
    if len(kind) > MAX_NAME or max(abs(number), abs(instance)) >= MAX_ID:
        raise ValueError(value)
    if label == consts.LABEL_LOCAL_REF:
        return Local((kind, number, instance))
    if label == consts.LABEL_REMOTE_REF:
        return Remote((kind, number, instance))
    raise ValueError(label)


def box(value: Any) -> tuple[int, Any]:
    """Return the value boxed: a local object here is a remote one for the peer."""
    if type(value) is Local:
        return consts.LABEL_REMOTE_REF, value.name
    if type(value) is Remote:
        return consts.LABEL_LOCAL_REF, value.name
    if type(value) is tuple and not brine.dumpable(value):
        return consts.LABEL_TUPLE, tuple(map(box, value))
    return consts.LABEL_VALUE, value


def _message(kind: int, number: int, content: Any) -> bytes:
    return frame(bytes([kind]) + brine.dump((number, content)))


def request(number: int, handler: int, args: tuple[Any, ...]) -> bytes:
    """Return the frame of a request. Raises UnicodeEncodeError for a lone surrogate."""
    return _message(consts.MSG_REQUEST, number, (handler, box(args)))


def returned(number: int, value: Any) -> bytes:
    return _message(consts.MSG_REPLY, number, box(value))


def brine_of(value: Any) -> bytes:
    """Return a value in brine; it holds no references."""
    dumped: bytes = brine.dump(value)
    return dumped


def tuple_brine(*items: bytes) -> bytes:
    """Return a tuple in brine. Brine writes no lengths around its items, so each may be encoded before."""
    return _tuple_head(len(items)) + b"".join(items)


@lru_cache
def _tuple_head(count: int) -> bytes:
    return brine_of((None,) * count).removesuffix(_NONE * count)


_NONE = brine_of(None)
_VALUE = brine_of(consts.LABEL_VALUE)


def returned_brine(number: int, value: bytes) -> bytes:
    """Return what `returned` does, for a value in brine."""
    message = tuple_brine(brine_of(number), tuple_brine(_VALUE, value))
    return frame(bytes([consts.MSG_REPLY]) + message)


def raised(number: int, module: str, name: str, text: str, fields: tuple[tuple[str, Any], ...] = ()) -> bytes:
    """Return the frame of an exception: its class, its one argument, its attributes, and no traceback."""
    return _message(consts.MSG_EXCEPTION, number, ((module, name), (text,), fields, ""))


# --- callbacks ---------------------------------------------------------------------------------


def keywords(pairs: tuple[tuple[str, Any], ...]) -> bytes:
    """Return keyword arguments in brine: the part of a callback that is the same for all clients."""
    return brine_of(pairs)


_CALLING = bytes([consts.MSG_REQUEST]) + brine.TAG_TUP2
# What a number above `SMALL` begins with in brine: its length in decimal digits.
_CALLING_BY_DIGITS = [_CALLING + brine.TAG_INT_L1 + bytes([digits]) for digits in range(MAX_DIGITS + 1)]
_head = HEADER.pack


class Callback:
    """A function of the peer's. A call of it is joined from parts, so that most of it is encoded once.

    Brine writes no lengths around a tuple's items, so one item can be put between the others.
    """

    def __init__(self, function: Remote) -> None:
        self.one_argument = False
        """The function gets the tuple of pairs as its one argument, and no keywords."""
        self._function = function
        self._put_around((function, (), _GAP))

    def use_one_argument(self) -> None:
        self.one_argument = True
        self._put_around((self._function, (_GAP,), ()), brine.dump(box(())))

    def _put_around(self, args: tuple[Any, ...], after: bytes = b"") -> None:
        """Keep what comes before and after the gap in a call with these arguments."""
        call: bytes = brine.dump((consts.HANDLE_CALL, box(args)))
        self._before = call.removesuffix(brine.dump(_GAP) + after)
        self._after = after + FLUSHER
        self._length = len(self._before) + len(after)

    def frame(self, number: int, keywords: bytes) -> bytes:
        """Return a call with these `keywords`."""
        if number > SMALL:
            written = b"%d" % number
            calling = _CALLING_BY_DIGITS[len(written)]
        else:
            written, calling = brine.IMM_INTS[number], _CALLING
        length = len(calling) + len(written) + self._length + len(keywords)
        return b"".join((_head(length, 0), calling, written, self._before, keywords, self._after))


_GAP = ()
