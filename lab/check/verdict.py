"""What the checker says: valid, invalid with a counterexample, or unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lab.check.history import Line

Kind = Literal[
    "log order",
    "lost",
    "doubled",
    "altered",
    "made up",
    "refused but stored",
    "stored in another order",
    "unanswered",
    "not delivered",
    "delivered twice",
    "delivered in another order",
    "delivered altered",
    "delivered but not stored",
]

PROMISES: dict[Kind, str] = {
    "log order": "the log has one order: seqs grow, and each entry names the one before it",
    "lost": "what is acknowledged is in the log",
    "doubled": "what is asked for once happens at most once, however often it is sent",
    "altered": "the log has what was asked for, letter by letter",
    "made up": "the log has nothing from a client that the client did not ask for",
    "refused but stored": "what is refused is not in the log",
    "stored in another order": "what was acknowledged before something else was asked for is before it in "
    "the log; so are the messages of one client, in its order, if the technique keeps it",
    "unanswered": "as long as the connection lasts, and nothing goes wrong on the wire, an answer comes",
    "not delivered": "every receiver gets every entry, or is told that it is missing",
    "delivered twice": "a receiver gets each entry once",
    "delivered in another order": "a receiver gets the entries in the order of the log, if the technique "
    "keeps it",
    "delivered altered": "a receiver gets what is in the log",
    "delivered but not stored": "a receiver gets nothing that is not in the log",
}
"""What each violation breaks."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the fewest lines that show it."""

    kind: Kind
    text: str
    example: tuple[Line, ...]

    @property
    def size(self) -> int:
        return len(self.example)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found."""

    state: Literal["valid", "invalid", "unknown"]
    reasons: tuple[str, ...] = ()
    """Why it is unknown."""
    violations: tuple[Violation, ...] = ()
    """Of each promise that was broken the violation with the shortest counterexample; the shortest first."""
    kinds: dict[Kind, int] = field(default_factory=dict)
    """How often each promise was broken."""
    counted: dict[str, int] = field(default_factory=dict)
    """What was looked at: clients, operations, entries, deliveries, indefinite operations, fault hits."""

    @property
    def violation(self) -> Violation | None:
        """The one with the shortest counterexample of all."""
        return next(iter(self.violations), None)

    @property
    def line(self) -> str:
        """The verdict in one line, for people."""
        looked = ", ".join(f"{count} {name}" for name, count in self.counted.items())
        if self.violation is not None:
            return f"invalid: {self.violation.kind}: {self.violation.text} ({looked})"
        if self.reasons:
            return f"unknown: {'; '.join(self.reasons)} ({looked})"
        return f"{self.state} ({looked})"
