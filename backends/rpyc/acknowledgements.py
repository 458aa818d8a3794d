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

    find: Callable[[bytes], list[bytes]]
    size: int
    read: Callable[[bytes], int]


def _form(number: int, written: bytes, pattern: bytes, read: Callable[[bytes], int]) -> tuple[int, _Form]:
    frame = codec.returned(number, None)
    before, after = map(re.escape, frame.split(written))
    find = re.compile(before + b"(%b)" % pattern + after, re.DOTALL).findall
    return frame[_LENGTH], _Form(find, len(frame), read)


def _small(written: bytes) -> int:
    return written[0] - codec.brine_of(0)[0]


_FORMS: dict[int, _Form] = dict(
    [
        _form(
            codec.SMALL,
            codec.brine_of(codec.SMALL),
            b"[%b-%b]" % (codec.brine_of(0), codec.brine_of(codec.SMALL)),
            _small,
        ),
        *(
            _form(10**digits - 1, digits * b"9", b"[0-9]{%d}" % digits, int)
            for digits in range(3, codec.MAX_DIGITS)
        ),
    ]
)


def acknowledged(data: bytes) -> list[int]:
    """Return the numbers, if the data is nothing but whole acknowledgements with numbers of one length.

    Otherwise it returns nothing, and the messages are to be read one by one.
    """
    form = _FORMS.get(data[_LENGTH]) if len(data) > _LENGTH else None
    if form is None:
        return []
    numbers = form.find(data)
    return list(map(form.read, numbers)) if len(numbers) * form.size == len(data) else []
