"""A lost segment: on a stream it is only a delay."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Share
from lab.faults.registry import register
from lab.wire.passing import Passing

TIMEOUT = 0.2
"""Seconds until TCP sends a segment again, at least (RFC 6298; Linux's least)."""


@register
class Retransmit(Share):
    """Holds a share of what passes for one retransmission: what a lost segment is for a program."""

    name = "retransmit"
    summary = f"a share of the segments comes {TIMEOUT * 1000:.0f} ms later, as if lost and sent again"
    transports = ("tcp",)
    instead = N_("nobody sends a datagram again: loss loses it")

    def hit(self, passing: Passing, chance: random.Random) -> None:
        passing.delay += TIMEOUT
        passing.notes.append(N_(f"sent again after {TIMEOUT * 1000:.0f} ms"))
