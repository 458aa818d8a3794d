"""Where the replay of a stretch of a stream may begin."""

from __future__ import annotations

import pytest

from backends.rabbitmq.stream import replayable
from chat.domain.errors import ChatError
from chat.domain.model import Body, Checkpoint, Entry, Opened, Sent


def entries(kinds: str) -> list[Entry]:
    """Return entries: ``o`` opened, ``s`` sent, ``c`` a checkpoint."""
    bodies: dict[str, Body] = {
        "o": Opened("epoch"),
        "s": Sent("s1", "ann", "tcp", 1, "hello"),
        "c": Checkpoint("epoch", 1, ()),
    }
    return [Entry(seq, 0, bodies[kind]) for seq, kind in enumerate(kinds, 1)]


@pytest.mark.parametrize(
    ("kinds", "from_start", "first"),
    [
        ("osso", True, 1),
        ("scoss", True, 3),  # entries before the room was opened
        ("ssos", False, 1),
        ("oosos", False, 3),  # barrier entries
    ],
)
def test_the_first_entry_is_the_opening_one_only_at_the_start_of_the_stream(
    kinds: str, from_start: bool, first: int
) -> None:
    assert replayable(entries(kinds), from_start=from_start)[0].seq == first


def test_barrier_entries_alone_give_no_room() -> None:
    with pytest.raises(ChatError, match="was deleted"):
        replayable(entries("ooo"), from_start=False)


@pytest.mark.parametrize("from_start", [True, False])
def test_no_entries_are_nothing_to_replay(from_start: bool) -> None:
    assert replayable([], from_start=from_start) == []
