"""The regimes: how the load generators send messages."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Regime:
    name: str
    title: str
    window: int
    """Messages that may be in flight; one is complete when the last receiver has it."""
    rounds: int
    """Into how many rounds the time is divided: many for ratios, few for percentiles."""
    rate: float = 0.0
    """Messages a second, however slow the receivers are (an open loop); 0: as many as the window allows."""
    others: bool = False
    """Whether all servers are measured, and not only ours and the yardstick."""


TABLE = 50
"""Clients in a room, where there are many rooms."""

BEHIND = 1000
"""If so many messages are in flight in an open loop, the server is overrun, and sending stops."""

CHAT = Regime("chat", "20 messages/s", window=BEHIND, rounds=5, rate=20.0)
TCP = (
    Regime("saturation", "256 messages in flight", window=256, rounds=20, others=True),
    Regime("open", "5,000 messages/s", window=BEHIND, rounds=4, rate=5000.0),
    Regime("lockstep", "one message in flight", window=1, rounds=20),
    CHAT,
)
GROWTH = Regime("growth", "64 messages in flight", window=64, rounds=3)
SHARED = Regime("shared", "50 messages/s", window=BEHIND, rounds=3, rate=50.0)
CROWD = (Regime("saturation", "256 messages in flight", window=256, rounds=10),)
WARM_UP = Regime("warm-up", "", window=256, rounds=1)

# The textbook RPC servers deliver about 50 messages a second: a larger window would take them seconds to
# drain.
RPC = (Regime("saturation", "32 messages in flight", window=32, rounds=10), CHAT)
WARM_UP_RPC = Regime("warm-up", "", window=32, rounds=1)

# Saturation as where a technique is measured by itself, in fewer rounds: each begins with messages that all
# come at once.
WORKERS_OPEN = Regime("open", "1,000 messages/s", window=BEHIND, rounds=4, rate=1000.0)
WORKERS_TCP = (replace(TCP[0], rounds=5), WORKERS_OPEN)
WORKERS_RPC = (replace(RPC[0], rounds=5), WORKERS_OPEN)
WORKERS_RPYC = (  # whose load generator answers every delivery, and takes no more
    WORKERS_RPC[0],
    replace(WORKERS_OPEN, title="500 messages/s", rate=500.0),
)

# So many datagrams fit in every receiver's buffer, even if a server sends one for each message.
UDP = (Regime("saturation", "64 messages in flight", window=64, rounds=20, others=True), CHAT)
WARM_UP_UDP = Regime("warm-up", "", window=64, rounds=1)

CALLS = (
    Regime("pipelined", "32 calls outstanding", window=32, rounds=20, others=True),
    Regime("single", "one call outstanding", window=1, rounds=10, others=True),
)
WARM_UP_CALLS = Regime("warm-up", "", window=32, rounds=1)

HTTP_CALLS = (
    Regime("single", "one caller, one call outstanding", window=1, rounds=20, others=True),
    Regime("sixteen", "16 callers, one call outstanding each", window=16, rounds=20, others=True),
)
WARM_UP_HTTP = Regime("warm-up", "", window=16, rounds=1)
