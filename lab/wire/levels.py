"""The five levels at which a message can be looked at, from what was said down to the bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chat.domain.validation import printable
from chat.interfaces.frames import Field, Frame, Part
from chat.language import N_
from lab.wire.masking import walk

Level = Literal["text", "call", "envelope", "frame", "bytes"]
LEVELS: tuple[Level, ...] = ("text", "call", "envelope", "frame", "bytes")
NAMES = {
    "text": N_("text"),
    "call": N_("call"),
    "envelope": N_("envelope"),
    "frame": N_("frame"),
    "bytes": N_("bytes"),
}
"""What a level is called, for people."""
WHAT = {
    "text": N_("what a person wrote"),
    "call": N_("what is called, and what comes back"),
    "envelope": N_("headers, names and numbers around it"),
    "frame": N_("every field, lengths and types too"),
    "bytes": N_("the bytes themselves"),
}
"""What a level shows, for people."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a level above the bytes."""

    depth: int
    name: str
    value: str
    part: Part
    span: tuple[int, int] | None
    """Of the frame that is looked at; None: the line has no bytes there."""


def lines(frame: Frame, exchange: Sequence[Frame], level: Level) -> list[Line]:
    """Return what a level shows of a frame; nothing for ``bytes``, see `rows`.

    Args:
        frame: the frame.
        exchange: the frames that belong to it, see `Trace.related`: of these the calls are shown.
        level: the level.
    """
    match level:
        case "text":
            return _texts(frame)
        case "call":
            return _calls(frame, exchange)
        case "envelope":
            return list(_tree(frame.root, 0, hide_framing=True))
        case "frame":
            return list(_tree(frame.root, 0, hide_framing=False))
    return []


def _texts(frame: Frame) -> list[Line]:
    found = [field for field in walk(frame.root) if field.part == "payload" and not field.fields]
    if not found:
        texts = [Line(0, "text", printable(text), "payload", None) for text in frame.texts]
        return texts or [
            Line(0, N_("no text"), N_(f"nobody wrote anything here: {frame.summary}"), "envelope", None)
        ]
    spans = [field.span for field in found]
    texts_here = frame.texts if len(frame.texts) == len(spans) else [field.value for field in found]
    return [
        Line(0, "text", printable(text), "payload", span)
        for text, span in zip(texts_here, spans, strict=True)
    ]


def _calls(frame: Frame, exchange: Sequence[Frame]) -> list[Line]:
    shown: list[Line] = []
    for one in _callers(frame, exchange):
        assert one.call is not None
        arrow = "answers" if one.answer else "calls"
        span = one.root.span if one is frame else None
        shown.append(Line(0, arrow, one.call.name, "envelope", span))
        for field in one.call.fields:
            shown += _tree(field, 1, hide_framing=False, places=_places(one) if one is frame else {})
    return shown or [Line(0, frame.kind, frame.summary, "envelope", frame.root.span)]


def _callers(frame: Frame, exchange: Sequence[Frame]) -> list[Frame]:
    """Return a frame for each call: several frames may carry one (AMQP: method, header, body)."""
    found: dict[int, Frame] = {}
    for one in exchange:
        if one.call is not None and (one is frame or id(one.call) not in found):
            found[id(one.call)] = one
    return list(found.values())


def _places(frame: Frame) -> dict[str, tuple[int, int]]:
    """Return the bytes of the fields that have them, by name: an argument is shown where its field is."""
    return {field.name: field.span for field in walk(frame.root) if field.span is not None}


def _tree(
    field: Field, depth: int, *, hide_framing: bool, places: dict[str, tuple[int, int]] | None = None
) -> Iterator[Line]:
    shown = not hide_framing or _says_something(field)
    if shown:
        span = (places or {}).get(field.name) if field.span is None else field.span
        yield Line(depth, field.name, field.value, field.part, span)
    for below in field.fields:
        yield from _tree(below, depth + shown, hide_framing=hide_framing, places=places)


def _says_something(field: Field) -> bool:
    """Return whether there is more in the field than framing."""
    return field.part != "framing" or any(map(_says_something, field.fields))


@dataclass(frozen=True, slots=True)
class Row:
    """Some bytes of a frame, for one line of a dump."""

    offset: int
    data: bytes
    parts: tuple[Part, ...]
    """What each byte is for."""


def rows(frame: Frame, data: bytes, width: int = 16) -> list[Row]:
    """Return the bytes of a frame as lines.

    Args:
        frame: the frame.
        data: its bytes as they may be shown, see `lab.wire.masking.shown_bytes`.
        width: bytes a line.
    """
    parts = part_of_each_byte(frame)
    return [
        Row(place, data[place : place + width], tuple(parts[place : place + width]))
        for place in range(0, len(data), width)
    ]


def part_of_each_byte(frame: Frame) -> list[Part]:
    """Return what each byte of a frame is for: that of the innermost field that holds it."""
    parts: list[Part] = [frame.root.part] * len(frame.data)
    for field in walk(frame.root):  # those below come later
        if field.span is not None:
            parts[slice(*field.span)] = [field.part] * (field.span[1] - field.span[0])
    return parts


def sizes(frame: Frame) -> dict[Part, int]:
    """Return how many bytes of a frame are framing, envelope and payload."""
    found: dict[Part, int] = {"framing": 0, "envelope": 0, "payload": 0}
    for part in part_of_each_byte(frame):
        found[part] += 1
    return found
