"""The teacher's means in a room: messages that begin with ``/class`` (docs/protocol.md).

They are ordinary messages in the room's log, so every technique carries them, and a client that does not
know them shows them as text. Who is a teacher is said by such a message, too: with a proof that its seat
knows the teacher's token, and that is good for no other seat.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chat.domain.errors import BadText, NotYours
from chat.domain.model import Event
from chat.domain.validation import nick_key
from chat.language import N_

PREFIX = "/class "
MIN_TEACHER = 16
"""Characters of the shortest teacher's token: everybody in the room sees a proof, and may guess from it."""
MAX_SLOW = 600.0
"""Seconds between two messages of a person, at most."""
MAX_FAULT = 3600.0
WRITTEN_BY_SEVERAL = N_(
    "the teacher's means need a log that one server alone writes: "
    "where several do, nobody can hold others to them"
)
"""Why they are refused in a broker and by workers: by servers, and by clients that are their own server."""


class Verb(NamedTuple):
    """What follows ``/class``."""

    usage: str
    """The argument, "": there is none, ``[...]``: it may be left out."""
    summary: str
    anybody: bool = False
    """Who is no teacher may, too."""


VERBS: Mapping[str, Verb] = {
    "freeze": Verb("", "only teachers may write"),
    "thaw": Verb("", "everybody may write again"),
    "mute": Verb("NICK", "this person may not write"),
    "unmute": Verb("NICK", "this person may write again"),
    "slow": Verb("SECONDS", "this long between two messages; 0: off"),
    "lower": Verb("[NICK]", "this hand is answered, or all are"),
    "to": Verb("TECHNIQUE", "asks everybody to go on over it"),
    "clear": Verb("", "hides what was said; the log keeps it"),
    "fault": Verb("SECONDS TEXT", "tells everybody of a fault"),
    "hand": Verb("[down]", "raise your hand, or take it down", anybody=True),
    "teacher": Verb("PROOF", "this seat is a teacher's", anybody=True),
}


class Order(NamedTuple):
    """One of the teacher's means, as it was used."""

    verb: str
    argument: str = ""
    seconds: float = 0.0
    """Of ``slow`` and ``fault``."""


def proof(token: str, seat: str) -> str:
    """Return what shows that a seat knows the teacher's token: HMAC-SHA-256 of its public name, hexadecimal.

    Args:
        token: the teacher's.
        seat: the public name, from the welcome. No other seat ever has it, so nobody else can use the proof.
    """
    return hmac.new(token.encode(), f"chat teacher {seat}".encode(), "sha256").hexdigest()


def is_proof(shown: str, token: str, seat: str) -> bool:
    """Return whether it is the proof for this seat; False without a token. Takes the same time always."""
    return bool(token) and hmac.compare_digest(shown.encode(errors="replace"), proof(token, seat).encode())


def parse(text: str) -> Order | None:
    """Read a message; None: it is none of the teacher's means. Raises `BadText`: how to write it."""
    if not text.startswith(PREFIX):
        return None
    verb, _, argument = text.removeprefix(PREFIX).strip().partition(" ")
    argument = argument.strip()
    known = VERBS.get(verb)
    if known is None:
        raise BadText(f"there is no /class {verb[:24]}: write one of {', '.join(VERBS)}")
    optional = known.usage.startswith("[")
    if bool(argument) != bool(known.usage) and not (optional and not argument):
        raise BadText(f"write it like this: /class {verb} {known.usage}")
    if verb == "hand" and argument not in ("", "down"):
        raise BadText("write /hand, or /hand down")
    if verb == "slow":
        return Order(verb, argument, _seconds(argument, MAX_SLOW))
    if verb == "fault":
        lasts, _, what = argument.partition(" ")
        return Order(verb, what.strip(), _seconds(lasts, MAX_FAULT))
    return Order(verb, argument)


def _seconds(text: str, most: float) -> float:
    digits = text.removesuffix("s")
    if not (digits.isascii() and digits.replace(".", "", 1).isdigit()) or float(digits) > most:
        raise BadText(f"{text[:24]!r} is no number of seconds from 0 to {most:.0f}")
    return float(digits)


def is_clear(text: str) -> bool:
    """Return whether a message hides what was said before it."""
    return text.split() == [PREFIX.strip(), "clear"] and text.startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Classroom:
    """What the teacher has said so far. Feed it the room's events, in order."""

    teachers: frozenset[str] = frozenset()
    """Their seats."""
    frozen: bool = False
    muted: Mapping[str, str] = field(default_factory=dict)
    """The nicks of those who may not write, by `nick_key`."""
    slow: float = 0.0
    """Seconds between two messages of a person."""
    hands: tuple[str, ...] = ()
    """The nicks of those who have raised a hand, the first first."""
    to: str = ""
    """The technique that everybody was asked to go on over; "": none."""
    cleared: int = 0
    """The seq of the newest ``clear``: what was before it is not shown. 0: there was none."""
    fault: str = ""
    """The newest fault for everybody; see `fault_at`."""
    fault_until: int = 0
    """When it ends, in milliseconds since the Unix epoch."""

    def after(self, event: Event) -> Classroom:
        """Return what holds after an event. A client takes what its server lets pass; see `obeys`."""
        if event.kind == "left" and event.author in self.hands:
            return replace(self, hands=tuple(nick for nick in self.hands if nick != event.author))
        if event.kind != "sent":
            return self
        try:
            order = parse(event.text)
        except BadText:
            return self
        return self if order is None else self.obeying(order, event)

    def obeying(self, order: Order, event: Event) -> Classroom:
        """Return what holds after one of the teacher's means was used; ``event``: the message."""
        argument, key = order.argument, nick_key(order.argument)
        match order.verb:
            case "teacher":
                return replace(self, teachers=self.teachers | {event.seat})
            case "freeze" | "thaw":
                return replace(self, frozen=order.verb == "freeze")
            case "mute":
                return replace(self, muted={**self.muted, key: argument})
            case "unmute":
                return replace(self, muted={one: nick for one, nick in self.muted.items() if one != key})
            case "slow":
                return replace(self, slow=order.seconds)
            case "to":
                return replace(self, to=argument)
            case "clear":
                return replace(self, cleared=event.seq)
            case "fault":
                until = event.at + int(order.seconds * 1000)
                return replace(self, fault=argument, fault_until=until)
            case "hand":
                others = tuple(nick for nick in self.hands if nick != event.author)
                return replace(
                    self,
                    hands=others
                    if argument
                    else self.hands
                    if event.author in self.hands
                    else (*others, event.author),
                )
            case "lower":
                kept = tuple(nick for nick in self.hands if argument and nick_key(nick) != key)
                return replace(self, hands=kept)
        return self

    def fault_at(self, now: int) -> str:
        """Return the fault that everybody suffers at a time (milliseconds since the epoch); "": none."""
        return self.fault if now < self.fault_until else ""

    def forbids(self, seat: str, nick: str) -> NotYours | None:
        """Return why this person may not write now; None: they may."""
        if seat in self.teachers:
            return None
        if self.frozen:
            return NotYours("the teacher has frozen the room: wait, or raise your hand with /hand")
        if nick_key(nick) in self.muted:
            return NotYours("the teacher has muted you: raise your hand with /hand")
        return None
