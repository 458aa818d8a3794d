"""Histories and a log, sorted by client and by seq: what the checks look at. No I/O, and linear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.domain.errors import BadRequest
from chat.domain.model import Event
from lab.check.history import (
    Down,
    End,
    Entered,
    Fail,
    Fault,
    Indefinite,
    Invoke,
    Line,
    Missing,
    Ok,
    Saw,
)

CHANGES = ("sent", "edited", "deleted")
"""Kinds of events that somebody asked for."""


@dataclass(slots=True)
class Operation:
    """What one client asked for, and what it was told about it."""

    invoke: Invoke
    outcome: Ok | Fail | Indefinite | None = None

    @property
    def what(self) -> tuple[str, int, str]:
        return self.invoke.act, self.invoke.id, self.invoke.text


@dataclass(slots=True)
class ClientHistory:
    """One client."""

    name: str
    entered: list[Entered] = field(default_factory=list)
    downs: list[Down] = field(default_factory=list)
    operations: dict[int, Operation] = field(default_factory=dict)
    saw: list[Saw] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    end: End | None = None


@dataclass(slots=True)
class Histories:
    """Everything that is judged together."""

    clients: dict[str, ClientHistory] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    """In the order of the file."""
    faults: list[Fault] = field(default_factory=list)
    room: str = ""

    @property
    def operations(self) -> list[Operation]:
        return [one for client in self.clients.values() for one in client.operations.values()]


def sort(lines: Iterable[tuple[Line, str]]) -> Histories:
    """Sort the lines of all files.

    Args:
        lines: each with its room, as `lab.check.history.read_line` returns it.

    Raises:
        BadRequest: the lines contradict each other, or are about several rooms.
    """
    found = Histories()
    entries: list[tuple[Event, str]] = []
    for line, room in lines:
        if isinstance(line, Event):
            entries.append((line, room))
        elif isinstance(line, Fault):
            found.faults.append(line)
        else:
            client = found.clients.setdefault(line.client, ClientHistory(line.client))
            _add(client, line)
    rooms = {one.room for client in found.clients.values() for one in client.entered}
    if len(rooms) > 1:
        raise BadRequest(
            f"these histories are about several rooms, {', '.join(sorted(rooms))}: one at a time"
        )
    found.room = next(iter(rooms), "")
    found.log = [entry for entry, room in entries if not (room and rooms) or room == found.room]
    return found


def _add(
    client: ClientHistory, line: Entered | Down | Invoke | Ok | Fail | Indefinite | Saw | Missing | End
) -> None:
    match line:
        case Entered():
            client.entered.append(line)
        case Down():
            client.downs.append(line)
        case Invoke():
            if line.op in client.operations:
                raise BadRequest(f"{client.name}: operation {line.op} is invoked twice")
            client.operations[line.op] = Operation(line)
        case Ok() | Fail() | Indefinite():
            if (operation := client.operations.get(line.op)) is None:
                raise BadRequest(f"{client.name}: operation {line.op} has an outcome, and was not invoked")
            before = operation.outcome
            completes = isinstance(before, Ok) and not before.seq and isinstance(line, Ok)
            if isinstance(before, Ok | Fail) and not completes:
                raise BadRequest(f"{client.name}: operation {line.op} has two outcomes")
            operation.outcome = line
        case Saw():
            client.saw.append(line)
        case Missing():
            client.missing.update(line.seqs)
        case End():
            client.end = line
