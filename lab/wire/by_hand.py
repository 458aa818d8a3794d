"""Stop the wire, and decide by hand what becomes of each frame that waits."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from chat.domain.errors import BadRequest
from chat.interfaces.frames import Direction, Frame
from chat.language import N_
from lab.wire.lane import Lane
from lab.wire.tap import Tap

Deed = Literal["pass", "delay", "drop", "duplicate", "swap", "change"]
DELAY = 1.0
"""Seconds after which a frame passes that is delayed by hand."""
NOT_ON_A_STREAM: dict[Deed, str] = {
    "drop": N_("a stream loses nothing: TCP would send it again. Delay it, or stop the wire for longer"),
    "duplicate": N_("a stream delivers each byte once: TCP throws a second copy away"),
    "swap": N_("a stream keeps its order: TCP would put it back into its place"),
}
"""Why it can't be done to a frame of a stream."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes that wait at a stopped wire."""

    connection: int
    direction: Direction
    start: int
    """Bytes of this direction before them, see `Frame.place`."""
    end: int
    came: float
    """When, by the tap's clock; to see which are the oldest."""


def waiting(tap: Tap) -> list[Waiting]:
    """Return what waits, in each direction in the order in which it will pass. Blocks for a moment."""
    return tap.with_lanes(
        lambda lanes: [
            Waiting(lane.connection.number, lane.direction, piece.start, piece.end, piece.came)
            for lane in lanes
            for piece in lane.waiting
        ]
    )


def waiting_frames(frames: Iterable[Frame], held: Iterable[Waiting]) -> set[int]:
    """Return the numbers of the frames of which at least a part waits."""
    ranges: dict[tuple[int, Direction], list[tuple[int, int]]] = {}
    for one in held:
        ranges.setdefault((one.connection, one.direction), []).append((one.start, one.end))
    for places in ranges.values():
        places.sort()
    found = set()
    for frame in frames:
        places = ranges.get((frame.connection, frame.direction), [])
        index = bisect_left(places, (frame.place + len(frame.data), 0)) - 1
        if frame.data and index >= 0 and places[index][1] > frame.place:
            found.add(frame.number)
    return found


def oldest(frames: Iterable[Frame], held: Iterable[Waiting]) -> Frame | None:
    """Return the frame that has waited longest and is the next of its direction; None: none waits."""
    heads: dict[tuple[int, Direction], Waiting] = {}
    for one in held:
        heads.setdefault((one.connection, one.direction), one)
    for head in sorted(heads.values(), key=lambda one: one.came):
        if numbers := waiting_frames(frames, [head]):
            return next(frame for frame in frames if frame.number in numbers)
    return None


def do(tap: Tap, deed: Deed, frame: Frame, byte: int = 0, *, encrypted: bool = False) -> str:
    """Do something to a frame that waits. Blocks for a moment.

    Args:
        tap: at which it waits.
        deed: what to do.
        frame: to what.
        byte: which byte to change, counted in the frame.
        encrypted: the connection has TLS.

    Returns:
        What was done, for people.

    Raises:
        BadRequest: it does not wait, or this can't be done to it; the text says why.
    """
    if deed == "change" and encrypted:
        raise BadRequest("TLS notices a changed byte, and ends the connection: nobody can read it")
    return tap.with_lanes(lambda lanes: _do(_lane(lanes, frame), deed, frame, byte))


def _lane(lanes: list[Lane], frame: Frame) -> Lane:
    for lane in lanes:
        if lane.connection.number == frame.connection and lane.direction is frame.direction:
            if lane.find(frame.place) is not None or lane.find(frame.place + len(frame.data) - 1) is not None:
                return lane
            break
    raise BadRequest("this frame has passed: stop the wire with s, and choose one that waits (‖)")


def _do(lane: Lane, deed: Deed, frame: Frame, byte: int) -> str:
    if lane.ordered and deed in NOT_ON_A_STREAM:
        raise BadRequest(NOT_ON_A_STREAM[deed])
    if deed == "delay":
        asyncio.get_running_loop().call_later(DELAY, _pass_late, lane, frame)
        return N_(f"passes in {DELAY:.0f} s" + (", and what is before it too" if lane.ordered else ""))
    if deed == "change":
        place = frame.place + min(byte, len(frame.data) - 1)
        if lane.find(place) is None:
            raise BadRequest("this byte has passed: the frame has begun to pass")
        lane.change(place)
        number = place - frame.place
        return N_(f"byte {number} changed")
    if lane.ordered:
        before = lane.waiting[0].start < frame.place
        lane.let_pass(frame.place + len(frame.data))
        return N_("passed, with what was before it: a stream keeps its order") if before else N_("passed")
    return _do_to_datagram(lane, deed, frame)


def _do_to_datagram(lane: Lane, deed: Deed, frame: Frame) -> str:
    index = lane.find(frame.place)
    assert index is not None
    if deed == "swap":
        if index + 1 >= len(lane.waiting):
            raise BadRequest("none waits behind it in its direction: let one more come, then swap")
        lane.swap(index)
        return N_("passes after the next one")
    copies: dict[Deed, Callable[[int], tuple[int, str]]] = {
        "pass": lambda now: (now, N_("passed")),
        "drop": lambda now: (0, N_("dropped by hand")),
        "duplicate": lambda now: (2, N_("passed twice")),
    }
    count, done = copies[deed](lane.waiting[index].copies)
    lane.let_pass_alone(index, count)
    return done


def _pass_late(lane: Lane, frame: Frame) -> None:
    """Let a frame pass that was delayed, unless it has passed already."""
    if lane.ordered:
        lane.let_pass(frame.place + len(frame.data))
    elif (index := lane.find(frame.place)) is not None:
        lane.let_pass_alone(index, lane.waiting[index].copies)
