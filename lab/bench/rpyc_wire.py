"""An RPyC client for the load generator: logs in with a callback, and answers each call of it, as RPyC does.

Of a call of the callback only its number and its text are read: decoding everything would take more time than
our server does. Other messages are decoded.
"""

from __future__ import annotations

import re

from rpyc.core import brine, consts

from backends.rpyc import codec
from backends.rpyc.codec import FLUSHER, HEADER, Local, Raised, Remote, Request
from lab.bench.checker import DeliveryError
from lab.bench.wires import READY, TEXT, Wire

ON_EVENT = Local(("builtins.function", 1, 1))
GETROOT, LOGIN = 1, 2  # numbers of our own requests
_PAIR = re.escape(brine.TAG_TUP2)
_CALLBACK = re.compile(
    rb"\x%02x%b(%b.\d+|[\x20-\xef])%b%b"  # a number is a length and digits, or one byte
    % (
        consts.MSG_REQUEST,
        _PAIR,
        re.escape(brine.TAG_INT_L1),
        _PAIR,
        re.escape(brine.IMM_INTS[consts.HANDLE_CALL]),
    ),
    re.DOTALL,
)
_REPLY = bytes([consts.MSG_REPLY]) + brine.TAG_TUP2
_LOGGED_IN = _REPLY + brine.dump(LOGIN)
_NOTHING = brine.dump(codec.box(None))
_LAST_WORD = brine.dump(("kind", "error"))


class RpycWire(Wire):
    def __init__(self, nick: str, room: str | None = None) -> None:
        """Log in. ``room``: None if the server has only one."""
        super().__init__()
        self._login = (nick, ON_EVENT) if room is None else (nick, room, ON_EVENT)
        self._data = b""  # an incomplete frame
        self._root: Remote | None = None
        self._number = LOGIN
        self.out += codec.request(GETROOT, consts.HANDLE_GETROOT, ())

    def say(self, text: bytes) -> None:
        self._number += 1
        self.out += self._call(self._number, "send", text.decode())

    def _call(self, number: int, method: str, *args: object) -> bytes:
        return codec.request(number, consts.HANDLE_CALLATTR, (self._root, method, args, ()))

    def feed(self, data: bytes) -> bytes:
        if self._data:
            data = self._data + data
        place, end = 0, len(data)
        found: list[bytes] = []
        replies: list[bytes] = []
        while place + HEADER.size <= end:
            length, deflated = HEADER.unpack_from(data, place)
            begin = place + HEADER.size
            after = begin + length
            if after + len(FLUSHER) > end:
                break
            if not deflated and (callback := _CALLBACK.match(data, begin, after)):
                message = b"".join((_REPLY, callback[1], _NOTHING))
                replies += (HEADER.pack(len(message), 0), message, FLUSHER)
                if text := TEXT.search(data, callback.end(), after):
                    found.append(text[1] + b"\n")
                elif data.find(_LAST_WORD, begin, after) >= 0:
                    raise DeliveryError(f"the server's last word: {data[begin:after]!r}")
            elif data.startswith(_LOGGED_IN, begin):  # the members are not decoded: they may be many
                found.append(READY)
            else:
                found += self._take(data[place : after + len(FLUSHER)])
            place = after + len(FLUSHER)
        self._data = data[place:]
        if replies:
            self.out += b"".join(replies)
        return b"".join(found)

    def _take(self, frame: bytes) -> list[bytes]:
        """Process a frame that is not a call of the callback."""
        (data,) = codec.Framer().feed(frame)
        message = codec.decode(data)
        if isinstance(message, Raised):
            raise DeliveryError(f"the server raised {message.name}: {message.text}")
        if isinstance(message, Request):
            if message.handler != consts.HANDLE_PING:
                raise DeliveryError(f"the server asks for {message.handler}, which is no callback")
            self.out += codec.returned(message.number, message.args[0])
        elif message.number == GETROOT:
            self._root = message.value
            self.out += self._call(LOGIN, "login", *self._login)
        return []
