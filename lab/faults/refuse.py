"""A server that is away: connections break, and new ones are refused."""

from __future__ import annotations

from typing import Self

from lab.faults.fault import Fault, no_argument
from lab.faults.registry import register


@register
class Refuse(Fault):
    """Breaks every connection, and refuses new ones (ECONNREFUSED) as long as it is on."""

    name = "refuse"
    summary = "connections break, and new ones are refused"
    transports = ("tcp",)
    instead = "nobody refuses a datagram from here: half-open loses all of them"
    cuts = True
    refuses = True

    @classmethod
    def parse(cls, argument: str) -> Self:
        no_argument(cls.name, argument)
        return cls()
