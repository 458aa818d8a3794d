"""The history of one room, in a temporary file while it comes, however long it is."""

from __future__ import annotations

import asyncio
import marshal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from msgspec.structs import astuple

from chat.client.session_events import Arrived, Entered, Hindered, Missed, Noticed, Reconnected, StartedOver
from chat.domain.errors import ChatError
from chat.domain.event_window import EventWindow
from chat.domain.model import MEMBERSHIP, Event, log_of

if TYPE_CHECKING:
    from chat.client.session import Session

T = TypeVar("T")

TABLES = """
PRAGMA synchronous = OFF;
CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, id INTEGER, data BLOB);
CREATE TABLE changes (id INTEGER PRIMARY KEY, seq INTEGER);
"""
CHANGED = "INSERT INTO changes VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"
ALL = "SELECT data FROM events ORDER BY seq"
AS_IT_IS_NOW = """
SELECT event.data, newest.data FROM events AS event
LEFT JOIN changes ON changes.id = event.id AND event.kind = 'sent'
LEFT JOIN events AS newest ON newest.seq = changes.seq
WHERE event.kind NOT IN ('edited', 'deleted') ORDER BY event.seq
"""


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the room shows it now."""

    event: Event
    text: str
    """The newest text of a message; empty if it was deleted, or is no message."""
    edited: bool = False
    deleted: bool = False


class Transcript:
    """The events of one room. They are in a temporary database, which ends with the ``with`` block.

    Memory does not grow with the room: SQLite holds some 2 MB of it, and writes the rest to a file that
    has no name, in the folder for temporary files.
    """

    def __init__(self, room: str) -> None:
        import sqlite3

        self.room = room
        self.epoch = ""
        self._count = 0
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # "" is a temporary file: https://www.sqlite.org/inmemorydb.html
        self._db.executescript(TABLES)
        self._error = sqlite3.Error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    def add(self, events: Iterable[Event]) -> None:
        """Add events, in any order. Raises `ChatError` if the disk is full."""
        try:
            self._add(events)
        except self._error as error:
            raise ChatError(
                f"cannot keep the history in a temporary file: {error}; "
                "set SQLITE_TMPDIR (on Windows TMP) to a folder with more space"
            ) from None

    def _add(self, events: Iterable[Event]) -> None:
        self._db.execute("BEGIN")
        for event in events:
            self._count += 1
            row = (event.seq, event.kind, event.id, marshal.dumps(astuple(event)))
            self._db.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)", row)
            if event.kind in ("edited", "deleted"):
                self._db.execute(CHANGED, (event.id, event.seq))
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything."""
        self._count = 0
        self._db.executescript("DELETE FROM events; DELETE FROM changes;")

    def __len__(self) -> int:
        """Return how many events it holds."""
        return self._count

    def drop_own_coming(self, seat: str) -> None:
        """Drop the newest event if it says that this seat came in: it did so only to read."""
        row = self._db.execute("SELECT seq, data FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        if row and (event := _event(row[1])).kind in MEMBERSHIP and event.seat == seat:
            self._count -= 1
            self._db.execute("DELETE FROM events WHERE seq = ?", (row[0],))

    def events(self) -> Iterator[Event]:
        """Yield every event, in the room's order."""
        for (data,) in self._db.execute(ALL):
            yield _event(data)

    def lines(self) -> Iterator[Line]:
        """Yield the messages with their newest text, and who came and left, in the room's order."""
        for data, newer in self._db.execute(AS_IT_IS_NOW):
            event, newest = _event(data), newer and _event(newer)
            if event.kind != "sent":
                yield Line(event, "")
            elif not newest:
                yield Line(event, event.text)
            elif newest.kind == "deleted":
                yield Line(event, "", deleted=True)
            else:
                yield Line(event, newest.text, edited=True)


def _event(data: bytes) -> Event:
    return Event(*marshal.loads(data))


async def finished(work: Callable[..., T], *args: Any) -> T:
    """Run in a thread what blocks; if the caller is cancelled meanwhile, it still runs to its end first."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


async def read_history(session: Session, transcript: Transcript, tell: Callable[[str], None]) -> int:
    """Read the history of a session's room up to the moment when it came in.

    Args:
        session: not started yet; its cursor is before the first event. It is started and closed here.
        transcript: takes the events.
        tell: is called with a line about what hinders.

    Returns:
        How many events the technique has lost.

    Raises:
        ChatError: the session ended before.
    """
    window: EventWindow | None = None
    head = 0
    lost: set[int] = set()
    async with session:
        async for batch in session.updates():
            events: list[Event] = []
            for update in batch:
                match update:
                    case Entered(welcome) if window is None:
                        window, head = EventWindow(max(welcome.first - 1, 0)), welcome.head
                        transcript.epoch = log_of(welcome.epoch)
                    case Arrived(event) if window is not None and event.seq <= head:
                        window.take(event.seq, event.prev)
                        lost.discard(event.seq)
                        events.append(event)
                    case Missed(missing) if window is not None:
                        lost.update(one.seq for one in missing.events if one.seq <= head)
                        for one in missing.events:
                            window.miss(one.seq, one.prev)
                    case StartedOver():
                        window, lost, events = None, set(), []
                        await finished(transcript.clear)
                    case Hindered() | Reconnected() as news:
                        tell(news.text)
                    case Noticed(text):
                        tell(text)
                    case _:
                        pass
            await finished(transcript.add, events)
            if window is not None and window.floor >= head:
                await finished(transcript.drop_own_coming, session.seat)
                return len(lost)
    raise session.outcome or ChatError("the session ended")
