"""What a plan of a benchmark has: servers, regimes, goals, and the text on the page."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bench.goals import Goal
from lab.bench.regimes import Regime
from lab.bench.servers import Candidate

IN_TURN = """\
Each regime is measured in short rounds, the servers in
turn. The tables show the medians of the rounds."""


@dataclass(frozen=True)
class Plan:
    benchmark: str
    """The command that uses it: ``fanout``, ``workers``, ``idle`` or ``calls``."""
    section: str
    """The section of the page."""
    heading: str
    about: str
    """What is measured, for the page; may contain ``{clients}``."""
    sink: str
    """The module of the load generator."""
    yardstick: Candidate
    ours: Candidate
    regimes: tuple[Regime, ...]
    warm_up: Regime
    goals: tuple[Goal, ...]
    others: tuple[Candidate, ...] = ()
    """Measured too, if they are installed."""
    libraries: tuple[str, ...] = ()
    """Libraries whose versions are on the page."""
    crowds: int = 1
    """How often so many clients join: each time in a room of their own, where the server has rooms."""
    lossy: bool = False
    """Messages may be lost; the page says how many."""
