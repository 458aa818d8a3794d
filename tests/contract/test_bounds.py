"""What one address may take: every technique refuses more in its own words, and says when to try again."""

from __future__ import annotations

import pytest

from chat.domain.errors import Full, TooFast
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


@pytest.mark.parametrize(
    "bounds", [Bounds(pages=6, page_rate=0.01, address_pages=6, address_page_rate=0.01)], ids=["six pages"]
)
@pytest.mark.parametrize("what", ["history", "members"])
async def test_who_reads_too_much_at_once_is_told_when_to_ask_again(enter: Enter, what: str) -> None:
    ann = await enter("ann")

    async def ask_seven_times() -> None:  # a client may have asked for the members when it came in
        for _ in range(7):
            await (ann.client.members() if what == "members" else ann.client.history(before=3, limit=1))

    with pytest.raises(TooFast, match="one after the other") as refused:
        await ask_seven_times()
    assert refused.value.retry_after is not None
    assert 90 < refused.value.retry_after <= 100
    await ann.say("hello")
