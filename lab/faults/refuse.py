"""A server that is away: connections break, and new ones are refused."""

from __future__ import annotations

from chat.language import N_
from lab.faults.fault import Switch
from lab.faults.registry import register


@register
class Refuse(Switch):
    """Breaks every connection, and refuses new ones (ECONNREFUSED) as long as it is on."""

    name = "refuse"
    summary = "connections break, and new ones are refused"
    transports = ("tcp",)
    instead = N_("nobody refuses a datagram from here: half-open loses all of them")
    cuts = True
    refuses = True
