"""Frames as text: a line for people, a JSON object for programs. Secrets are masked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chat.domain.validation import printable
from chat.interfaces.frames import Direction, Field, Frame
from lab.wire.levels import sizes
from lab.wire.masking import shown_bytes

ARROWS = {Direction.UP: "→", Direction.DOWN: "←"}


def line(frame: Frame, start: float, before: float | None) -> str:
    """Return a frame on one line.

    Args:
        frame: the frame.
        start: seconds of the capture's clock from which the time counts.
        before: when the frame before it began; None: it is the first.
    """
    waited = "" if before is None else f"+{(frame.began - before) * 1000:.1f} ms"
    size = f"{len(frame.data)} B" if frame.data else ""
    what = f"{frame.protocol} {frame.kind}"
    return (
        f"{frame.number:>5} {frame.began - start:9.3f} {waited:>12} #{frame.connection:<3}"
        f"{ARROWS[frame.direction]} {what:<22} {size:>8}  {frame.summary}"
    ).rstrip()


def as_json(frame: Frame, began: float, *, secrets: bool = False) -> str:
    """Return a frame as one line of JSON, with the tree of its fields.

    Args:
        frame: the frame.
        began: `Capture.began`.
        secrets: show secrets as they are, in the bytes; fields never hold them.
    """
    data: dict[str, Any] = {
        "number": frame.number,
        "connection": frame.connection,
        "direction": frame.direction.name.lower(),
        "began": _time(frame.began + began),
        "ended": _time(frame.ended + began),
        "offset": frame.offset,
        "protocol": frame.protocol,
        "kind": frame.kind,
        "role": frame.role,
        "stream": frame.stream,
        "answer": frame.answer,
        "summary": frame.summary,
        "problem": frame.problem,
        "texts": frame.texts,
        "drafts": sorted(frame.drafts),
        "seqs": sorted(frame.seqs),
        "sizes": {**sizes(frame), "all": len(frame.data)},
        "call": _tree(frame.call) if frame.call else None,
        "fields": _tree(frame.root),
        "bytes": shown_bytes(frame, secrets=secrets).hex(),
    }
    return printable(json.dumps(data, ensure_ascii=False))  # in JSON's own way: a terminal may show it


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _tree(field: Field) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": field.name, "value": field.value, "part": field.part}
    if field.span is not None:
        tree["span"] = field.span
    if field.secret:
        tree["secret"] = True
    if field.fields:
        tree["fields"] = [_tree(below) for below in field.fields]
    return tree
