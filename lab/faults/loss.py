"""Loss: a share of the datagrams does not arrive."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Share
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Loss(Share):
    """Loses datagrams."""

    name = "loss"
    summary = "a share of the datagrams is lost"
    instead = N_("a stream loses nothing: a lost segment is a delay, see retransmit")

    def hit(self, passing: Passing, chance: random.Random) -> None:
        passing.copies = 0
        passing.notes.append("lost")
