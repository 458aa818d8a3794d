"""A replica of a room: loaded from the newest entries of its log, and continued later."""

from __future__ import annotations

from chat.domain.model import Checkpoint, Entry, Joined, Left, Opened, Sent
from chat.domain.room_replica import RoomReplica

SEAT = "s1"


def log_of(count: int) -> list[Entry]:
    """Return a room's log in which ann sends messages, with a refused entry after every third one."""
    bodies: list[Opened | Joined | Sent | Left] = [Opened("epoch"), Joined(SEAT, "ann", "ann", "tcp", "n1")]
    for n in range(1, count + 1):
        bodies.append(Sent(SEAT, "ann", "tcp", n, f"m{n}"))
        if n % 3 == 0:
            bodies.append(Left("s2", "bob", "tcp", "n1"))
    return [Entry(seq, 0, body) for seq, body in enumerate(bodies, 1)]


def load(replica: RoomReplica, entries: list[Entry]) -> list[int]:
    """Replay the entries; return the seqs that were refused."""
    return [seq for batch in replica.replay(entries) for seq in batch]


def test_a_replica_that_goes_on_is_like_one_that_was_loaded_at_once() -> None:
    log = log_of(30)
    whole, continued = RoomReplica(), RoomReplica()
    refused = load(whole, log)
    assert load(continued, log[:17]) + load(continued, log[17:]) == refused
    assert continued.last == whole.last == log[-1]
    assert list(continued.ring) == list(whole.ring)
    assert continued.members() == whole.members()
    assert (continued.epoch, continued.head) == (whole.epoch, whole.head)


def test_going_on_without_news_changes_nothing() -> None:
    log = log_of(5)
    replica = RoomReplica()
    load(replica, log)
    before = (replica.last, replica.head, list(replica.ring), replica.ring.floor)
    assert load(replica, []) == []
    assert (replica.last, replica.head, list(replica.ring), replica.ring.floor) == before


def test_the_newest_entry_is_the_last_of_the_log_even_if_a_checkpoint_is_applied_first() -> None:
    log = log_of(10)
    whole = RoomReplica()
    load(whole, log)
    cut = [*log[5:], Entry(len(log) + 1, 0, whole.state.checkpoint())]
    replica = RoomReplica()
    load(replica, cut)
    assert isinstance(cut[-1].body, Checkpoint)
    assert replica.last == cut[-1]
    assert (replica.head, replica.members()) == (whole.head, whole.members())
