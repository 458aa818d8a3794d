"""The errors that a user may see, and the code of each on every wire."""

from __future__ import annotations

from typing import ClassVar

from chat.language import N_


class ChatError(Exception):
    """Base of every error that a user may see. ``code`` names the kind on every wire."""

    code: ClassVar[str] = "error"
    final: ClassVar[bool] = True
    """The same request would fail again."""

    def __init__(self, text: str, *, n: int = 0, ref: int = 0, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.n = n
        """The number of the draft that it is about; 0: none."""
        self.ref = ref
        """The number of the request that it is about, if requests are numbered; 0: none."""
        self.retry_after = retry_after
        """Seconds after which another try makes sense; None: not known."""


class BadRequest(ChatError):
    """The peer does not speak the protocol: not JSON, an unknown kind, a field of another type."""

    code = "bad_request"


class BadText(ChatError):
    """A text is empty, too long or holds a character that is not allowed."""

    code = "bad_text"


class BadName(ChatError):
    """A nick or a room name is not allowed."""

    code = "bad_name"


class NickTaken(ChatError):
    """Another member has this nick. ``retry_after`` is set if its owner is away and may lose it."""

    code = "nick_taken"
    final = False


class AccessDenied(ChatError):
    """The access token is missing or wrong."""

    code = "access_denied"


class NotYours(ChatError):
    """Only the seat that sent a message may change it; or the teacher lets this seat not write."""

    code = "not_yours"


class NoSuchMessage(ChatError):
    """The message does not exist, was deleted, or is too old to be changed."""

    code = "no_such_message"


class NoSuchRoom(ChatError):
    """Nobody has ever entered this room, so there is nothing to read."""

    code = "no_such_room"


class DraftConflict(ChatError):
    """The draft number was used before, with other content."""

    code = "draft_conflict"


class StaleCursor(ChatError):
    """The cursor belongs to another log, or its events were lost from this one: begin without one."""

    code = "stale_cursor"


class SeatGone(ChatError):
    """The seat has ended, or there never was one with this key: join again."""

    code = "seat_gone"
    final = False


class SeatTaken(ChatError):
    """Another connection has taken the seat over, and continues with it."""

    code = "seat_taken"


class Full(ChatError):
    """No more rooms, seats or connections, for anybody or for this address."""

    code = "full"
    final = False


class TooFast(ChatError):
    """Over the rate; ``retry_after`` says when the next draft or request is welcome."""

    code = "too_fast"
    final = False


class NotStored(ChatError):
    """The log could not commit (disk full, file gone): nothing happened, nothing was shown."""

    code = "not_stored"
    final = False


class Closing(ChatError):
    """The server is going down; connect again later and resume."""

    code = "closing"
    final = False


class SlowReader(ChatError):
    """This client read too slowly and is disconnected. It may resume from its cursor."""

    code = "slow_reader"
    final = False


class ConnectionLost(ChatError):
    """The connection ended, or there was none: the text says why."""

    code = "connection_lost"
    final = False


class Unconfirmed(ConnectionLost):
    """No answer came, and the technique sends only once: whether the room has the draft is not known."""


_KINDS: list[type[ChatError]] = [ChatError, *ChatError.__subclasses__()]


ERRORS: dict[str, type[ChatError]] = {kind.code: kind for kind in _KINDS}
"""Every error by its code, for the techniques that carry them as such."""


def history_starts(first: int) -> str:
    """Say that there is nothing before this seq: the log keeps only so much."""
    return N_(f"history starts at {first}: older messages are not stored any more")
