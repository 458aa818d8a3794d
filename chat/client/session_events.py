"""What a session tells whoever shows it: its state, what arrived, what became of the own drafts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chat.domain.errors import history_starts
from chat.domain.model import Event, MissingEvents, Welcome


@dataclass(frozen=True, slots=True)
class State:
    """Where the connection is."""

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
    """A seat was taken, or taken again. `Session.nick` and `members` are up to date."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the user should know about this connection."""

    text: str

    @classmethod
    def about(cls, welcome: Welcome, notices: Iterable[str]) -> list[Noticed]:
        """Return them: where history begins, if its beginning is not kept, and `ChatClient.notices`."""
        cut = [history_starts(welcome.first)] if welcome.first > 1 else []
        return [cls(text) for text in (*cut, *notices)]


@dataclass(frozen=True, slots=True)
class StartedOver:
    """The room has another log now: what was shown so far is not in it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event, each once; in the room's order, unless the technique promises none."""

    event: Event
    draft: int = 0
    """For an event that this session asked for: what `Session.say` (edit, delete) returned."""
    took: float | None = None
    """For the same: seconds from that call until the event came back."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Events that the technique has lost. Each may still arrive, late."""

    missing: MissingEvents


Phase = Literal["waiting", "sending", "sent", "failed", "unconfirmed"]


@dataclass(frozen=True, slots=True)
class DraftMoved:
    """An own draft changed its state."""

    draft: int
    """What `Session.say` (edit, delete) returned."""
    phase: Phase
    """waiting: in the outbox, not on the wire; sent: acknowledged; failed: refused, it will not be
    sent again; unconfirmed: nobody knows, and the technique resends nothing: no answer came, or the
    connection broke before it. Its event may still arrive."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A round trip, and what the technique says of itself (`ChatClient.activity`)."""

    rtt: float
    activity: str


Update = StateChanged | Entered | Noticed | StartedOver | Arrived | Missed | DraftMoved | Measured
