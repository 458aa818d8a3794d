"""The regimes of the fan-out benchmark: how the load is offered, and the goal of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Regime:
    name: str
    title: str
    window: int
    """Messages that may be under way; the next is sent when the last receiver has one of them."""
    rounds: int
    """Into how many the time is cut: many where ratios are compared, few where percentiles are."""
    rate: float = 0.0
    """Messages a second, however the receivers fare (an open loop); 0: as the window allows."""
    peers: bool = False
    """Other people's servers are measured, too."""


BEHIND = 1000
"""Messages under way in an open loop at which the server counts as overrun, and sending stops."""

REGIMES = (
    Regime("saturation", "256 messages under way", window=256, rounds=20, peers=True),
    Regime("open", "5,000 messages/s", window=BEHIND, rounds=4, rate=5000.0),
    Regime("lockstep", "one message under way", window=1, rounds=20),
    Regime("chat", "20 messages/s", window=BEHIND, rounds=5, rate=20.0),
)
WARM_UP = Regime("warm-up", "", window=256, rounds=1)
