"""The frames of a capture: bounded, right again behind a hole, and safe from a decoder that fails."""

from __future__ import annotations

import pytest

import backends
from chat.interfaces.frames import Direction, Field, Frame, FrameDecoder
from lab.wire.capture import Capture, Connection
from lab.wire.trace import FIELD_BYTES, MAX_BYTES, Trace

UP, DOWN = Direction


class Lines(FrameDecoder):
    """One frame a line; the smallest decoder."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self._rest = {UP: b"", DOWN: b""}

    def feed(self, direction: Direction, data: bytes, at: float = 0.0) -> list[Frame]:
        *lines, self._rest[direction] = (self._rest[direction] + data).split(b"\n")
        return [self._frame(direction, line + b"\n", at) for line in lines]

    def end(self, direction: Direction, at: float = 0.0) -> list[Frame]:
        rest, self._rest[direction] = self._rest[direction], b""
        return [self._frame(direction, rest, at)] if rest else []

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        return self.end(direction, at)

    def _frame(self, direction: Direction, data: bytes, at: float) -> Frame:
        frame = Frame("lines", "line", data, Field("line", "", (0, len(data))), data.decode().strip())
        frame.role, frame.direction, frame.began, frame.ended = "message", direction, at, at
        frame.stream = "1"
        return frame


class Faulty(Lines):
    """Breaks the promise that no method raises."""

    def feed(self, direction: Direction, data: bytes, at: float = 0.0) -> list[Frame]:
        if b"trap" in data:
            raise RuntimeError("fails on purpose")
        return super().feed(direction, data, at)

    def end(self, direction: Direction, at: float = 0.0) -> list[Frame]:
        raise RuntimeError("fails at the end, too")


class Clock:
    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def begun(make: type[FrameDecoder] = Lines, **bounds: int) -> tuple[Trace, Connection]:
    mine = {name: bounds.pop(name) for name in ("max_chunks",) if name in bounds}
    capture = Capture(clock=Clock(), **mine)
    return Trace(capture, lambda transport: make(), **bounds), capture.connection(
        "tcp", "client:1", "server:2"
    )


def everything(trace: Trace) -> list[Frame]:
    """Decode all that was recorded."""
    frames = trace.update()
    while trace.behind or trace.capture.waiting:
        frames += trace.update()
    return frames


def test_frames_are_numbered_and_notes_are_frames_without_bytes() -> None:
    trace, connection = begun()
    trace.capture.add(connection, UP, b"one\ntw")
    trace.capture.add(connection, UP, b"o\n")
    trace.capture.note(connection, UP, "closed", "cut")
    frames = everything(trace)
    assert [(one.number, one.connection, one.kind, one.summary) for one in frames] == [
        (1, 1, "opened", "client:1 to server:2"),
        (2, 1, "line", "one"),
        (3, 1, "line", "two"),
        (4, 1, "closed", "cut"),
    ]
    assert list(trace.frames) == frames
    assert trace.exchange(frames[1]) == frames[1:3]
    assert trace.connections == {1: connection}


def test_totals_count_what_is_not_kept_any_more() -> None:
    trace, connection = begun(max_frames=10)
    for number in range(100):
        trace.capture.add(connection, UP, f"{number:03}\n".encode())
    everything(trace)
    assert [one.summary for one in trace.frames] == [f"{number:03}" for number in range(90, 100)]
    assert trace.gone == 91
    assert trace.sizes["message", UP] == 400
    assert trace.counts["message", UP] == 100


def test_of_too_many_bytes_the_oldest_frames_go() -> None:
    trace, connection = begun(max_bytes=10 * (100 + FIELD_BYTES))  # each line is one field
    for _ in range(50):
        trace.capture.add(connection, UP, b"x" * 99 + b"\n")
    everything(trace)
    assert len(trace.frames) == 10
    trace.capture.add(connection, UP, b"x" * 10_000 + b"\n")
    everything(trace)
    assert not trace.frames, "it alone is too much"
    assert trace.sizes["message", UP] == 15_001


def test_the_bounds_of_a_trace() -> None:
    trace, connection = begun()
    for _ in range(6_000):
        trace.capture.add(connection, UP, b"x\n")
    everything(trace)
    assert len(trace.frames) == 5_000
    for _ in range(30):
        trace.capture.add(connection, UP, b"x" * 1024 * 1024 + b"\n")
        everything(trace)
    assert sum(len(one.data) for one in trace.frames) <= MAX_BYTES == 24 * 1024 * 1024


def test_a_step_ends_in_time_and_the_rest_comes_next() -> None:
    trace, connection = begun()
    for _ in range(10):
        trace.capture.add(connection, UP, b"x\n")
    assert len(trace.update(0.0)) == 1
    assert trace.behind == 10
    assert len(everything(trace)) == 10


def test_what_waits_to_be_decoded_is_bounded_too() -> None:
    """Nobody decodes as fast as a bulk transfer comes: what is too much is a hole, not memory."""
    trace, connection = begun(max_chunks=100)
    for number in range(5_000):
        trace.capture.add(connection, UP, b"x\n")
        if number % 10 == 0:
            trace.update(0.0)
        assert trace.behind + trace.capture.waiting <= 2 * 100
    frames = everything(trace)
    assert any(one.kind == "not kept" for one in frames)
    assert connection.sizes == [10_000, 0]


def test_a_hole_is_said_and_the_places_behind_it_are_right() -> None:
    trace, connection = begun(max_chunks=3)
    trace.capture.add(connection, UP, b"first\nsec")
    everything(trace)
    for number in range(5):
        trace.capture.add(connection, UP, f"lost {number}\n".encode())
    frames = everything(trace)
    assert [(one.kind, one.data, one.summary) for one in frames[:2]] == [
        ("line", b"sec", "sec"),
        ("not kept", b"", "14 bytes"),
    ]
    assert frames[1].problem == "not kept: 14 bytes"
    assert [one.summary for one in frames[2:]] == ["lost 2", "lost 3", "lost 4"]


@pytest.mark.parametrize("name", backends.KNOWN)
def test_every_technique_goes_on_behind_a_hole(name: str) -> None:
    label = backends.technique(name)
    capture = Capture(clock=Clock(), max_chunks=2)
    transport = label.traits.transport
    connection = capture.connection(transport, "127.0.0.1:1", "127.0.0.1:2")
    trace = Trace(capture, label.load_decoder())
    capture.add(connection, DOWN, b"\x00\x01half of")
    everything(trace)
    for _ in range(5):
        capture.add(connection, DOWN, b"in the middle of something\n")
    frames = everything(trace)
    (hole,) = [one for one in frames if one.kind == "not kept"]
    assert hole.problem == "not kept: 81 bytes"
    assert b"".join(one.data for one in frames).endswith(b"in the middle of something\n" * 2)
    assert all(one.problem for one in frames if one.data), "nothing is made of it that it is not"


def test_a_decoder_that_fails_ruins_its_own_connection_only() -> None:
    trace, connection = begun(Faulty)
    other = trace.capture.connection("tcp", "client:3", "server:2")
    trace.capture.add(connection, UP, b"good\n")
    trace.capture.add(connection, UP, b"a trap\n")
    trace.capture.add(connection, DOWN, b"more\n")
    trace.capture.add(other, UP, b"fine\n")
    trace.capture.note(connection, UP, "closed")
    frames = everything(trace)
    assert [one.data for one in frames if one.data] == [b"good\n", b"a trap\n", b"more\n", b"fine\n"]
    of_it = [one for one in frames if one.connection == 1 and one.data]
    assert of_it[1].problem == "the decoder failed: RuntimeError: fails on purpose"
    assert of_it[1].role == "raw"
    assert frames[-1].kind == "closed"
    assert trace.sizes["message", UP] + trace.sizes["raw", UP] == 17


def test_connections_are_forgotten_when_they_end() -> None:
    trace, _ = begun(max_frames=100)
    for number in range(1_000):
        connection = trace.capture.connection("tcp", f"client:{number}", "server:2")
        trace.capture.add(connection, UP, b"x\n")
        trace.capture.note(connection, UP, "closed")
        trace.update()
    everything(trace)
    assert len(trace._connections) == 1, "the first one is open"
    assert len(trace.connections) <= 100 + 500


def test_connections_whose_end_was_not_kept_are_forgotten_too() -> None:
    trace, _ = begun(max_chunks=4, max_frames=100)
    for number in range(500):
        connection = trace.capture.connection("tcp", f"client:{number}", "server:2")
        trace.capture.add(connection, UP, b"begun")
        everything(trace)
        trace.capture.note(connection, UP, "closed")
        other = trace.capture.connection("udp", "client:0", "server:2")
        for _ in range(10):
            trace.capture.add(other, UP, b"x\n")
        trace.capture.note(other, UP, "closed")
        everything(trace)
    assert len(trace._connections) <= 10
