"""Who has what was said: how far the members have read, as the server knows it and tells who asks."""

from __future__ import annotations

import pytest

from chat.domain.model import NO_BOUNDS, Bounds, Hello, Limits
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.people import Enter, Person


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
def bounds() -> Bounds:
    return NO_BOUNDS


@pytest.fixture
def knows(technique: Technique) -> bool:
    """Whether a server knows what clients have: a broker is none, and who loses events acknowledges none."""
    return technique.traits.lossless and technique.server is not None


async def seen(asker: Person) -> dict[str, int | None]:
    return {member.nick: member.seen for member in await asker.client.members()}


async def test_who_has_taken_everything_has_seen_it_where_that_can_be_known(
    ann: Person, bob: Person, knows: bool
) -> None:
    said = await ann.say("hello")
    await bob.knows(said.seq)
    if not knows:
        assert await seen(ann) == {"ann": None, "bob": None}
        return
    while ((await seen(ann))["bob"] or 0) < said.seq:  # who polls says so with the next poll
        await ann.client.ping()


async def test_who_is_stuck_has_not_seen_the_newest_until_the_events_are_read(
    ann: Person, bob: Person, enter: Enter, knows: bool
) -> None:
    await enter("stuck", listen=False)
    said = await ann.say("x" * 4000)
    if not knows:
        assert (await seen(ann))["stuck"] is None
        return
    while ((await seen(ann))["stuck"] or 0) >= said.seq:  # what the systems keep between them fills up first
        for _ in range(50):
            said = await ann.say("x" * 4000)
        await bob.knows(said.seq)
    await bob.knows((await bob.say("one more")).seq)
    while ((await seen(ann))["bob"] or 0) < said.seq:
        await ann.client.ping()
    assert ((await seen(ann))["stuck"] or 0) < said.seq


async def test_a_member_over_another_technique_is_told_of_alike(
    ann: Person, hub: Hub, technique: Technique
) -> None:
    if technique.server is None:
        pytest.skip("the hub is not in the rooms of a broker")
    eve = await hub.take_seat(Hello("lab", "eve", replay=0), "another")
    said = await ann.say("hello")
    assert (await seen(ann))["eve"] == eve.start < said.seq
    await eve.read(said.seq, 1, 0)
    assert (await seen(ann))["eve"] == said.seq


async def test_a_welcome_tells_nothing_of_that(ann: Person, bob: Person) -> None:
    assert {member.seen for member in (*ann.welcome.members, *bob.welcome.members)} == {None}
