"""A stall: nothing passes, and the connection stays up."""

from __future__ import annotations

import random

from lab.faults.fault import Switch
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Stall(Switch):
    """Holds everything until it ends; then it passes, in its order."""

    name = "stall"
    summary = "nothing passes until it ends; then everything does"
    holds = True

    def touch(self, passing: Passing, chance: random.Random) -> None:
        passing.notes.append("stalled")
        self.fired += 1
