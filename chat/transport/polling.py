"""How often a polling client asks for news: the setting of the command line, and its limits.

The labels of techniques import this module, so it loads nothing heavy. The client is in
`chat.transport.polling_client`.
"""

from __future__ import annotations

from math import isfinite

from chat.interfaces.settings import Setting

LONG = "long"
"""The choice of long polling: one request that the server keeps open until there is an event."""
WAIT = 20.0
"""Seconds that a server keeps a long poll open."""
SHORTEST, LONGEST = 0.05, 30.0
"""Seconds between two polls. The longest is half of what a server waits before it ends a silent seat."""


def read_interval(text: str) -> float | None:
    """Read ``1s``, ``0.2`` or ``long``.

    Returns:
        The seconds between two polls; None for long polling.

    Raises:
        ValueError: with a text for the user.
    """
    if text == LONG:
        return None
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and SHORTEST <= seconds <= LONGEST):
        raise ValueError(f"{text!r} is not an interval: write {SHORTEST:g} to {LONGEST:g} seconds, or {LONG}")
    return seconds


POLL = Setting(
    "poll",
    "how often to ask for events: seconds between two requests, or long for requests that wait",
    default="1s",
    metavar=f"S|{LONG}",
    check=read_interval,
)
