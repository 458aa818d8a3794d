"""What the load generator sends to each server over TCP and receives from it, in bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_BYTES = 100
DIGITS = 10  # of the number that every text begins with
ROOM = "bench"


@dataclass(frozen=True)
class Dialect:
    """One protocol, as bytes on the wire. A client's nick is ``b`` and its number, e.g. ``b17``."""

    hello: bytes
    """Joins; contains the client's number as ``%(number)d``, and the room as ``%(room)b`` if there is one."""
    ready: bytes
    """Part of the answer to a client that has joined."""
    say: bytes
    """Sends a message; contains the text as ``%b``."""
    message: re.Pattern[bytes]
    """Matches a whole message as it arrives; group 1 is its number."""
    echo: bool = True
    """Whether the sender of a message gets it too."""
    ping: re.Pattern[bytes] | None = None
    """Matches a line that the client must answer with ``pong``."""
    pong: bytes = b""

    def join(self, client: int, room: str = ROOM) -> bytes:
        """Return what client number ``client`` sends first."""
        return self.hello % {b"number": client, b"room": room.encode()}

    def text(self, number: int, size: int = TEXT_BYTES) -> bytes:
        """Return the request that sends message ``number``, with a text of so many bytes."""
        return self.say % text(number, size)


def text(number: int, size: int = TEXT_BYTES) -> bytes:
    """Return the text of message ``number``."""
    return (b"%010d" % number).ljust(size, b".")


DIALECTS = {
    "chat": Dialect(
        hello=b'{"kind":"hello","nick":"b%(number)d","room":"%(room)b"}\n',
        ready=b'{"kind":"welcome"',
        say=b'{"kind":"say","text":"%b"}\n',
        message=re.compile(rb'\{"kind":"sent"[^\n]*?"text":"(\d{10})[^\n]*\n'),
    ),
    "textbook": Dialect(
        hello=b'{"nick": "b%(number)d"}\n',
        ready=b'{"type": "welcome"',
        say=b'{"text": "%b"}\n',
        message=re.compile(rb'\{"type": "message"[^\n]*?"text": "(\d{10})[^\n]*\n'),
    ),
    "nats": Dialect(
        hello=b'CONNECT {"verbose":false,"pedantic":false,"name":"b%(number)d"}\r\nSUB bench 1\r\nPING\r\n',
        ready=b"PONG\r\n",
        say=b"PUB bench %d\r\n%%b\r\n" % TEXT_BYTES,
        message=re.compile(rb"MSG bench 1 %d\r\n(\d{%d})[^\n]*\n" % (TEXT_BYTES, DIGITS)),
        ping=re.compile(rb"^PING\r\n", re.MULTILINE),
        pong=b"PONG\r\n",
    ),
    "irc": Dialect(
        hello=b"NICK b%(number)d\r\nUSER bench 0 * :bench\r\nJOIN #bench\r\n",
        ready=b" 366 ",  # RPL_ENDOFNAMES
        say=b"PRIVMSG #bench :%b\r\n",
        message=re.compile(rb":[^\n ]* PRIVMSG #bench :(\d{%d})[^\n]*\n" % DIGITS),
        echo=False,
        ping=re.compile(rb"^PING [^\n]*\n", re.MULTILINE),
        pong=b"PONG bench\r\n",
    ),
}
