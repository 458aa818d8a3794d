"""Writes frames as a capture file that Wireshark opens (pcapng, draft-ietf-opsawg-pcapng).

The tap saw connections, not packets. So each frame becomes one segment or datagram, with headers made for it:
their addresses, sequence numbers and checksums are right, their number and sizes are not those of the
network. What the frame means is its packet's comment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import BinaryIO

from chat.interfaces.frames import Direction, Frame
from lab.wire.capture import Connection
from lab.wire.masking import shown_bytes

SEGMENT = 16_384
"""Bytes of the longest segment."""
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_FIRST = (1_000, 5_000)  # the initial sequence numbers, by direction
_TCP, _UDP = 6, 17
_RAW_IP = 101  # LINKTYPE_RAW
_UNKNOWN = IPv4Address("192.0.2.1")  # for a host that is known by its name (RFC 5737)

Host = IPv4Address | IPv6Address
Place = tuple[Host, int]


class CaptureFile:
    """A capture file that is written while frames come."""

    def __init__(
        self, file: BinaryIO, began: float, *, port: int | None = None, secrets: bool = False
    ) -> None:
        """Begin the file.

        Args:
            file: where to.
            began: `Capture.began`.
            port: of the server, where Wireshark knows the protocol by it; None: the real one.
            secrets: write tokens, keys and passwords as they are.

        Raises:
            OSError: the file can't be written; so do the other methods.
        """
        self._writer = _Writer(file)
        self._began, self._port, self._secrets = began, port, secrets
        self._conversations: dict[int, _Conversation] = {}

    @property
    def packets(self) -> int:
        """How many were written."""
        return self._writer.packets

    def add(self, frames: Iterable[Frame], connections: Mapping[int, Connection]) -> None:
        """Write frames, in their order.

        Args:
            frames: what was decoded.
            connections: of the frames, by number.
        """
        for frame in frames:
            one = self._conversations.get(frame.connection)
            if one is None:
                connection = connections[frame.connection]
                one = _Conversation(self._writer, connection, self._began, self._port)
                self._conversations[frame.connection] = one
            one.add(frame, shown_bytes(frame, secrets=self._secrets))
            if frame.kind in ("closed", "refused") and not frame.data:
                del self._conversations[frame.connection]


class _Conversation:
    """One connection: the places of its ends, and how far each direction has come."""

    def __init__(self, writer: _Writer, connection: Connection, began: float, port: int | None) -> None:
        self._writer, self._connection, self._began = writer, connection, began
        server = _place(connection.server)
        self._ends = _place(connection.client), (server[0], port or server[1])
        if self._ends[0][0].version != server[0].version:
            self._ends = (IPv4Address("127.0.0.1"), self._ends[0][1]), (_UNKNOWN, self._ends[1][1])
        self._next = [_FIRST[0] + 1, _FIRST[1] + 1]  # sequence numbers
        self._place: list[int | None] = [None, None]  # in the direction's bytes, of the next one
        self._over = [False, False]
        self._open = False

    def add(self, frame: Frame, data: bytes) -> None:
        at = frame.ended + self._began
        if self._connection.transport == "udp":
            if data:
                self._packet(frame.direction, at, _udp(*self._way(frame.direction), data), _about(frame))
            return
        self._begin(at)
        way = frame.direction
        if not data:
            if frame.kind in ("ended", "closed", "refused"):
                self._end(frame, at)
            return
        place = self._place[way]
        if place is not None:  # bytes that were not kept in between leave a gap as wide as they were
            self._next[way] += frame.offset - place
        self._place[way] = frame.offset + len(data)
        for start in range(0, len(data), SEGMENT):
            part = data[start : start + SEGMENT]
            last = start + SEGMENT >= len(data)
            self._segment(way, at, PSH | ACK if last else ACK, part, _about(frame) if last else "")

    def _begin(self, at: float) -> None:
        """The handshake, as if the first frame that is kept was the first of all."""
        if self._open:
            return
        self._open = True
        at = min(at, self._connection.opened + self._began)
        for way, flags in ((Direction.UP, SYN), (Direction.DOWN, SYN | ACK)):
            ack = _FIRST[Direction.UP] + 1 if way is Direction.DOWN else 0
            segment = _tcp(*self._way(way), _FIRST[way], ack, flags, b"")
            self._packet(way, at, segment, "")
        self._segment(Direction.UP, at, ACK, b"", "")

    def _end(self, frame: Frame, at: float) -> None:
        broken = frame.kind == "refused" or bool(frame.summary)
        ways = [frame.direction] if frame.kind == "ended" else list(Direction)
        for way in ways:
            if not self._over[way]:
                self._over[way] = True
                self._segment(way, at, RST | ACK if broken else FIN | ACK, b"", _about(frame))
                if broken:
                    self._over = [True, True]

    def _segment(self, way: Direction, at: float, flags: int, data: bytes, comment: str) -> None:
        seq, ack = self._next[way], self._next[way.back]
        segment = _tcp(*self._way(way), seq, ack, flags, data)
        self._next[way] = seq + len(data) + bool(flags & FIN)
        self._packet(way, at, segment, comment)

    def _way(self, way: Direction) -> tuple[Place, Place]:
        return self._ends if way is Direction.UP else (self._ends[1], self._ends[0])

    def _packet(self, way: Direction, at: float, packet: bytes, comment: str) -> None:
        self._writer.packet(at, way, packet, comment)


def _about(frame: Frame) -> str:
    about = frame.problem or frame.summary
    return f"{frame.protocol} {frame.kind}: {about}" if about else f"{frame.protocol} {frame.kind}"


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    try:
        return ip_address(host.strip("[]").partition("%")[0]), int(port)
    except ValueError:
        return _UNKNOWN, int(port) if port.isdigit() else 0


# --- packets -----------------------------------------------------------------------------------


def _ip(protocol: int, source: Host, target: Host, body: bytes) -> bytes:
    """Return an IP packet (RFC 791, RFC 8200)."""
    if isinstance(source, IPv6Address):
        head = struct.pack(">IHBB", 6 << 28, len(body), protocol, 64)
        return head + source.packed + target.packed + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0)
    head += source.packed + target.packed
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + body


def _tcp(source: Place, target: Place, seq: int, ack: int, flags: int, data: bytes) -> bytes:
    """Return a segment in its packet (RFC 9293)."""
    head = struct.pack(">HHIIBBHHH", source[1], target[1], seq % 2**32, ack % 2**32, 0x50, flags, 65535, 0, 0)
    check = _checksum(_pseudo(_TCP, source[0], target[0], len(head) + len(data)) + head + data)
    return _ip(_TCP, source[0], target[0], head[:16] + struct.pack(">H", check) + head[18:] + data)


def _udp(source: Place, target: Place, data: bytes) -> bytes:
    """Return a datagram in its packet (RFC 768)."""
    head = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0)
    check = _checksum(_pseudo(_UDP, source[0], target[0], 8 + len(data)) + head + data) or 0xFFFF
    return _ip(_UDP, source[0], target[0], head[:6] + struct.pack(">H", check) + data)


def _pseudo(protocol: int, source: Host, target: Host, size: int) -> bytes:
    """Return the pseudo header that the checksum counts, too."""
    if isinstance(source, IPv6Address):
        return source.packed + target.packed + struct.pack(">II", size, protocol)
    return source.packed + target.packed + struct.pack(">BBH", 0, protocol, size)


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


# --- the file ----------------------------------------------------------------------------------


class _Writer:
    """Blocks of a pcapng file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.packets = 0
        self._block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(4, b"chat") + _option(0))
        nanoseconds = _option(9, b"\x09")
        self._block(1, struct.pack("<HHI", _RAW_IP, 0, 0) + _option(2, b"tap") + nanoseconds + _option(0))

    def packet(self, at: float, way: Direction, packet: bytes, comment: str) -> None:
        """Write a packet.

        Args:
            at: seconds since the epoch.
            way: its direction, as the client sees it.
            packet: from the IP header on.
            comment: UTF-8.
        """
        self.packets += 1
        stamp = int(at * 1e9)
        head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(packet), len(packet))
        options = _option(2, struct.pack("<I", 1 if way is Direction.DOWN else 2))  # inbound, outbound
        if comment:
            options = _option(1, comment.encode(errors="replace")) + options
        self._block(6, head + _padded(packet) + options + _option(0))

    def _block(self, kind: int, body: bytes) -> None:
        size = struct.pack("<I", len(body) + 12)
        self._file.write(struct.pack("<I", kind) + size + body + size)


def _option(code: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
