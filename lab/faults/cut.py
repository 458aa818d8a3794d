"""A cut: every connection breaks at once."""

from __future__ import annotations

from chat.language import N_
from lab.faults.fault import Switch
from lab.faults.registry import register


@register
class Cut(Switch):
    """Breaks every connection with RST when it begins; new ones work. It hits once."""

    name = "cut"
    summary = "every connection breaks, once"
    transports = ("tcp",)
    instead = N_("datagrams have no connection to break: half-open loses all of them")
    cuts = True
