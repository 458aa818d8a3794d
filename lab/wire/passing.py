"""What may happen to bytes on their way through a tap, and who decides it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chat.interfaces.frames import Direction
    from lab.wire.capture import Connection


@dataclass(slots=True)
class Passing:
    """What one read has brought, before it is handed on. An `Interference` changes what becomes of it."""

    connection: Connection
    direction: Direction
    data: bytes
    at: float
    """Seconds of the loop's clock."""
    state: dict[object, Any]
    """What faults remember of this direction of this connection."""
    shared: dict[str, Any]
    """What faults remember of the whole connection."""
    delay: float = 0.0
    """Seconds for which it is held."""
    pieces: int = 0
    """Bytes that go at once; 0: all."""
    copies: int = 1
    """0: it is lost."""
    overtaken: bool = False
    """The next datagram goes before it."""
    breaks: str = ""
    """Why the connection breaks instead; empty: it does not."""
    notes: list[str] = field(default_factory=list)
    """What happened to it, for people."""


class Interference(ABC):
    """Decides what becomes of what passes. It is called on the tap's event loop, and must not wait."""

    @property
    @abstractmethod
    def on(self) -> bool:
        """Whether there is anything to decide; else bytes are handed on at once."""

    @abstractmethod
    def touch(self, passing: Passing) -> None:
        """Change what becomes of ``passing``."""

    @abstractmethod
    def holds(self, direction: Direction) -> bool:
        """Return whether nothing passes in this direction until it is told otherwise (`Tap.wake`)."""
