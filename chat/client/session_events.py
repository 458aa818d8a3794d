"""The updates of a session: its state, the events that have come, what became of the user's drafts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chat.domain.errors import history_starts
from chat.domain.model import Event, MissingEvents, Welcome
from chat.language import N_


@dataclass(frozen=True, slots=True)
class State:
    """The state of the connection."""

    name: Literal["connecting", "up", "retrying", "down"]
    address: str = ""
    reason: str = ""
    """Why it is retrying or down, for the user."""
    retry_in: float = 0.0
    """Seconds until the next try, at the moment of the update."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: State


@dataclass(frozen=True, slots=True)
class Entered:
    """A seat was taken, or taken again. `Session.nick` and `Session.members` are up to date."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Switched:
    """From here on everything comes and goes by another way, see `Session.switch`. `Entered` follows."""

    technique: str
    """Its name (`Way.technique`)."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that the user should know about this connection."""

    text: str
    unasked: bool = False
    """It was not told when the seat was taken, but because something has happened."""

    @classmethod
    def about(cls, welcome: Welcome, notices: Iterable[str]) -> list[Noticed]:
        """Return the notices after a welcome: where history begins if its beginning is not kept, and more."""
        cut = [history_starts(welcome.first)] if welcome.first > 1 else []
        return [cls(text) for text in (*cut, *notices)]


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The session is in the room again, after its connection had ended. `Entered` came just before."""

    seconds: float
    """How long there was no connection."""
    waiting: int
    """Own drafts that are sent now: made meanwhile, or not answered before."""
    server_away: bool
    """The server could not be reached, or closed the connection without a reason."""
    new_seat: bool
    """The seat had ended meanwhile; messages of before can't be changed any more."""

    @property
    def text(self) -> str:
        """A line for the user."""
        away = f"{self.seconds:.{1 if self.seconds < 10 else 0}f}"
        who, n = self.server_away, self.waiting
        if n:
            line = N_(
                f"{'the server was away' if who else 'there was no connection'} for {away} s, "
                f"{n} line{'s' if n > 1 else ''} waited"
            )
        else:
            line = N_(f"{'the server was away' if who else 'there was no connection'} for {away} s")
        return f"{line}; {N_('your seat had ended, and you have a new one')}" if self.new_seat else line


@dataclass(frozen=True, slots=True)
class Hindered:
    """The server takes no messages at the moment, whatever the state; or it takes them again."""

    reason: str
    """Why, and what to do; empty: it takes them again."""

    @property
    def text(self) -> str:
        """A line for the user."""
        return self.reason or N_("messages are taken again")


@dataclass(frozen=True, slots=True)
class StartedOver:
    """The room has another log now. The events that were shown are not in it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event has come. Each comes once, in the room's order if the technique is ordered."""

    event: Event
    draft: int = 0
    """If the event is an own draft: the token that `Session.say` (edit, delete) returned; else 0."""
    took: float | None = None
    """If the event is an own draft: seconds from that call until the event came."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The technique has lost events. Each may still come, late."""

    missing: MissingEvents


Phase = Literal["waiting", "sending", "sent", "failed", "unconfirmed"]


@dataclass(frozen=True, slots=True)
class DraftMoved:
    """The state of an own draft has changed."""

    draft: int
    """The token that `Session.say` (edit, delete) returned."""
    phase: Phase
    """waiting: in the outbox. sending: on the wire. sent: acknowledged. failed: refused, and not sent again.
    unconfirmed: no answer came, and the technique sends nothing again; its event may still come."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """The round-trip time in seconds, and the technique's own status (`ChatClient.activity`)."""

    rtt: float
    activity: str


Update = (
    StateChanged
    | Entered
    | Reconnected
    | Switched
    | Noticed
    | Hindered
    | StartedOver
    | Arrived
    | Missed
    | DraftMoved
    | Measured
)
