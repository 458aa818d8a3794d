"""The receipt of a message: what it cost on the wire, counted from the captured bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.interfaces.frames import Direction, Frame
from chat.language import N_
from chat.language.translation import decimal, translate
from lab.wire.levels import sizes
from lab.wire.trace import Trace

DEFINITION = N_(
    "text: its UTF-8 bytes, and how many times as much went over the wire. up, down: whole frames between "
    "this client and its server that carried the message's draft or its event, answered one of them, or "
    "asked for the event; of a frame with several events an equal part. Bytes are those of the connection: "
    "headers of IP and TCP are not counted, and with TLS they are what is inside. extra round trips: how "
    "often the client had to ask again before the event was here. ms: from the first byte of the draft to "
    "the last of the answer or of the event, whichever comes first."
)
"""What the figures mean, for people."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one message cost between this client and its server."""

    text: int
    """UTF-8 bytes of the text."""
    up: float
    """Bytes from the client to the server."""
    down: float
    """Bytes from the server to the client."""
    framing: float
    """Of all bytes those that only delimit."""
    envelope: float
    """Of all bytes those that say whose, what, where and which."""
    payload: float
    """Of all bytes those of the text as it was encoded, in both directions."""
    frames: int
    extra_round_trips: int
    seconds: float | None
    """None: it was not sent from here, or is not complete."""
    numbers: tuple[int, ...]
    """Of the frames, see `Frame.number`."""

    @property
    def overhead(self) -> float | None:
        """Bytes on the wire for each byte of the text; None: there is no text."""
        return (self.up + self.down) / self.text if self.text else None

    def __str__(self) -> str:
        trips, frames, up, down = self.extra_round_trips, self.frames, f"{self.up:.0f}", f"{self.down:.0f}"
        parts = [
            translate(f"{self.text} B text"),
            translate(f"{up} B up / {down} B down"),
            translate(f"{frames} frame{'s' * (frames != 1)}"),
            translate(f"{trips} extra round trip{'s' * (trips != 1)}"),
        ]
        if self.seconds is not None:
            parts.append(decimal(f"{self.seconds * 1000:.1f} ms"))
        return " · ".join(parts)


def receipt(trace: Trace, text: str, seq: int, n: int = 0) -> Receipt | None:
    """Return what a message cost; None if no frame of it was captured, or none is kept.

    Args:
        trace: of the connection of this client.
        text: of the message.
        seq: of its event; 0: not known yet.
        n: the number of its draft, if it is this client's own.
    """
    frames = _frames(trace, seq, n)
    if not frames:
        return None
    up = down = 0.0
    parts = {"framing": 0.0, "envelope": 0.0, "payload": 0.0}
    for frame in frames:
        share = 1 / max(1, len(frame.seqs), len(frame.drafts))
        size = len(frame.data) * share
        if frame.direction is Direction.UP:
            up += size
        else:
            down += size
        for part, of_it in sizes(frame).items():
            parts[part] += of_it * share
    return Receipt(
        len(text.encode()),
        up,
        down,
        parts["framing"],
        parts["envelope"],
        parts["payload"],
        len(frames),
        max(0, _asked(frames) - 1),
        _seconds(frames, seq, n),
        tuple(frame.number for frame in frames),
    )


def _frames(trace: Trace, seq: int, n: int) -> list[Frame]:
    """Return the frames of a message, and the polls that its event answered, in their order."""
    found = {frame.number: frame for frame in trace.of_message(seq, n) if frame.role != "setup"}
    for frame in list(found.values()):
        if frame.answer and frame.direction is Direction.DOWN:
            asked = [
                one
                for one in trace.exchange(frame)
                if one.direction is Direction.UP and one.role == "poll" and one.number < frame.number
            ]
            found.update({one.number: one for one in asked})
    return [found[number] for number in sorted(found)]


def _asked(frames: Sequence[Frame]) -> int:
    """Return how often the client began to ask: once, and again after each answer. To answer is no asking."""
    turns = 0
    before = Direction.DOWN
    for frame in frames:
        if frame.answer and frame.direction is Direction.UP:
            continue
        turns += frame.direction is Direction.UP and before is Direction.DOWN
        before = frame.direction
    return turns


def _seconds(frames: Sequence[Frame], seq: int, n: int) -> float | None:
    sent = [frame.began for frame in frames if frame.direction is Direction.UP and n in frame.drafts]
    answered = [
        frame.ended
        for frame in frames
        if frame.direction is Direction.DOWN and (seq in frame.seqs or n in frame.drafts)
    ]
    return min(answered) - min(sent) if sent and answered else None
