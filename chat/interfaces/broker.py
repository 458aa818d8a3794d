"""Finding or starting a broker, for techniques whose server is a broker."""

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
    """It was started for this user alone. It ends when it is not used any more, and its data is deleted."""


class FindBroker(Protocol):
    """What `Technique.broker` names."""

    def __call__(self, folder: Path, *, spawn: bool) -> Broker:
        """Find a broker of this user on this machine, or start one.

        It blocks for as long as a broker takes to start: call it from a thread.

        Args:
            folder: the state folder.
            spawn: start a broker if there is none.

        Raises:
            ChatError: what to install or to start.
            ConnectionLost: the same; another try may help.
        """
