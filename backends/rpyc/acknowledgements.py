"""Acknowledgements: the replies None to callbacks, most of what a client sends. No I/O.

Those that come together are recognised as a whole, and only their numbers are read. To read each with brine
takes many times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from backends.rpyc import codec

_LENGTH = 3
"""The place of the byte in a short frame that says how long it is."""


class _Form(NamedTuple):
    """How acknowledgements look whose numbers are equally long."""

    find: Callable[..., list[bytes]]
    """Returns the numbers in some bytes, or between two places of them."""
    those_that_follow: Callable[[bytes, int], re.Match[bytes] | None]
    """Matches all of the form from a place on."""
    size: int
    read: Callable[[bytes], int]


def _form(number: int, written: bytes, pattern: bytes, read: Callable[[bytes], int]) -> tuple[int, _Form]:
    frame = codec.returned(number, None)
    before, after = map(re.escape, frame.split(written))
    find = re.compile(before + b"(%b)" % pattern + after, re.DOTALL).findall
    follow = re.compile(b"(?:%b)*" % (before + pattern + after), re.DOTALL).match
    return frame[_LENGTH], _Form(find, follow, len(frame), read)


_SMALL = {codec.brine_of(number): number for number in range(codec.SMALL + 1)}
_FORMS: dict[int, _Form] = dict(
    [
        _form(
            codec.SMALL,
            codec.brine_of(codec.SMALL),
            b"[%b-%b]" % (codec.brine_of(0), codec.brine_of(codec.SMALL)),
            _SMALL.__getitem__,
        ),
        *(
            _form(10**digits - 1, digits * b"9", b"[0-9]{%d}" % digits, int)
            for digits in range(3, codec.MAX_DIGITS)
        ),
    ]
)


def acknowledged(data: bytes) -> list[int]:
    """Return the numbers, if the data is nothing but whole acknowledgements.

    Otherwise it returns nothing, and the messages are to be read one by one.
    """
    form = _FORMS.get(data[_LENGTH]) if len(data) > _LENGTH else None
    if form is None:
        return []
    found = form.find(data)
    if len(found) * form.size == len(data):
        return list(map(form.read, found))
    numbers: list[int] = []
    place = 0
    while place + _LENGTH < len(data):  # once for each length
        form = _FORMS.get(data[place + _LENGTH])
        match = form.those_that_follow(data, place) if form is not None else None
        if form is None or match is None or match.end() == place:
            return []
        numbers += map(form.read, form.find(data, place, match.end()))
        place = match.end()
    return numbers if place == len(data) else []
