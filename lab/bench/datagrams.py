"""The datagrams of the load generator for UDP, and how answers are read. No I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod

from backends.udp.codec import (
    CookieMessage,
    EndMessage,
    GoneMessage,
    HelloMessage,
    WelcomeMessage,
    decode_response,
    encode_hello,
)
from chat.domain.json_codec import ErrorMessage
from lab.bench.checker import DeliveryError
from lab.bench.dialects import DIGITS, ROOM, TEXT_BYTES
from lab.bench.wires import TEXT

PING_EVERY = 1.0
"""Seconds between two pings of a client."""
_FILLER = "." * (TEXT_BYTES - DIGITS)


class Datagrams(ABC):
    """One client."""

    ping_every = 0.0
    """Seconds between two pings of a client; 0: the server expects none."""

    def __init__(self, number: int, room: str = ROOM) -> None:
        self.nick = f"b{number}"
        self.room = room
        self.ready = False
        """Whether the client has joined."""

    @abstractmethod
    def hello(self) -> bytes:
        """Return the hello for the current state of the handshake; it may be sent again."""

    @abstractmethod
    def hear(self, data: bytes) -> None:
        """Process a datagram that is no message: the answer to a hello or a ping. Raises `DeliveryError`."""

    @abstractmethod
    def say(self, number: int) -> bytes:
        """Return the datagram that sends message ``number``, counted from 1."""

    def ping(self) -> bytes:
        """Return a ping."""
        return b""


class Textbook(Datagrams):
    """`lab.bench.textbook_udp`."""

    def hello(self) -> bytes:
        return b'{"nick": "%b"}' % self.nick.encode()

    def hear(self, data: bytes) -> None:
        if data != b'{"type": "welcome"}':
            raise DeliveryError(f"{data[:200]!r} is no message and no welcome")
        self.ready = True

    def say(self, number: int) -> bytes:
        return f'{{"text": "{number:010}{_FILLER}"}}'.encode()


class Chat(Datagrams):
    """``chat serve udp``: with the cookie, and pings like our client."""

    ping_every = PING_EVERY

    def __init__(self, number: int, room: str = ROOM) -> None:
        super().__init__(number, room)
        self._cookie = ""

    def hello(self) -> bytes:
        return encode_hello(HelloMessage(self.nick, self.room, nonce=self.nick, cookie=self._cookie))

    def hear(self, data: bytes) -> None:
        match message := decode_response(data):
            case CookieMessage():
                self._cookie = message.cookie
            case WelcomeMessage():
                self.ready = True
            case EndMessage() | ErrorMessage() | GoneMessage():
                raise DeliveryError(f"the server's last word to {self.nick}: {data[:300]!r}")

    def say(self, number: int) -> bytes:
        return f'{{"kind":"say","text":"{number:010}{_FILLER}","n":{number}}}'.encode()

    def ping(self) -> bytes:
        return b'{"kind":"ping","ref":1}'


DATAGRAMS: dict[str, type[Datagrams]] = {"udp-textbook": Textbook, "udp": Chat}


def numbers(data: bytes) -> list[int]:
    """Return the numbers of the messages in a datagram, in its order."""
    return [int(number) for number in TEXT.findall(data)]
