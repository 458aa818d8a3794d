"""A lost segment: on a stream it is only a delay."""

from __future__ import annotations

import random
from typing import Self

from lab.faults.fault import Fault, share
from lab.faults.registry import register
from lab.wire.passing import Passing

TIMEOUT = 0.2
"""Seconds until TCP sends a segment again, at least (RFC 6298; Linux's least)."""


@register
class Retransmit(Fault):
    """Holds a share of what passes for one retransmission: what a lost segment is for a program."""

    name = "retransmit"
    usage = "P"
    summary = f"a share of the segments comes {TIMEOUT * 1000:.0f} ms later, as if lost and sent again"
    transports = ("tcp",)
    instead = "nobody sends a datagram again: loss loses it"

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(share(argument))

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if chance.random() < self._share:
            passing.delay += TIMEOUT
            passing.notes.append(f"sent again after {TIMEOUT * 1000:.0f} ms")
            self.fired += 1

    def __str__(self) -> str:
        return f"{self.name} {self._share:g}"
