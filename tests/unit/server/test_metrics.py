"""What is measured of a hub."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from chat.domain.errors import ChatError, SlowReader
from chat.domain.model import Hello
from chat.interfaces.server import HIGH_WATER
from chat.server.hub import Hub
from chat.server.metrics import METRICS, PREFIX, collect
from tests.support.stage import Clock, Disk, Peer, come_in, enter, says, settle

PAGE = Path(__file__).parents[3] / "docs" / "operating.md"


def samples(hub: Hub, **dropped: Counter[str]) -> dict[str, float]:
    """Return every sample, as Prometheus writes its name."""
    return {
        f"{one.name}{{{','.join(one.labels.values())}}}".replace("{}", ""): one.value
        for family in collect(hub, dropped)
        for one in family.samples
    }


async def test_every_metric_is_on_the_page_and_nothing_else_is_measured(hub: Hub) -> None:
    page = PAGE.read_text(encoding="utf-8")
    row = re.compile(rf"^\| `{PREFIX}(\w+?)(?:_total)?` \| (\w+) \|", re.M)
    rows = {found[1]: found[2] for found in row.finditer(page)}
    assert rows == {name: about.kind for name, about in METRICS.items()}
    assert [family.name for family in collect(hub, {})] == [PREFIX + name for name in METRICS]


async def test_seats_are_counted_by_technique_and_state(hub: Hub, clock: Clock) -> None:
    await come_in(hub, "ann")
    bob, peer = await come_in(hub, "bob")
    bob.detach(peer)
    cat = await enter(hub, "cat", "rest")
    hub.find_seat(cat.key)
    await clock.advance(1.0)
    found = samples(hub)
    assert {name: value for name, value in found.items() if "seats{" in name} == {
        "chat_seats{tcp,connected}": 1,
        "chat_seats{tcp,away}": 1,
        "chat_seats{rest,polling}": 1,
    }


class Stuck(Peer):
    """A connection that takes nothing."""

    def buffered(self) -> int:
        return HIGH_WATER + 1


async def test_what_waits_for_a_connection_that_reads_nothing_is_measured(hub: Hub) -> None:
    await come_in(hub, "ann")
    seat = await enter(hub, "bob")
    peer = Stuck()
    seat.attach(peer, live=True)
    for n in range(1, 4):
        await says(seat, "hello", n)
    found = samples(hub)
    assert found["chat_mailboxes{tcp,live}"] == 1
    assert found["chat_mailboxes{tcp,behind}"] == 1
    assert found["chat_mailbox_bytes_max{tcp}"] == found["chat_mailbox_bytes{tcp}"] == HIGH_WATER + 1
    assert found["chat_mailbox_seqs_behind_max{tcp}"] >= 3


async def test_commits_and_what_was_not_stored_are_counted(hub: Hub, disk: Disk) -> None:
    seat = await enter(hub)
    before = samples(hub)
    await says(seat, "hello", 1)
    disk.full = True
    await says(seat, "hello", 2)
    found = samples(hub)
    assert found["chat_entries_total"] == before["chat_entries_total"] + 1
    assert found["chat_commits_total"] == before["chat_commits_total"] + 1
    assert found["chat_not_stored_total"] == 1
    assert found["chat_latency_seconds_count"] == found["chat_commits_total"]
    assert (before["chat_ready"], found["chat_ready"]) == (1, 0)


async def test_what_is_told_is_counted_too(hub: Hub) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer, SlowReader("too slow"))
    await hub.take_seat(Hello("lab", "ann", seat_key=seat.key), "tcp")
    hub.find_seat(seat.key).leave()
    await settle()
    with pytest.raises(ChatError):
        await hub.take_seat(Hello("lab", "\a"), "soap")
    hub.wrong_token("192.0.2.7")
    found = samples(hub, udp=Counter({"no connection": 5}))
    for name, value in {
        "chat_joins_total{tcp}": 1,
        "chat_resumes_total{tcp}": 1,
        "chat_leaves_total{tcp,left}": 1,
        "chat_cuts_total{tcp,slow_reader}": 1,
        "chat_refusals_total{soap,bad_name}": 1,
        "chat_drops_total{udp,no_connection}": 5,
        "chat_wrong_tokens_total": 1,
    }.items():
        assert found[name] == value, name
