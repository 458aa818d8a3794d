"""What receipts and levels make of the kept captures (docs/captures): one message over each technique."""

from __future__ import annotations

from pathlib import Path

import pytest

import backends
from chat.interfaces.frames import Direction
from lab.wire.levels import lines
from tests.support.captures import Piece, check_frames
from tests.support.kept_captures import TEXT, Kept, seen


@pytest.mark.parametrize("name", backends.KNOWN)
def test_every_byte_of_a_kept_capture_is_in_a_field(name: str) -> None:
    kept = Kept.load(name)
    one = seen(name)
    frames = [frame for frame in one.trace.frames if frame.data]
    check_frames(
        frames, [Piece(read.connection, kept.transport, read.direction, read.data) for read in kept.reads]
    )
    assert [frame.problem for frame in frames if frame.problem] == []


def test_what_is_saved_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept.load("grpc")
    monkeypatch.setattr("tests.support.kept_captures.FOLDER", tmp_path)
    kept.save()
    assert Kept.load("grpc") == kept


@pytest.mark.parametrize("name", backends.KNOWN)
def test_the_text_went_up_once_and_came_down_once(name: str) -> None:
    one = seen(name)
    ways = [frame.direction for frame in one.message if TEXT in frame.texts]
    assert sorted(ways) == [Direction.UP, Direction.DOWN]
    assert one.receipt.payload == 2 * len(TEXT)


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_receipt_adds_up(name: str) -> None:
    found = seen(name).receipt
    assert found.up + found.down == found.framing + found.envelope + found.payload
    assert found.up + found.down == sum(len(frame.data) for frame in seen(name).message)


@pytest.mark.parametrize("name", [one.name for one in backends.techniques() if not one.traits.push])
def test_the_poll_that_brought_the_event_is_in_the_receipt(name: str) -> None:
    one = seen(name)
    (brought,) = [frame for frame in one.message if TEXT in frame.texts and frame.direction is Direction.DOWN]
    asked = [
        frame
        for frame in one.message
        if frame.direction is Direction.UP and frame.stream == brought.stream and frame.role == "poll"
    ]
    assert len(asked) == 1


def test_answering_a_callback_is_no_round_trip() -> None:
    one = seen("rpyc")
    assert any(frame.answer and frame.direction is Direction.UP for frame in one.message)
    assert one.receipt.extra_round_trips == 0


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_call_that_several_frames_carry_is_shown_once(name: str) -> None:
    one = seen(name)
    for frame in one.message:
        shown = lines(frame, one.trace.exchange(frame), "call")
        texts = [line for line in shown if line.part == "payload" and TEXT in line.value]
        assert len(texts) <= 2, "once in the call, and once in its answer where that carries the event"
