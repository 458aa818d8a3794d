"""Packing: puts as many events, names or members into a datagram as fit. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backends.udp.codec import MAX_BODY
from chat.domain.json_codec import encode
from chat.domain.model import Event, Member, Missing

_EVENTS = b'{"kind":"events","events":['


def pack(events: Sequence[Event]) -> tuple[bytes, ...]:
    """Return the events in as few datagrams as hold them: a single one as it is, several as ``events``."""
    datagrams: list[bytes] = []
    batch: list[bytes] = []
    free = 0
    for part in map(encode, events):
        if len(part) >= free and batch:
            datagrams.append(_join(batch))
            batch = []
        if not batch:
            free = MAX_BODY - len(_EVENTS) - 2
        batch.append(part)
        free -= len(part) + 1
    if batch:
        datagrams.append(_join(batch))
    return tuple(datagrams)


def _join(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else _EVENTS + b",".join(parts) + b"]}"


def encode_page(ref: int, head: int, events: Sequence[Event], *, backwards: bool) -> bytes:
    """Return a ``page`` message.

    Args:
        ref: the number of the request.
        head: the seq of the room's newest event.
        events: if not all fit, the first ones are taken.
        backwards: take the last ones instead.
    """
    message = _ListMessage(b'{"kind":"page","ref":%d,"head":%d,"events":[' % (ref, head))
    message.add_all(reversed(events) if backwards else events)
    return message.datagram(backwards=backwards)


def encode_names(ref: int, events: Sequence[Event], more: bool) -> bytes:
    """Return a ``names`` message with the first events that fit; ``more``: the log has others after them."""
    message = _ListMessage(b'{"kind":"names","ref":%d,"names":[' % ref, b'],"more":false}')
    all_fit = message.add_all(Missing(event.seq, event.prev, event.kind) for event in events)
    return _set_more(message.datagram(), more or not all_fit)


def encode_members(ref: int, members: Sequence[Member]) -> bytes:
    """Return a ``members`` message with the first members that fit."""
    message = _ListMessage(b'{"kind":"members","ref":%d,"members":[' % ref, b'],"more":false}')
    all_fit = message.add_all(members)
    return _set_more(message.datagram(), not all_fit)


def _set_more(datagram: bytes, more: bool) -> bytes:
    return datagram.removesuffix(b"false}") + b"true}" if more else datagram


class _ListMessage:
    """A message that is one list: items are added until the datagram is full."""

    def __init__(self, opening: bytes, closing: bytes = b"]}") -> None:
        self._opening, self._closing = opening, closing
        self._free = MAX_BODY - len(opening) - len(closing)
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> bool:
        """Add an item; return False if it does not fit. The first one is always added."""
        if self._parts and len(part) + 1 > self._free:
            return False
        self._parts.append(part)
        self._free -= len(part) + 1
        return True

    def add_all(self, items: Iterable[object]) -> bool:
        """Add items in their order until one does not fit; return whether all did."""
        return all(self.add(encode(item)) for item in items)

    def datagram(self, *, backwards: bool = False) -> bytes:
        """Return the message; ``backwards``: with the last item first."""
        parts = self._parts[::-1] if backwards else self._parts
        return self._opening + b",".join(parts) + self._closing
