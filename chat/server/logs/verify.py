"""Whether the file of a durable log is whole: every page, every entry, and how they follow each other."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from chat.domain.errors import BadRequest
from chat.domain.json_codec import decode_body, encode
from chat.domain.model import MAX_NUMBER, Body, Checkpoint, Entry, Event
from chat.domain.room import TAIL, Room
from chat.domain.validation import printable
from chat.language import N_
from chat.server.logs.files import SQLITE_ERRORS, damage_text
from chat.server.logs.reading import existing, reading, tables
from chat.server.logs.sums import checksum, unsealed
from chat.server.logs.wal_check import wal_problems

MOST = 100
"""Problems that are kept word by word."""
_ENTRIES = "SELECT room, seq, at, CAST(body AS BLOB), typeof(body) FROM entries"


@dataclass
class Report:
    """What was found in a log."""

    path: Path
    rooms: int = 0
    entries: int = 0
    events: int = 0
    refused: int = 0
    checkpoints: int = 0
    unchecked: int = 0
    """Entries without a checksum: an older chat wrote them."""
    unmarked: int = 0
    """Refused entries that the log does not mark as such, although the server has had the time to do it."""
    problems: list[str] = field(default_factory=list)
    """The first ones; see `more`."""
    more: int = 0

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST:
            self.problems.append(printable(text))
        else:
            self.more += 1

    def summary(self) -> str:
        """Return in one line what the log holds."""
        return N_(
            f"{self.rooms:,} room{'s' * (self.rooms != 1)}, {self.entries:,} entries: "
            f"{self.events:,} events, {self.refused:,} refused, {self.checkpoints:,} checkpoints"
        )

    def notes(self) -> list[str]:
        """Return what is no damage, but worth knowing."""
        notes = []
        if self.unchecked:
            notes.append(
                N_(
                    f"{self.unchecked:,} entries have no checksum, because an older chat wrote them: "
                    "a changed letter in one of them is not noticed"
                )
            )
        if self.unmarked:
            notes.append(N_(f"{self.unmarked:,} entries that the rooms refuse are not marked as refused"))
        return notes


def verify(path: Path) -> Report:
    """Look at a log, also while a server writes it.

    Raises:
        ChatError: there is no log, it is none of this format, or it can't be read at all.
    """
    path = existing(path)
    report = Report(path)
    try:
        for text in wal_problems(Path(f"{path}-wal")):
            report.problem(text)
    except OSError as error:
        report.problem(N_(f"{path.name}-wal can't be read: {error.strerror}"))
    with reading(path) as db:
        verify_database(db, report)
    return report


def verify_database(db: sqlite3.Connection, report: Report) -> None:
    """Look at an open database, and add to the report."""
    try:
        for (verdict,) in db.execute(f"PRAGMA integrity_check({MOST})"):
            if verdict != "ok":
                for line in verdict.splitlines():
                    report.problem(f"SQLite: {line}")
        _Check(db, report).run()
    except SQLITE_ERRORS as error:
        report.problem(N_(f"it can't be read to the end: {damage_text(error)}"))


class _RoomCheck:
    """One room, entry by entry."""

    def __init__(self, name: str, begun: list[tuple[int, str]], refused: set[int], report: Report) -> None:
        self._name = name
        self._starts = [seq for seq, _ in begun]
        self._generations = ["", *(generation for _, generation in begun)]
        self._stored = refused
        self._report = report
        self._room = Room()
        self._last = 0
        self._sound = True
        self._unmarked: list[int] = []

    def add(self, seq: object, at: object, data: object, kind: str) -> None:
        report = self._report
        report.entries += 1
        if not (_number(seq) and _number(at) and isinstance(data, bytes) and kind == "text"):
            return self._problem(N_(f"an entry behind {self._last}"), N_("its fields have wrong types"))
        assert isinstance(seq, int)
        assert isinstance(at, int)
        prev, self._last = self._last, max(seq, self._last)
        if seq <= prev:
            self._problem(N_(f"entry {seq}"), N_(f"it stands behind entry {prev}"))
        body = self._body(prev, seq, at, data)
        if body is None:
            return None
        if not self._room.epoch and prev == 0 and type(body).__name__ != "Opened":
            self._problem(N_(f"entry {seq}"), N_("it is the first one, and does not open the room"))
        self._decide(Entry(seq, at, body))
        return None

    def end(self) -> None:
        for seq in self._stored:
            self._problem(N_(f"entry {seq}"), N_("it is marked as refused, and does not exist"))
        self._report.unmarked += sum(seq <= self._last - TAIL for seq in self._unmarked)

    def _body(self, prev: int, seq: int, at: int, data: bytes) -> Body | None:
        bare, value = unsealed(data)
        generation = self._generations[bisect_right(self._starts, seq)]
        try:
            body = decode_body(bare)
        except BadRequest as error:
            self._problem(N_(f"entry {seq}"), N_(f"it is damaged: {error}"))
            return None
        if value is None:
            self._report.unchecked += 1
            if encode(body) != bare:  # e.g. the name of its checksum is damaged
                self._problem(N_(f"entry {seq}"), N_("it is damaged: no chat writes it like this"))
        elif value != checksum(bare, generation, self._name, prev, seq, at):
            self._problem(
                N_(f"entry {seq}"),
                N_("its checksum does not fit: a letter, a number or the entry before it changed"),
            )
        return body

    def _decide(self, entry: Entry) -> None:
        report = self._report
        outcome = self._room.apply(entry)
        marked = entry.seq in self._stored
        self._stored.discard(entry.seq)
        if type(outcome) is Event:
            report.events += not marked
            report.refused += marked
            if marked and self._sound:
                self._problem(
                    N_(f"entry {entry.seq}"), N_("it is marked as refused, but the room accepts it")
                )
        elif type(entry.body) is Checkpoint:
            report.checkpoints += 1
        else:
            report.refused += 1
            if not marked:
                self._unmarked.append(entry.seq)

    def _problem(self, where: str, what: str) -> None:
        self._sound = False
        self._report.problem(N_(f"room {self._name}, {where}: {what}"))


class _Check:
    def __init__(self, db: sqlite3.Connection, report: Report) -> None:
        self._db = db
        self._report = report

    def run(self) -> None:
        begun = self._generations()
        refused: defaultdict[str, set[int]] = defaultdict(set)
        for name, seq in self._db.execute("SELECT room, seq FROM refused"):
            refused[name].add(seq)
        rooms: dict[str, _RoomCheck] = {}
        # As they stand in the file: an index that is damaged must not hide some.
        for name, *entry in self._db.execute(_ENTRIES):
            if (room := rooms.get(name)) is None:
                room = _RoomCheck(name, begun.pop(name, []), refused.pop(name, set()), self._report)
                rooms[name] = room
            room.add(*entry)
        for room in rooms.values():
            room.end()
        for name in {*begun, *refused}:
            self._report.problem(N_(f"room {name}: the log knows something about it, and has no entry of it"))
        self._report.rooms = len(rooms)

    def _generations(self) -> dict[str, list[tuple[int, str]]]:
        """Return, for each room, the first seqs of the generations that wrote to it, and their names."""
        begun: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        if not {"generations", "begun"} <= tables(self._db):
            return begun  # the log of an older chat
        names = dict(self._db.execute("SELECT number, name FROM generations").fetchall())
        for room, number, seq in self._db.execute("SELECT room, number, seq FROM begun"):
            before = begun[room][-1][0] if begun[room] else 0
            if number not in names:
                self._report.problem(N_(f"room {room}: generation {number} began at {seq}, and is not known"))
            if not (_number(seq) and seq >= max(1, before)):
                self._report.problem(
                    N_(f"room {room}: generation {number} can't begin at {seq}, behind {before}")
                )
                continue
            begun[room].append((seq, names.get(number, "")))
        return begun


def _number(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_NUMBER
