"""What one address may take: every technique refuses more in its own words, and says when to try again."""

from __future__ import annotations

import pytest

from chat.domain.errors import Full
from chat.domain.model import Bounds
from chat.interfaces.technique import Technique
from tests.support.people import Enter


@pytest.fixture(autouse=True)
def hub_technique(technique: Technique) -> Technique:
    if technique.server is None:
        pytest.skip("a broker is the server: it bounds nothing of this")
    return technique


@pytest.mark.parametrize("bounds", [Bounds(loopback_seats=1, address_seats=1)], ids=["one seat"])
async def test_an_address_takes_so_many_seats_and_the_refusal_says_so(enter: Enter) -> None:
    ann = await enter("ann")
    with pytest.raises(Full, match="your address has 1 seats"):
        await enter("bob")
    await ann.say("hello")


@pytest.mark.parametrize("bounds", [Bounds(entries=1, entry_rate=0.01)], ids=["one entry"])
async def test_who_comes_too_often_is_told_when_to_try_again(enter: Enter) -> None:
    await enter("ann")
    with pytest.raises(Full, match="try again in") as full:
        await enter("bob")
    assert full.value.retry_after is not None
    assert 90 < full.value.retry_after <= 100


@pytest.mark.parametrize("bounds", [Bounds(new_rooms=1, room_rate=0.01)], ids=["one room"])
async def test_an_address_opens_so_many_rooms_and_enters_those_that_exist(enter: Enter) -> None:
    await enter("ann", room="one")
    with pytest.raises(Full, match="too many rooms") as full:
        await enter("ann", room="two")
    assert full.value.retry_after is not None
    await (await enter("bob", room="one")).say("hello")
