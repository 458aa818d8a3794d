"""What finds or starts a broker, for techniques whose server is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chat.interfaces.address import Address


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that was found, or started."""

    address: Address
    how: str
    """Which one it is, for the user: ``named by CHAT_AMQP_URL``, ``a private one (process 4711)``."""
    private: bool = False
    """Nobody but this user has it, and it goes when nobody uses it any more, with all that was said."""


class FindBroker(Protocol):
    """What `Technique.broker` names."""

    def __call__(self, folder: Path, *, spawn: bool) -> Broker:
        """Find a broker of this user on this machine; with ``spawn`` start one if there is none.

        ``folder`` is the state folder. Blocks for as long as a broker takes to start: call it from a thread.
        Raises a `ChatError` that says what to install or to start; `ConnectionLost`: another try may help.
        """
