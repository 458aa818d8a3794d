"""The requests of the load generators over HTTP, as bytes, and how answers are read. No I/O.

Requests are built from prepared bytes: an HTTP library would take more time than the server does.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TypeVar

import msgspec

from lab.bench.checker import DeliveryError
from lab.bench.dialects import DIGITS

ROOM = "bench"
TEXT_BYTES = 42
_FILLER = b"." * (TEXT_BYTES - DIGITS)
T = TypeVar("T")
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
MAX_ANSWER = 1024 * 1024
"""The most bytes of an answer: the first one contains the members of a full room."""


def text(number: int) -> bytes:
    """Return the text of message ``number``."""
    return b"%010d" % number + _FILLER


class Answers:
    """Splits what comes over one connection into answers, each with a Content-Length."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Add what was read; return the status and body of the answer if it is complete.

        One call is outstanding at a time, so nothing follows the answer. Raises `DeliveryError` otherwise.
        """
        data = self._data = self._data + data
        end = data.find(_HEAD_END)
        if end < 0:
            if len(data) > MAX_ANSWER or not data.startswith(b"HTTP/1.1 "[: len(data)]):
                raise DeliveryError(f"{data[:100]!r} is no HTTP answer")
            return None
        length = _LENGTH.search(data, 0, end + 2)
        if length is None and data[9:12] not in (b"204", b"304"):
            raise DeliveryError(f"an answer without a Content-Length: {data[:300]!r}")
        whole = end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(data) > whole or whole > MAX_ANSWER:
            raise DeliveryError(f"more than the answer: {data[whole : whole + 100]!r}")
        if len(data) < whole:
            return None
        self._data = b""
        return int(data[9:12]), data[end + len(_HEAD_END) :]


class Web(ABC):
    """The requests and answers of one server. ``key`` is the client's seat key, if the server has seats."""

    content_type: str
    seated = 201
    """The status of the answer to `join`."""
    taken = 201
    """The status of the answer to `send`."""

    def __init__(self, host: str) -> None:
        self._host = host

    @abstractmethod
    def join(self, nick: str) -> bytes:
        """Return the request for a seat; empty if none is needed."""

    @abstractmethod
    def joined(self, body: bytes) -> tuple[str, int]:
        """Return the seat key and the seq of the room's newest event. Raises `DeliveryError`."""

    @abstractmethod
    def send(self, key: str, n: int, text: bytes) -> bytes:
        """Return the request that sends a message, as the seat's draft ``n``."""

    @abstractmethod
    def sent(self, body: bytes, n: int) -> int:
        """Return the message's seq. Raises `DeliveryError` unless it is the answer to draft ``n``."""

    def _request(self, what: str, body: bytes = b"", *more: str) -> bytes:
        head = [f"{what} HTTP/1.1", f"host: {self._host}", *more]
        if body:
            head += [f"content-type: {self.content_type}", f"content-length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body


class Polled(Web):
    """A server that clients poll for events."""

    polled = 200
    """The status of an answer with events."""

    @abstractmethod
    def poll(self, key: str, after: int, wait: int) -> bytes:
        """Return the request for the events after a seq; the server may wait ``wait`` seconds for one."""

    @abstractmethod
    def heard(self, body: bytes) -> list[tuple[int, bytes]]:
        """Return the seq and text of each event in the answer to `poll`."""


class _Stored(msgspec.Struct):
    seq: int


class Bare(Web):
    """`lab.bench.bare_fastapi`; it gets the same headers as our REST server, and ignores them."""

    content_type = "application/json"

    def join(self, nick: str) -> bytes:
        return b""

    def joined(self, body: bytes) -> tuple[str, int]:
        raise NotImplementedError

    def send(self, key: str, n: int, text: bytes) -> bytes:
        body = b'{"text":"%b"}' % text
        return self._request("POST /messages", body, f"seat-key: {key}", f"idempotency-key: {n}")

    def sent(self, body: bytes, n: int) -> int:
        return _read(body, _STORED).seq


class _Welcome(msgspec.Struct):
    seat_key: str
    head: int


class _Accepted(msgspec.Struct):
    n: int
    seq: int


class _Event(msgspec.Struct):
    seq: int
    text: str = ""


class _Events(msgspec.Struct):
    events: list[_Event]


class Rest(Polled):
    """``chat serve rest``."""

    content_type = "application/json"

    def join(self, nick: str) -> bytes:
        return self._request(f"POST /rooms/{ROOM}/seats", b'{"nick":"%b"}' % nick.encode())

    def joined(self, body: bytes) -> tuple[str, int]:
        welcome = _read(body, _WELCOME)
        return welcome.seat_key, welcome.head

    def send(self, key: str, n: int, text: bytes) -> bytes:
        body = b'{"text":"%b"}' % text
        what = f"POST /rooms/{ROOM}/messages"
        return self._request(what, body, f"seat-key: {key}", f"idempotency-key: {n}")

    def sent(self, body: bytes, n: int) -> int:
        accepted = _read(body, _ACCEPTED)
        if accepted.n != n:
            raise DeliveryError(f"draft {n} was answered as {accepted.n}")
        return accepted.seq

    def poll(self, key: str, after: int, wait: int) -> bytes:
        return self._request(f"GET /rooms/{ROOM}/events?after={after}&wait={wait}", b"", f"seat-key: {key}")

    def heard(self, body: bytes) -> list[tuple[int, bytes]]:
        return [(event.seq, event.text.encode()) for event in _read(body, _EVENTS).events]


class Soap(Polled):
    """``chat serve soap``, in SOAP 1.1."""

    content_type = "text/xml; charset=utf-8"
    seated = taken = 200

    def join(self, nick: str) -> bytes:
        return self._call("Join", b"<room>%b</room><nick>%b</nick>" % (ROOM.encode(), nick.encode()))

    def joined(self, body: bytes) -> tuple[str, int]:
        return _element(_SEAT_KEY, body).decode(), int(_element(_HEAD, body))

    def send(self, key: str, n: int, text: bytes) -> bytes:
        return self._call("Send", b"<seatKey>%b</seatKey><n>%d</n><text>%b</text>" % (key.encode(), n, text))

    def sent(self, body: bytes, n: int) -> int:
        if (found := int(_element(_N, body))) != n:
            raise DeliveryError(f"draft {n} was answered as {found}")
        return int(_element(_SEQ, body))

    def poll(self, key: str, after: int, wait: int) -> bytes:
        arguments = b"<seatKey>%b</seatKey><after>%d</after><limit>200</limit><wait>%d</wait>"
        return self._call("Fetch", arguments % (key.encode(), after, wait))

    def heard(self, body: bytes) -> list[tuple[int, bytes]]:
        return [(int(_element(_SEQ, event)), _element(_TEXT, event)) for event in _EVENT.findall(body)]

    def _call(self, operation: str, arguments: bytes) -> bytes:
        body = _ENVELOPE % (operation.encode(), arguments, operation.encode())
        return self._request("POST /soap", body, f'soapaction: "{operation}"')


_ENVELOPE = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<%b xmlns="urn:chat:v1">%b</%b></s:Body></s:Envelope>'
)
_EVENT = re.compile(rb"<(?:\w+:)?event>.*?</(?:\w+:)?event>", re.DOTALL)
_SEAT_KEY, _HEAD, _N, _SEQ, _TEXT = (
    re.compile(rb"<(?:\w+:)?%b>([^<]*)</" % name) for name in (b"seatKey", b"head", b"n", b"seq", b"text")
)


def _element(pattern: re.Pattern[bytes], body: bytes) -> bytes:
    """Return the text of the first such element; parsing the XML would take more time than sending it."""
    found = pattern.search(body)
    if found is None:
        raise DeliveryError(f"{body[:300]!r} is not the answer that was asked for")
    return found[1]


_STORED = msgspec.json.Decoder(_Stored)
_WELCOME = msgspec.json.Decoder(_Welcome)
_ACCEPTED = msgspec.json.Decoder(_Accepted)
_EVENTS = msgspec.json.Decoder(_Events)


def _read(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise DeliveryError(f"{body[:300]!r} is not the answer that was asked for: {error}") from None


POLLED: dict[str, type[Polled]] = {"rest": Rest, "soap": Soap}
WEB: dict[str, type[Web]] = {"bare": Bare, **POLLED}
