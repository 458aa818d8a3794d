"""What the clients of a run do: a script that a seed repeats."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from lab.wire.capture import Transport

PEOPLE = ("ann", "bob", "cas")
WORDS = ("hello", "zażółć gęślą jaźń", "漢字 🚀", "a line\nand another", "naïve", "x" * 200)
LONG = "żółw 🐢 "
"""Repeated, it fills several reads of a kibibyte: most of its bytes belong to characters of several bytes."""


@dataclass(frozen=True, slots=True)
class Say:
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """Edit, or with an empty text delete, the own message that was acknowledged last."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait until everything is answered; ``at_most``: or until so many drafts of ``who`` are not."""

    who: str = ""
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class Begin:
    """Something goes wrong on the wire (`lab.faults`)."""

    fault: str
    indefinite: bool = False
    """An operation must be indefinite after it, if nothing is sent again."""


@dataclass(frozen=True, slots=True)
class Finish:
    """All faults end."""


Step = Say | Change | Settle | Begin | Finish


def script(seed: int, transport: Transport) -> Iterator[Step]:
    """Return the steps: first all is well, then things go wrong, then one client writes a lot at once.

    Args:
        seed: repeats the words, and who says them. Every message is another one.
        transport: what carries the bytes. The faults are what it can suffer.
    """
    chance = random.Random(seed)
    count = 0

    def say(who: str = "", words: str = "") -> Say:
        nonlocal count
        count += 1
        return Say(who or chance.choice(PEOPLE), f"{words or chance.choice(WORDS)} {count}")

    for _ in range(6):
        yield say()
        yield Settle()
    author = chance.choice(PEOPLE)
    yield say(author)
    yield Settle()
    yield Change(author, f"edited {seed}")
    yield Change(author, "")
    yield Settle()
    yield from _with_faults(say, transport)
    yield from (say("ann") for _ in range(20))
    yield from (say("ann", LONG * chance.randint(150, 250)) for _ in range(4 if transport == "tcp" else 0))
    yield Settle()


def _with_faults(say: object, transport: Transport) -> Iterator[Step]:
    assert callable(say)
    if transport == "tcp":
        yield Begin("reply-lost")
        yield say("bob")
        yield Settle()
        yield Finish()
        yield from (say("cas") for _ in range(6))
        yield Settle("cas", 5)
        yield Begin("cut")
        yield Settle()
        yield Finish()
    else:
        yield Begin("reply-lost", indefinite=True)
        yield say("bob")
        yield Settle()
        yield Finish()
        yield Begin("duplicate 0.5")
        yield from (say("bob") for _ in range(8))
        yield Settle()
        yield Finish()
        yield Begin("loss 0.3")
        yield from (say("cas") for _ in range(12))
        yield Settle()
        yield Finish()
