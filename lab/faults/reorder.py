"""Reordering: a share of the datagrams arrives after the next one."""

from __future__ import annotations

import random

from chat.language import N_
from lab.faults.fault import Share
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Reorder(Share):
    """Delivers a datagram after the one that follows it, or half a second later."""

    name = "reorder"
    summary = "a share of the datagrams arrives after the next one"
    instead = N_("a stream keeps its order: latency delays it")

    def hit(self, passing: Passing, chance: random.Random) -> None:
        passing.overtaken = True
        passing.notes.append(N_("after the next"))
