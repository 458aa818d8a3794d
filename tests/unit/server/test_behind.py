"""Who lags: how far the owner of a seat has been written to, or has asked."""

from __future__ import annotations

from chat.domain.model import Hello, Say
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.seat import HubSeat
from tests.support.stage import come_in, enter, says, settle


async def test_who_is_away_lags_by_what_was_said_meanwhile(hub: Hub) -> None:
    ann, peer = await come_in(hub)
    bob = await enter(hub, "bob")
    for number in range(3):
        await says(bob, f"message {number}", number + 1)
    await settle()
    ann.detach(peer)
    await says(bob, "meanwhile", 4)
    assert ann.behind == 1


async def test_who_polls_lags_until_they_ask_and_who_reads_without_a_seat_never_does() -> None:
    hub = Hub(MemoryLog())
    await hub.start()
    polls: HubSeat = await hub.take_seat(Hello("lab", "polls"), "rest")
    await polls.read(polls.start, 200, 0)
    says = await hub.take_seat(Hello("lab", "says"), "rest")
    await says.read(says.start, 200, 0)
    room = await hub.look("lab", "")
    told = [room.head]
    for number in range(3):
        says.send(Say(f"message {number}"), lambda *_: told.append(room.head))
    while len(told) < 4:
        await room.read(told[-1], 1, 1)
    assert room.behind()[polls.seat] == room.head - polls.read_up_to == 4, "who came, and what was said"
    await polls.read(polls.read_up_to, 200, 0)
    assert polls.seat not in room.behind()
    await hub.stop()
