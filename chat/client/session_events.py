"""The updates of a session: its state, the events that have come, what became of the user's drafts.

They are structs, as the messages of the model are: to make dataclasses of them takes 5 ms of each start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from chat.domain.errors import history_starts
from chat.domain.model import Event, MissingEvents, Welcome
from chat.language import N_


class State(Struct, frozen=True):
    """The state of the connection."""

    name: Literal["connecting", "up", "retrying", "down"]
    address: str = ""
    reason: str = ""
    """Why it is retrying or down, for the user."""
    retry_in: float = 0.0
    """Seconds until the next try, at the moment of the update."""


class StateChanged(Struct, frozen=True):
    state: State


class Entered(Struct, frozen=True):
    """A seat was taken, or taken again. `Session.nick` and `Session.members` are up to date."""

    welcome: Welcome


class Switched(Struct, frozen=True):
    """From here on everything comes and goes by another way, see `Session.switch`. `Entered` follows."""

    technique: str
    """Its name (`Way.technique`)."""


class Noticed(Struct, frozen=True):
    """Something that the user should know about this connection."""

    text: str
    unasked: bool = False
    """It was not told when the seat was taken, but because something has happened."""

    @classmethod
    def about(cls, welcome: Welcome, notices: Iterable[str]) -> list[Noticed]:
        """Return the notices after a welcome: where history begins if its beginning is not kept, and more."""
        cut = [history_starts(welcome.first)] if welcome.first > 1 else []
        return [cls(text) for text in (*cut, *notices)]


class Reconnected(Struct, frozen=True):
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


class Hindered(Struct, frozen=True):
    """The server takes no messages at the moment, whatever the state; or it takes them again."""

    reason: str
    """Why, and what to do; empty: it takes them again."""

    @property
    def text(self) -> str:
        """A line for the user."""
        return self.reason or N_("messages are taken again")


class StartedOver(Struct, frozen=True):
    """The room has another log now. The events that were shown are not in it."""

    reason: str


class Arrived(Struct, frozen=True):
    """An event has come. Each comes once, in the room's order if the technique is ordered."""

    event: Event
    draft: int = 0
    """If the event is an own draft: the token that `Session.say` (edit, delete) returned; else 0."""
    took: float | None = None
    """If the event is an own draft: seconds from that call until the event came."""


class Missed(Struct, frozen=True):
    """The technique has lost events. Each may still come, late."""

    missing: MissingEvents


Phase = Literal["waiting", "sending", "sent", "failed", "unconfirmed"]


class DraftMoved(Struct, frozen=True):
    """The state of an own draft has changed."""

    draft: int
    """The token that `Session.say` (edit, delete) returned."""
    phase: Phase
    """waiting: in the outbox. sending: on the wire. sent: acknowledged. failed: refused, and not sent again.
    unconfirmed: no answer came, and the technique sends nothing again; its event may still come."""
    reason: str = ""


class Measured(Struct, frozen=True):
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
