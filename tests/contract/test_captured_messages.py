"""The kept captures (docs/captures) are what goes over the wire today: a fresh one has the same frames."""

from __future__ import annotations

from pathlib import Path

from chat.interfaces.frames import Frame
from chat.interfaces.technique import Technique
from tests.support.kept_captures import Seen, decode, play, record, seen
from tests.support.kit import QUICK, Serving

VARIES = {"HTTP/1.1": 1}
"""Bytes by which a frame of a protocol may be longer or shorter: the port in `Host` has 4 or 5 digits."""


def in_turn(one: Seen) -> list[tuple[str, str, str, str]]:
    return [_outline(frame) for frame in one.message]


def outline(one: Seen) -> list[tuple[str, str, str, str]]:
    return sorted(in_turn(one))


def _outline(frame: Frame) -> tuple[str, str, str, str]:
    return frame.direction.name, frame.protocol, frame.kind, frame.role


async def test_a_fresh_capture_has_the_frames_of_the_kept_one(
    technique: Technique, server: Serving, state_dir: Path
) -> None:
    known = {setting.name for setting in technique.settings}
    settings = {name: value for name, value in QUICK.settings.items() if name in known}
    new, _ = await record(technique, server.address, state_dir, port=0, idle=0.0, settings=settings)
    fresh, kept = decode(new, play(new)), seen(technique.name)
    assert outline(fresh) == outline(kept)
    for ours, theirs in zip(
        sorted(fresh.message, key=_outline), sorted(kept.message, key=_outline), strict=True
    ):
        assert abs(len(ours.data) - len(theirs.data)) <= VARIES.get(ours.protocol, 0), ours.kind
    if any(frame.role == "poll" for frame in kept.message) and in_turn(fresh) != in_turn(kept):
        # A poll was under way in one of them when the message was sent, and came after it in the other.
        assert {fresh.receipt.extra_round_trips, kept.receipt.extra_round_trips} == {0, 1}
    else:
        assert fresh.receipt.extra_round_trips == kept.receipt.extra_round_trips
    assert fresh.receipt.text == kept.receipt.text
