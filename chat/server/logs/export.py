"""Writes what a log holds as JSON lines, also while its server writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import decode_body, event_json
from chat.domain.model import Checkpoint, Entry, Event
from chat.domain.room import TAIL, Room, event_of
from chat.domain.validation import printable
from chat.language import N_
from chat.server.logs.files import shown
from chat.server.logs.reading import existing, reading
from chat.server.logs.sums import unsealed
from chat.server.logs.watch import ROOMS


def export(
    path: Path,
    write: Callable[[str], None],
    problem: Callable[[str], None],
    *,
    rooms: Collection[str] = (),
    entries: bool = False,
) -> None:
    """Write a log, room by room, each in its order.

    Args:
        path: the log.
        write: is called with each line, without its end.
        problem: is called with a line about each entry that can't be read.
        rooms: only these; none: all.
        entries: write the entries as they are stored, also those that the rooms refused and checkpoints.
            Otherwise events, as `chat tail --json` does.

    Raises:
        ChatError: the log can't be read, or has no such room.
    """
    path = existing(path)
    with reading(path) as db:
        found = _rooms(db, path, rooms)
        for name in sorted(rooms or found):
            for line in _lines(db, name, found[name], problem, entries):
                write(line)


def events_of(path: Path, room: str, problem: Callable[[str], None]) -> Iterator[tuple[str, Event]]:
    """Yield the events of one room with the room's epoch, in order. Args and errors like `export`."""
    path = existing(path)
    with reading(path) as db:
        for one in _read(db, room, _rooms(db, path, [room])[room], problem):
            if one.accepted:
                yield one.epoch, event_of(one.entry, one.prev)


def only_room(path: Path) -> str:
    """Return the name of a log's room if it has just one, else ""."""
    path = existing(path)
    with reading(path) as db:
        found = _rooms(db, path, ())
    return next(iter(found)) if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class _Stored:
    entry: Entry
    body: bytes
    """As JSON, without its checksum."""
    accepted: bool
    prev: int
    epoch: str


def _rooms(db: sqlite3.Connection, path: Path, rooms: Collection[str]) -> dict[str, int]:
    """Return the rooms and the seqs of their last entries. Raises `ChatError` if one of ``rooms`` is none."""
    found: dict[str, int] = dict(db.execute(ROOMS).fetchall())
    for name in rooms:
        if name not in found:
            known = ", ".join(sorted(found)) or "none"
            raise ChatError(f"the log {shown(path)} has no room {printable(name)}: it has {known}")
    return found


def _lines(
    db: sqlite3.Connection, name: str, last: int, problem: Callable[[str], None], entries: bool
) -> Iterator[str]:
    for one in _read(db, name, last, problem):
        entry = one.entry
        if entries:
            stored = {
                "seq": entry.seq,
                "at": entry.at,
                "accepted": one.accepted,
                "body": json.loads(one.body),
            }
            yield printable(json.dumps({"room": name, **stored}, ensure_ascii=False))
        elif one.accepted:
            yield event_json(event_of(entry, one.prev), name, one.epoch)


def _read(db: sqlite3.Connection, name: str, last: int, problem: Callable[[str], None]) -> Iterator[_Stored]:
    marked = {seq for (seq,) in db.execute("SELECT seq FROM refused WHERE room = ?", (name,))}
    rows = db.execute("SELECT seq, at, CAST(body AS BLOB) FROM entries WHERE room = ? ORDER BY seq", (name,))
    room, prev, sound = Room(), 0, True
    for seq, at, data in rows:
        bare, _ = unsealed(data)
        try:
            entry = Entry(seq, at, decode_body(bare))
        except BadRequest as error:
            sound = False
            problem(printable(N_(f"room {name}, entry {seq} can't be read: {error}")))
            continue
        outcome = room.apply(entry)
        accepted = seq not in marked and type(entry.body) is not Checkpoint
        if accepted and sound and seq > last - TAIL:
            # A server that runs, or was killed, may not have stored the refusal yet.
            accepted = type(outcome) is Event
        yield _Stored(entry, bare, accepted, prev, room.epoch)
        if accepted:
            prev = seq
