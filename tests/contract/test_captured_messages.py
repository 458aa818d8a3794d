"""The kept captures (docs/captures) are what goes over the wire today: a fresh one has the same frames."""

from __future__ import annotations

from pathlib import Path

from chat.interfaces.frames import Frame
from chat.interfaces.technique import Technique
from tests.support.kept_captures import Seen, decode, play, record, seen
from tests.support.kit import QUICK, Serving

VARIES = {"HTTP/1.1": 1}
"""Bytes by which a frame of a protocol may be longer or shorter: the port in `Host` has 4 or 5 digits."""


def outline(one: Seen) -> list[tuple[str, str, str, str]]:
    return sorted(_outline(frame) for frame in one.message)


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
    by_chance = any(frame.role == "poll" for frame in kept.message)  # a poll was under way, or came after it
    assert abs(fresh.receipt.extra_round_trips - kept.receipt.extra_round_trips) <= by_chance
    assert fresh.receipt.text == kept.receipt.text
