"""The frame of one JSON object of the line protocols: a line of a stream, or a datagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.interfaces.frames import Direction, Field, Frame, Role
from chat.transport.decoding.json_fields import call_of, stream_of, summary_of, take_note
from chat.transport.decoding.text import one_line

ROLES: Mapping[str, Role] = {
    "hello": "setup",
    "welcome": "setup",
    "leave": "setup",
    "ping": "control",
    "pong": "control",
}
"""By the kind of the object; any other one is a ``message``."""
MAX_KIND = 40
"""Characters of a kind that are shown."""


def object_frame(
    protocol: str,
    data: bytes,
    root: Field,
    value: Any,
    direction: Direction,
    roles: Mapping[str, Role] = ROLES,
) -> Frame:
    """Return the frame that holds an object of the line protocols.

    Args:
        protocol: see `Frame.protocol`.
        data: all bytes of the frame.
        root: the fields of all of them.
        value: the object, or any other JSON value of a peer.
        direction: what comes down answers.
        roles: see `ROLES`.
    """
    kind = value.get("kind") if isinstance(value, dict) else None
    kind = kind if isinstance(kind, str) else ""
    shown = one_line(kind, MAX_KIND) or "no kind"
    frame = Frame(protocol, shown, data, root, summary_of(value), roles.get(kind, "message"))
    frame.call = call_of(value)
    if isinstance(value, dict):
        take_note(frame, value)
        frame.stream = stream_of(value)
    frame.answer = direction is Direction.DOWN
    return frame
