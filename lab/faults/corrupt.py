"""Corruption: a share of the datagrams has a wrong byte."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Share
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Corrupt(Share):
    """Changes one byte of a datagram: what UDP's checksum misses now and then.

    A protocol without a checksum of its own shows what came: other text, another number, a request that is
    refused for good.
    """

    name = "corrupt"
    summary = "a share of the datagrams has a wrong byte"
    instead = N_("TCP's checksum finds a wrong byte, and the segment is sent again: see retransmit")

    def hit(self, passing: Passing, chance: random.Random) -> None:
        if not passing.data:
            return
        data = bytearray(passing.data)
        place = chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
        passing.data = bytes(data)
        passing.notes.append(N_(f"byte {place} changed"))
