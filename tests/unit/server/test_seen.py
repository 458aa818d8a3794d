"""How far each member has read, as the hub knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.domain.model import Event
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.stage import Disk, come_in, enter, running, says


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with running(Disk()) as hub:
        yield hub


async def seen(asker: HubSeat) -> dict[str, int | None]:
    return {member.nick: member.seen for member in await asker.members()}


async def seq(seat: HubSeat, text: str) -> int:
    outcome = await says(seat, text)
    assert isinstance(outcome, Event)
    return outcome.seq


async def test_who_polls_has_seen_what_is_before_the_place_asked_for_and_not_yet_the_answer(hub: Hub) -> None:
    ann, polls = await enter(hub, "ann", "rest"), await enter(hub, "polls", "soap", replay=0)
    assert (await seen(ann)) == {"ann": None, "polls": polls.start}, "ann has asked for nothing yet"
    said = await seq(ann, "hello")
    assert [event.seq for event in await polls.read(said - 1, 200, 0)] == [said]
    assert (await seen(ann))["polls"] == said - 1, "the answer may be lost"
    await polls.read(said, 200, 0)
    assert (await seen(ann))["polls"] == said
    await polls.read(0, 200, 0)
    assert (await seen(ann))["polls"] == said, "who reads again has not lost it"
    await polls.read(said + 1000, 200, 0)
    assert (await seen(ann))["polls"] == said, "nobody has what does not exist"


async def test_members_of_all_techniques_are_told_together_and_a_welcome_tells_nothing(hub: Hub) -> None:
    ann, _ = await come_in(hub, "ann")
    polls = await enter(hub, "polls", "rest", replay=0)
    said = await seq(ann, "hello")
    assert await seen(ann) == {"ann": said, "polls": polls.start}
    assert [member.seen for member in ann.welcome.members] == [None, None]
    reader = await hub.look("lab", "")
    assert {member.nick: member.seen for member in await reader.members()} == await seen(ann)


async def test_who_is_away_has_seen_what_was_known_before(hub: Hub) -> None:
    ann, _ = await come_in(hub, "ann")
    bob, peer = await come_in(hub, "bob")
    said = await seq(ann, "hello")
    assert (await seen(ann))["bob"] == said
    bob.detach(peer)
    await seq(ann, "are you there")
    assert (await seen(ann))["bob"] == said
    back, _ = await come_in(hub, "bob", seat_key=bob.key)
    assert back is bob
    assert (await seen(ann))["bob"] == ann.head


async def test_of_who_has_not_come_back_since_the_server_started_nothing_is_known() -> None:
    log = Disk()
    async with running(log) as hub:
        await enter(hub, "gone", "rest")
    async with running(log) as hub:
        ann = await enter(hub, "ann", "rest")
        assert (await seen(ann))["gone"] is None
