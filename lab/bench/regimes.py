"""The regimes of the fan-out benchmark: how the load is offered, and the goal of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Regime:
    name: str
    title: str
    window: int
    """Messages that may be under way; the next is sent when the last receiver has one of them."""
    rate: float = 0.0
    """Messages a second, however the receivers fare (an open loop); 0: as the window allows."""
    peers: bool = False
    """Other people's servers are measured, too."""


BEHIND = 2500
"""Messages under way in an open loop at which the server counts as overrun, and sending stops."""

REGIMES = (
    Regime("saturation", "256 messages under way", window=256, peers=True),
    Regime("open", "5,000 messages/s", window=BEHIND, rate=5000.0),
    Regime("lockstep", "one message under way", window=1),
    Regime("chat", "20 messages/s", window=BEHIND, rate=20.0),
)
WARM_UP = Regime("warm-up", "", window=256)
