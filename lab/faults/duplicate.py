"""Duplicates: a share of the datagrams arrives twice."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Share
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Duplicate(Share):
    """Delivers datagrams twice."""

    name = "duplicate"
    summary = "a share of the datagrams arrives twice"
    instead = N_("a stream delivers each byte once")

    def hit(self, passing: Passing, chance: random.Random) -> None:
        passing.copies += 1
        passing.notes.append("twice")
