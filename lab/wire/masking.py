"""Bytes and fields as they may be shown: secrets are masked, whoever looks."""

from __future__ import annotations

from collections.abc import Iterator

from chat.interfaces.frames import Field, Frame


def walk(field: Field) -> Iterator[Field]:
    """Yield a field and all below it, in order."""
    yield field
    for below in field.fields:
        yield from walk(below)


def secret_spans(frame: Frame) -> list[tuple[int, int, int]]:
    """Return where the secrets of a frame are, and what stands for each of their bytes.

    A secret without bytes of its own (in an inflated body, say) makes those of the innermost field above it,
    which has some, a secret.
    """
    return list(_spans(frame.root, frame.root.span or (0, len(frame.data))))


def _spans(field: Field, above: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    place = field.span or above
    if field.secret:
        yield *place, field.filler
        return
    for below in field.fields:
        yield from _spans(below, place)


def shown_bytes(frame: Frame, *, secrets: bool = False) -> bytes:
    """Return the bytes of a frame as they may be shown; with ``secrets`` as they are."""
    if secrets:
        return frame.data
    data = bytearray(frame.data)
    for start, end, filler in secret_spans(frame):
        data[start:end] = bytes([filler]) * (end - start)
    return bytes(data)


def owner(frame: Frame, place: int) -> list[Field]:
    """Return the fields that hold a byte, the innermost last."""
    path = [frame.root]
    while True:
        for below in path[-1].fields:
            if below.span is not None and below.span[0] <= place < below.span[1]:
                path.append(below)
                break
        else:
            return path
