"""The frames of HTTP/2 for the decoder: their fields, by RFC 9113 and in its words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chat.domain.json_codec import shorten
from chat.interfaces.frames import MASK, Field
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""
HEADER_SIZE = 9
"""Bytes of a frame's header (RFC 9113, 4.1)."""


class Kind(IntEnum):
    """The types of frames (RFC 9113, 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

_NAMES = {kind.value: kind.name for kind in Kind}
_FLAGS: dict[int, dict[int, str]] = {
    Kind.DATA: {END_STREAM: "END_STREAM", PADDED: "PADDED"},
    Kind.HEADERS: {
        END_STREAM: "END_STREAM",
        END_HEADERS: "END_HEADERS",
        PADDED: "PADDED",
        PRIORITY: "PRIORITY",
    },
    Kind.SETTINGS: {ACK: "ACK"},
    Kind.PUSH_PROMISE: {END_HEADERS: "END_HEADERS", PADDED: "PADDED"},
    Kind.PING: {ACK: "ACK"},
    Kind.CONTINUATION: {END_HEADERS: "END_HEADERS"},
}
_SIZES: dict[int, int] = {Kind.PRIORITY: 5, Kind.RST_STREAM: 4, Kind.PING: 8, Kind.WINDOW_UPDATE: 4}
"""Bytes of the payload, where there is only one length."""
_OF_THE_CONNECTION = (Kind.SETTINGS, Kind.PING, Kind.GOAWAY)
"""They are on stream 0; those of a stream are not."""
_WITH_BLOCK = (Kind.HEADERS, Kind.PUSH_PROMISE, Kind.CONTINUATION)

_SETTINGS = {
    1: "SETTINGS_HEADER_TABLE_SIZE",
    2: "SETTINGS_ENABLE_PUSH",
    3: "SETTINGS_MAX_CONCURRENT_STREAMS",
    4: "SETTINGS_INITIAL_WINDOW_SIZE",
    5: "SETTINGS_MAX_FRAME_SIZE",
    6: "SETTINGS_MAX_HEADER_LIST_SIZE",
    8: "SETTINGS_ENABLE_CONNECT_PROTOCOL",  # RFC 8441
    9: "SETTINGS_NO_RFC7540_PRIORITIES",  # RFC 9218
    # gRPC's own, of its C core (src/core/ext/transport/chttp2/transport/http2_settings.h)
    0xFE03: "GRPC_ALLOW_TRUE_BINARY_METADATA",
    0xFE04: "GRPC_PREFERRED_RECEIVE_MESSAGE_SIZE",
    0xFE05: "GRPC_ALLOW_SECURITY_FRAME",
}
MAX_SETTINGS = 100
"""Settings of a frame that are shown one by one."""
_ERRORS = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""RFC 9113, 7."""
_SHOWN = 100
"""Characters of debug data."""


@dataclass(slots=True)
class Http2Frame:
    """A frame as RFC 9113 lays it out."""

    kind: int
    flags: int
    stream: int
    root: Field
    content: Field | None
    """The data, or the fragment of a header block, without padding; other types have fields of their own."""
    summary: str
    """What is in it; empty for those with a ``content``."""

    @property
    def name(self) -> str:
        return kind_name(self.kind)

    def has(self, flag: int) -> bool:
        """Return whether the flag is set; which flags there are depends on the type."""
        return bool(self.flags & flag)

    @property
    def ends_stream(self) -> bool:
        return self.kind in (Kind.DATA, Kind.HEADERS) and self.has(END_STREAM)


def kind_name(kind: int) -> str:
    """Return the type as RFC 9113 calls it."""
    return _NAMES.get(kind, f"type 0x{kind:02x}")


def read_header(data: bytes) -> Http2Frame:
    """Return a frame of which only the header is taken apart (RFC 9113, 4.1)."""
    size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
    stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
    name = kind_name(kind)
    root = Field(name, f"stream {stream}, {size} bytes", (0, len(data)))
    names = [flag_name for flag, flag_name in _FLAGS.get(kind, {}).items() if flags & flag]
    header = root.add("frame header", "", (0, HEADER_SIZE))
    header.add("Length", size, (0, 3))
    header.add("Type", f"{kind} {name}", (3, 4))
    header.add("Flags", f"0x{flags:02x} {', '.join(names)}".rstrip(), (4, 5))
    header.add("Stream Identifier", stream, (5, 9), "envelope")
    return Http2Frame(kind, flags, stream, root, None, "")


def read_payload(frame: Http2Frame, data: bytes) -> None:
    """Take the payload apart, too.

    Raises:
        Undecodable: it does not fit the type.
    """
    size = len(data) - HEADER_SIZE
    if frame.kind in _SIZES and size != _SIZES[frame.kind]:
        raise Undecodable(f"a {frame.name} frame of {size} bytes")
    either = frame.kind == Kind.WINDOW_UPDATE or frame.kind not in _NAMES
    if not either and (frame.kind in _OF_THE_CONNECTION) != (frame.stream == 0):
        raise Undecodable(f"a {frame.name} frame on stream {frame.stream}")
    match frame.kind:
        case Kind.DATA | Kind.HEADERS | Kind.PUSH_PROMISE | Kind.CONTINUATION:
            _padded(frame, data)
        case Kind.SETTINGS:
            _settings(frame, data)
        case Kind.PRIORITY:
            frame.summary = _priority(frame.root, data, HEADER_SIZE)
        case Kind.RST_STREAM:
            frame.summary = _error(frame.root, data, HEADER_SIZE)
        case Kind.PING:
            frame.summary = data[9:].hex()
            frame.root.add("Opaque Data", frame.summary, (9, 17), "envelope")
        case Kind.GOAWAY:
            _goaway(frame, data)
        case Kind.WINDOW_UPDATE:
            increment = int.from_bytes(data[9:], "big") & 0x7FFFFFFF
            frame.root.add("Window Size Increment", increment, (9, 13), "envelope")
            frame.summary = f"{increment} bytes more"
        case _:  # those that are not known are ignored (RFC 9113, 5.5)
            # Nothing says what is in it: a secret may be.
            frame.root.add("Payload", MASK, (HEADER_SIZE, len(data)), secret=True)
            frame.summary = f"{size} bytes"


def _padded(frame: Http2Frame, data: bytes) -> None:
    start, end = HEADER_SIZE, len(data)
    padded = frame.kind != Kind.CONTINUATION and frame.has(PADDED)
    if padded:
        if start == end:
            raise Undecodable("padded, and without the length of the padding")
        frame.root.add("Pad Length", data[start], (start, start + 1))
        end -= data[start]
        start += 1
    if frame.kind == Kind.HEADERS and frame.has(PRIORITY):
        _need(start + 5, end)
        _priority(frame.root, data, start)
        start += 5
    if frame.kind == Kind.PUSH_PROMISE:
        _need(start + 4, end)
        promised = int.from_bytes(data[start : start + 4], "big") & 0x7FFFFFFF
        frame.root.add("Promised Stream ID", promised, (start, start + 4), "envelope")
        start += 4
    _need(start, end)
    name = "Field Block Fragment" if frame.kind in _WITH_BLOCK else "Data"
    frame.content = frame.root.add(name, f"{end - start} bytes", (start, end), "envelope")
    if padded:
        padding = frame.root.add("Padding", f"{len(data) - end} bytes", (end, len(data)))
        if any(data[end:]):  # it must be zeros, and is something else
            padding.value, padding.secret = MASK, True


def _need(place: int, end: int) -> None:
    if place > end:
        raise Undecodable("the padding is longer than the payload")


def _settings(frame: Http2Frame, data: bytes) -> None:
    if (len(data) - HEADER_SIZE) % 6 or (frame.has(ACK) and len(data) > HEADER_SIZE):
        raise Undecodable(f"a SETTINGS frame of {len(data) - HEADER_SIZE} bytes")
    shown: list[str] = []
    for place in range(HEADER_SIZE, len(data), 6):
        if len(shown) == MAX_SETTINGS:
            frame.root.add("more settings", f"{len(data) - place} bytes", (place, len(data)), "envelope")
            break
        number = int.from_bytes(data[place : place + 2], "big")
        value = int.from_bytes(data[place + 2 : place + 6], "big")
        name = _SETTINGS.get(number, f"setting 0x{number:04x}")
        setting = frame.root.add(name, value, (place, place + 6), "envelope")
        setting.add("Identifier", number, (place, place + 2))
        setting.add("Value", value, (place + 2, place + 6))
        shown.append(f"{name.removeprefix('SETTINGS_')}={value}")
    frame.summary = "ACK" if frame.has(ACK) else shorten(", ".join(shown), _SHOWN * 3) or "the defaults"


def _priority(root: Field, data: bytes, at: int) -> str:
    number = int.from_bytes(data[at : at + 4], "big")
    depends = f"{number & 0x7FFFFFFF}{' exclusive' if number >> 31 else ''}"
    root.add("Stream Dependency", depends, (at, at + 4), "envelope")
    root.add("Weight", data[at + 4], (at + 4, at + 5), "envelope")
    return f"depends on stream {depends}, weight {data[at + 4]}"


def _error(root: Field, data: bytes, at: int) -> str:
    number = int.from_bytes(data[at : at + 4], "big")
    name = _ERRORS[number] if number < len(_ERRORS) else f"error {number}"
    root.add("Error Code", name, (at, at + 4), "envelope")
    return name


def _goaway(frame: Http2Frame, data: bytes) -> None:
    if len(data) < HEADER_SIZE + 8:
        raise Undecodable(f"a GOAWAY frame of {len(data) - HEADER_SIZE} bytes")
    last = int.from_bytes(data[9:13], "big") & 0x7FFFFFFF
    frame.root.add("Last-Stream-ID", last, (9, 13), "envelope")
    error = _error(frame.root, data, 13)
    frame.summary = f"{error}, last stream {last}"
    if len(data) > 17:
        text = one_line(data[17:], _SHOWN)
        frame.root.add("Additional Debug Data", text, (17, len(data)), "envelope")
        frame.summary += f", {text}"
