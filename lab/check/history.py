"""The history of a client: what it asked for, what it was told, and what it saw, as JSON lines.

`docs/reliability.md` describes the format. Times are seconds of a clock that never goes back, the same for
all clients of a run. The room's log stands beside the records as `chat log export` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from chat.domain.errors import BadRequest
from chat.domain.json_codec import Decoder, encode
from chat.domain.model import Event, Number

Act = Literal["sent", "edited", "deleted"]
"""What an operation becomes in the log: the kind of its event."""


class _Record(Struct, frozen=True, tag_field="record", tag=str.lower, omit_defaults=True, kw_only=True):
    client: str
    """Which client: unique among all histories that are judged together."""
    at: float
    """Seconds, of a clock that never goes back."""


class Entered(_Record, frozen=True, kw_only=True):
    """The client has a seat, and its connection is up."""

    room: str
    seat: str
    """The public name, which is in the events."""
    head: Number
    """The seq of the newest event at that moment: the client must get everything after it."""
    technique: str = ""
    ordered: bool = True
    """The technique promises to deliver events in the room's order, and drafts in the client's."""
    lossless: bool = True
    """The technique promises to deliver every event. Otherwise it must name those that are missing."""
    resend: bool = True
    """The client sends again what was not answered: so it is answered in the end."""


class Down(_Record, frozen=True, kw_only=True):
    """The connection has ended."""

    reason: str = ""


class Invoke(_Record, frozen=True, kw_only=True):
    """The client asks for something."""

    op: Number
    """The operation: unique in its client, and growing in the order in which they were asked for."""
    act: Act = "sent"
    text: str = ""
    id: Number = 0
    """The message that is edited or deleted."""


class Ok(_Record, frozen=True, kw_only=True):
    """The operation is acknowledged: it is in the log. A second one may add the seq to one without."""

    op: Number
    seq: Number = 0
    """The seq of its event; 0: the answer did not say it."""


class Fail(_Record, frozen=True, kw_only=True):
    """The operation is refused: it is not in the log."""

    op: Number
    reason: str = ""


class Indefinite(_Record, frozen=True, kw_only=True):
    """Nobody knows: it may be in the log or not. An operation without any outcome counts as this."""

    op: Number
    reason: str = ""


class Saw(_Record, frozen=True, kw_only=True):
    """An event has come. Order of these lines: the order in which the client saw them."""

    event: Event


class Missing(_Record, frozen=True, kw_only=True):
    """The technique has named events that were lost."""

    seqs: tuple[Number, ...]


class End(_Record, frozen=True, kw_only=True):
    """The history ends."""

    whole: bool = True
    """The client has waited, long enough, for all events and answers. Otherwise it was stopped midway."""


class Fault(Struct, frozen=True, tag_field="record", tag="fault", omit_defaults=True, kw_only=True):
    """Something went wrong on purpose, on the wire."""

    name: str
    at: float
    until: float
    """When it was over."""
    fired: Number
    """How often it has hit."""
    indefinite: bool = False
    """After such a fault at least one operation must be indefinite."""


Record = Entered | Down | Invoke | Ok | Fail | Indefinite | Saw | Missing | End | Fault
Line = Record | Event

_record: Decoder[Record] = Decoder(Record)


class _Entry(Struct, frozen=True):
    """The room's name beside an event of the log."""

    room: str = ""


_event: Decoder[Event] = Decoder(Event)
_entry: Decoder[_Entry] = Decoder(_Entry)


class _Tag(Struct, frozen=True):
    record: str | None = None


_tag: Decoder[_Tag] = Decoder(_Tag)


def read_line(line: bytes) -> tuple[Line, str]:
    """Return a record or an entry of the log, and the entry's room ("": none is named).

    Raises:
        BadRequest: it is neither.
    """
    if _tag.decode(line).record is not None:
        return _record.decode(line), ""
    return _event.decode(line), _entry.decode(line).room


def read_lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[Line, str]]:
    """Read a file; ``name`` is for the error. Empty lines are left out. Raises `BadRequest`."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read_line(line)
        except BadRequest as error:
            raise BadRequest(f"{name}, line {number}: {error}") from None


def write_line(line: Line) -> str:
    """Return a record, or an entry of the log, as a line of a history, without its end."""
    return encode(line).decode()
