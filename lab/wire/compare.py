"""The same message over two techniques, side by side: envelope beside envelope, payload beside payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from chat.interfaces.frames import Direction, Frame, Part
from chat.language import N_
from chat.language.translation import colon, translate
from chat.transport.decoding.text import one_line
from lab.wire.levels import lines, sizes
from lab.wire.receipt import Receipt

HEADS = {Direction.UP: N_("from the client"), Direction.DOWN: N_("from the server")}


WORDS: dict[Part, str] = {"framing": N_("framing"), "envelope": N_("envelope"), "payload": N_("payload")}


@dataclass(frozen=True, slots=True)
class Sample:
    """A message over one technique."""

    technique: str
    frames: tuple[Frame, ...]
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of both sides."""

    left: str
    right: str
    part: Part | None = None
    """What is compared; None: it is a head."""


def compare(left: Sample, right: Sample) -> list[Pair]:
    """Return the lines of two samples, aligned."""
    pairs = [Pair(left.technique, right.technique), Pair(str(left.receipt), str(right.receipt))]
    for direction, text in HEADS.items():
        head = translate(text)
        mine, other = _of(left, direction), _of(right, direction)
        pairs.append(Pair(f"{head}{colon()}{_size(mine)}", f"{head}{colon()}{_size(other)}"))
        parts: tuple[Part, ...] = ("framing", "envelope", "payload")
        for part in parts:
            one, two = _lines(mine, part), _lines(other, part)
            pairs += [Pair(a, b, part) for a, b in zip_longest(one, two, fillvalue="")]
    return pairs


def _of(sample: Sample, direction: Direction) -> list[Frame]:
    return [frame for frame in sample.frames if frame.direction is direction and frame.data]


def _size(frames: Sequence[Frame]) -> str:
    names = " + ".join(frame.kind for frame in frames) or translate("nothing")
    return f"{sum(len(frame.data) for frame in frames):,} B, {names}"


def _lines(frames: Sequence[Frame], part: Part) -> list[str]:
    """Return a line with the size of this part in the frames, and what it says."""
    size = sum(sizes(frame)[part] for frame in frames)
    shown = [f"{translate(WORDS[part])} {size:,} B"]
    for frame in frames:
        if part == "payload":
            shown += [f"  {one_line(text)}" for text in frame.texts]
            continue
        found = [
            line for line in lines(frame, [frame], "frame") if line.part == part and line.value and line.depth
        ]
        shown += [f"  {line.name}  {line.value}" for line in found]
    return shown
