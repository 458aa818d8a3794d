"""The load generator for calls over ONC RPC: one connection, several calls outstanding. It checks each
answer.

`lab.bench.comparison` starts it as ``python -m lab.bench.calls_sink``; see `lab.bench.load`.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from struct import Struct

from backends.oncrpc.codec import LAST, MAX_REPLY, RecordReader, mark, read_reply, write_call
from lab.bench.checker import DeliveryError
from lab.bench.dialects import DIGITS
from lab.bench.echo import REPLY_BYTES
from lab.bench.load import CONNECT_TIMEOUT, READ_BYTES, Connected, Load, Pace, Target, serve
from protos.chat_xdr import (
    CHAT_JOIN,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    CHAT_V1,
    join_args,
    join_ok,
    join_res,
)

TEXT_BYTES = 42
KEY_BYTES = 22  # of a seat key
_FILLER = b"." * (TEXT_BYTES - DIGITS)
_NULL = Struct(">II36s")  # record mark, xid, the rest of the header
_SEND = Struct(f">II36sI{KEY_BYTES}s2xQI{TEXT_BYTES}s2x")  # and send_args, with their padding
_HEADS = {
    procedure: write_call(0, CHAT_PROG, CHAT_V1, procedure, None)[4:] for procedure in (CHAT_NULL, CHAT_SEND)
}
_SUCCESS = Struct(">5I").pack(1, 0, 0, 0, 0)  # REPLY, ACCEPTED, an empty verifier, SUCCESS
_NULL_REPLY = Struct(">4sI20s")  # record mark, xid, the rest of the header
_SEND_REPLY = Struct(">4sI20sIQQ")  # and CHAT_OK, the draft's number, the seq
_ECHO_REPLY = Struct(f">4sI{REPLY_BYTES - 4}s")


# Calls are built from prepared bytes: the generated classes would cost more than NULL costs a server.


def null_call(number: int) -> bytes:
    """Return a call of NULL with this xid."""
    return _NULL.pack(LAST | _NULL.size - 4, number, _HEADS[CHAT_NULL])


def send_call(number: int, key: bytes) -> bytes:
    """Return a call of SEND with this xid, seat key, and the number as the draft's."""
    text = b"%010d" % number + _FILLER
    head = _HEADS[CHAT_SEND]
    return _SEND.pack(LAST | _SEND.size - 4, number, head, KEY_BYTES, key, number, TEXT_BYTES, text)


class Caller(Load):
    """The client. The calls are numbered from 1; the number is the xid and the draft's n."""

    what = "calls were not answered"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._kind = target.dialect
        self._socket = socket.create_connection((target.host, target.port), timeout=CONNECT_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reply = {"null": _NULL_REPLY, "send": _SEND_REPLY, "echo": _ECHO_REPLY}[self._kind]
        self._mark = mark(bytes(self._reply.size - 4))[:4]
        self._key = b"k" * KEY_BYTES
        echoed = self._call(0)[8:][: REPLY_BYTES - 4]
        self._head = echoed if self._kind == "echo" else _SUCCESS  # what follows the xid
        self._out = bytearray()
        self._data = b""
        self._seq = 0
        self._since: dict[int, float] = {}  # when each outstanding call was sent
        self._answers: list[float] = []  # when the calls that are answered now were sent

    def connect(self) -> Connected:
        if self._kind == "send":
            self._key = self._join().encode()
        self._socket.setblocking(False)
        return Connected(connects=0.0, client_bytes=0.0, sent=0)

    def _join(self) -> str:
        """Take a seat; return its key."""
        join = join_args("bench", "b0", "", "", None)
        self._socket.sendall(mark(write_call(0, CHAT_PROG, CHAT_V1, CHAT_JOIN, join)))
        reader = RecordReader(MAX_REPLY)
        while True:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise DeliveryError("the server has closed the connection")
            for record in reader.feed(data):
                joined = join_res.unpack(read_reply(record))
                if not isinstance(joined.value, join_ok):
                    raise DeliveryError(f"the caller was not let in: {joined.status.name}")
                return joined.value.seat_key

    def _offer(self, pace: Pace, now: float) -> None:
        for since in pace.due(now, len(self._since)):
            self._sent += 1
            self._since[self._sent] = since
            self._out += self._call(self._sent)
        if self._out:
            with suppress(BlockingIOError):
                del self._out[: self._socket.send(self._out)]

    def _take(self, pace: Pace) -> bool:
        self._answers = self._receive()
        return bool(self._answers)

    def _done(self) -> list[float]:
        answers, self._answers = self._answers, []
        return answers

    def _under_way(self) -> int:
        return len(self._since)

    def _call(self, number: int) -> bytes:
        return null_call(number) if self._kind == "null" else send_call(number, self._key)

    def _receive(self) -> list[float]:
        """Read the answers that have come; return when their calls were sent. Raises `DeliveryError`."""
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise DeliveryError("the server has closed the connection")
        data = self._data + data
        whole = len(data) - len(data) % self._reply.size
        self._data = data[whole:]
        answered = [self._answered(*reply) for reply in self._reply.iter_unpack(data[:whole])]
        if not self._mark.startswith(self._data[:4]):  # a refusal may be shorter than the expected answer
            raise DeliveryError(f"{self._data!r} is not the answer to a call of this kind")
        return answered

    def _answered(
        self, begin: bytes, number: int, head: bytes, status: int = 0, n: int = 0, seq: int = 0
    ) -> float:
        if begin != self._mark or head != self._head or status:
            raise DeliveryError(f"call {number} was answered with {begin + head!r}, status {status}")
        if self._kind == "send":
            if n != number or seq <= self._seq:
                raise DeliveryError(f"message {number} was answered as {n} with seq {seq}, after {self._seq}")
            self._seq = seq
        since = self._since.pop(number, None)
        if since is None:
            raise DeliveryError(f"call {number} was answered twice, or never made")
        return since


if __name__ == "__main__":
    serve(Caller)
