"""A half-open line: nothing arrives any more, and nobody is told."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Switch
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class HalfOpen(Switch):
    """Loses everything, without a FIN or RST: a cable that was pulled, a router that was switched off."""

    name = "half-open"
    summary = "nothing arrives any more, and no connection ends"
    spoils = True

    def touch(self, passing: Passing, chance: random.Random) -> None:
        passing.copies = 0
        passing.notes.append(N_("lost: the line is half-open"))
        self.fired += 1
