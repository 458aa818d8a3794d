"""Decodes the datagrams for whoever looks at the wire: a frame a datagram."""

from __future__ import annotations

from backends.udp.message_auth import has_trailer
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role, raw_frame
from chat.transport.decoding.json_fields import add_json
from chat.transport.decoding.json_frames import ROLES, object_frame
from chat.transport.decoding.secrets import mark_secrets
from chat.transport.decoding.stream import DatagramDecoder, Undecodable, why

_ROLES: dict[str, Role] = {
    **ROLES,
    "cookie": "setup",
    "end": "setup",
    "away": "setup",
    "gone": "setup",
    "names": "poll",  # what is missing, and that nothing is: no event is in the answer
}


def make_decoder(transport: str) -> UdpDecoder:
    """Return the decoder of one client's datagrams; what carries them is always UDP."""
    return UdpDecoder()


class UdpDecoder(DatagramDecoder):
    """The datagrams of `docs/datagrams.md`."""

    def __init__(self) -> None:
        self._opening = False
        """A hello has come, and no welcome yet: an ``end`` is its answer."""

    def parse(self, direction: Direction, data: bytes) -> Frame:
        root = Field("datagram", f"{len(data)} bytes", (0, len(data)))
        end = data.rindex(b"\n") if has_trailer(data) and b"\n" in data else len(data)
        body = root.add("object", "", (0, end), "envelope")
        try:
            value = add_json(body, data[:end])
        except Undecodable as error:
            return _raw(data, end, why(error))
        if end < len(data):
            _add_trailer(root, data, end)
        frame = object_frame("JSON datagram", data, root, value, direction, _ROLES)
        if frame.kind == "hello":
            for field in body.fields:
                if field.name == "pad":
                    field.part = "framing"
            self._opening = True
        if frame.kind in ("hello", "cookie", "welcome") or (frame.kind == "end" and self._opening):
            frame.stream = "handshake"
        if frame.kind in ("welcome", "end"):
            self._opening = False
        return frame


def _raw(data: bytes, end: int, problem: str) -> Frame:
    """Return a raw frame: the secrets in it are masked, as far as they can be found."""
    frame = raw_frame(data, problem)
    mark_secrets(frame.root, data[:end])
    if end < len(data):
        _add_trailer(frame.root, data, end)
    return frame


def _add_trailer(root: Field, data: bytes, begin: int) -> None:
    """Add the counter and the MAC; nothing is verified."""
    space = data.rindex(b" ")
    root.add("newline", "\\n", (begin, begin + 1))
    root.add("counter", data[begin + 1 : space].decode(), (begin + 1, space), "envelope")
    root.add("space", "", (space, space + 1))
    root.add("MAC", MASK, (space + 1, len(data)), "envelope", secret=True)
