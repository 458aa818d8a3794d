"""What a fault is: something that goes wrong on purpose, on the wire, and counts how often it did."""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from typing import ClassVar, Self

from chat.domain.errors import BadRequest
from chat.language.translation import translate
from lab.wire.capture import Transport
from lab.wire.passing import Passing


class Fault(ABC):
    """One fault that is on. It knows no backend: it sees bytes, datagrams and connections."""

    name: ClassVar[str]
    usage: ClassVar[str] = ""
    """Its argument, as help shows it."""
    summary: ClassVar[str]
    transports: ClassVar[tuple[Transport, ...]] = ("tcp", "udp")
    """What can suffer it."""
    instead: ClassVar[str] = ""
    """Why the other transport can't, and which fault is near to it."""
    holds: bool = False
    """Nothing passes while it is on."""
    refuses: bool = False
    """Nobody gets in while it is on."""
    cuts: bool = False
    """Every connection is broken when it begins."""
    spoils: bool = False
    """A stream that it has hit can't go on when it ends: it is broken then."""
    reads: bool = False
    """It looks for messages, so it must see each connection from the first byte on."""

    def __init__(self) -> None:
        self.fired = 0
        """How often it has hit."""

    @classmethod
    @abstractmethod
    def parse(cls, argument: str) -> Self:
        """Return the fault with an argument. Raises `BadRequest`, with a text for the user."""

    def touch(self, passing: Passing, chance: random.Random) -> None:  # noqa: B027  # some hit connections only
        """Change what becomes of what passes.

        Args:
            passing: what one read has brought.
            chance: the only source of randomness, so that a seed repeats a run.
        """

    def __str__(self) -> str:
        return self.name

    @property
    def count(self) -> str:
        """Return how often it has hit, for people."""
        return translate(f"{self.fired} hit{'s' * (self.fired != 1)}")


class Switch(Fault):
    """A fault without an argument."""

    @classmethod
    def parse(cls, argument: str) -> Self:
        if argument:
            raise BadRequest(f"{cls.name} takes no argument")
        return cls()


class Share(Fault):
    """A fault that hits a share of the datagrams, or of what else passes."""

    usage = "P"
    transports: ClassVar[tuple[Transport, ...]] = ("udp",)

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(share(argument))

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if chance.random() < self._share:
            self.fired += 1
            self.hit(passing, chance)

    @abstractmethod
    def hit(self, passing: Passing, chance: random.Random) -> None:
        """Do it to what passes."""

    def __str__(self) -> str:
        return f"{self.name} {self._share:g}"


def share(text: str) -> float:
    """Read a share from 0 to 1, or a percentage. Raises `BadRequest`."""
    percent = text.endswith("%")
    try:
        value = float(text.rstrip("% ")) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise BadRequest(f"{text or 'nothing'} is no share: write 0.3 or 30%")
    return value


def seconds(text: str) -> float:
    """Read a duration: ``200ms``, ``5s``, ``0.2``. Raises `BadRequest`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)?", text.strip())
    if found is None:
        raise BadRequest(f"{text or 'nothing'} is no duration: write 200ms or 5s")
    value = float(found[1]) / (1000 if found[2] == "ms" else 1)
    if value > 3600:
        raise BadRequest("a fault may last an hour")
    return value
