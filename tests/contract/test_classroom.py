"""The teacher's means over every technique: they are messages, so no technique knows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.domain.classroom import proof
from chat.domain.errors import BadText, NotYours, TooFast
from chat.domain.model import Bounds, Limits
from chat.interfaces.log import Log
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.people import Enter

TOKEN = "the teacher's own token"


@pytest.fixture
async def hub(limits: Limits, bounds: Bounds, access: str, log: Log) -> AsyncIterator[Hub]:
    hub = Hub(log, limits=limits, bounds=bounds, access=access, teacher=TOKEN)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture(autouse=True)
def served_by_a_hub(technique: Technique) -> None:
    if technique.server is None:
        pytest.skip("a broker holds nobody to anything")


async def test_a_frozen_room_refuses_with_what_to_do_until_it_thaws(enter: Enter) -> None:
    teacher, ann = await enter("teacher"), await enter("ann")
    await teacher.say(f"/class teacher {proof(TOKEN, teacher.welcome.seat)}")
    said = await ann.say("before")
    await teacher.say("/class freeze")
    with pytest.raises(NotYours, match="frozen the room") as refused:
        await ann.say("during")
    assert refused.value.n == ann.n
    with pytest.raises(NotYours, match="frozen the room"):
        await ann.edit(said.seq, "changed")
    await ann.say("/class hand")
    await teacher.say("/class thaw")
    await ann.say("after")


async def test_only_a_teacher_may(enter: Enter) -> None:
    teacher, ann = await enter("teacher"), await enter("ann")
    shown = f"/class teacher {proof(TOKEN, teacher.welcome.seat)}"
    await teacher.say(shown)
    for text in ("/class freeze", shown):
        with pytest.raises(NotYours):
            await ann.say(text)
    with pytest.raises(BadText, match="there is no /class dance"):
        await ann.say("/class dance")


async def test_who_is_muted_may_not_write_and_others_may(enter: Enter) -> None:
    teacher, ann = await enter("teacher"), await enter("ann")
    bob = await enter("bob")
    await teacher.say(f"/class teacher {proof(TOKEN, teacher.welcome.seat)}")
    await teacher.say("/class mute ann")
    with pytest.raises(NotYours, match="muted you"):
        await ann.say("hello")
    await bob.say("hello")


async def test_slow_mode_says_when_the_next_message_is_welcome(enter: Enter) -> None:
    teacher, ann = await enter("teacher"), await enter("ann")
    await teacher.say(f"/class teacher {proof(TOKEN, teacher.welcome.seat)}")
    await teacher.say("/class slow 60")
    await ann.say("one")
    with pytest.raises(TooFast, match="slow mode") as refused:
        await ann.say("two")
    assert 0 < (refused.value.retry_after or 0) <= 60
    await teacher.say("the teacher is not slowed down")
    await teacher.say("nor twice")
