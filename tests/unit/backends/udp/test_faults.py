"""The dice: the same seed and the same datagrams have the same fate; what is swapped is not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.udp import TECHNIQUE
from backends.udp.faults import HOLD, Faults
from tests.support.stage import Clock


def fate(direction: str = "out", **settings: str) -> list[int]:
    """Return what comes of a thousand datagrams; what is held back at the end is not in it."""
    came: list[int] = []
    faults: Faults[int] = Faults({"seed": "7", **settings}, direction, came.append)
    for i in range(1000):
        faults.send(i)
    faults.close()
    return came


async def test_without_settings_everything_passes() -> None:
    assert fate() == list(range(1000))
    assert not Faults[Any]({}, "out", print).any


async def test_the_share_is_lost_that_was_asked_for() -> None:
    came = fate(loss="0.3")
    assert 650 < len(came) < 750
    assert came == sorted(set(came))


async def test_the_share_comes_twice_that_was_asked_for() -> None:
    came = fate(dup="0.3")
    assert 250 < len(came) - 1000 < 350
    assert set(came) == set(range(1000))


async def test_what_is_swapped_comes_right_after_the_next() -> None:
    came = fate(reorder="0.3")
    assert came != sorted(came)
    assert set(range(999)) <= set(came)
    assert all(abs(place - number) <= 1 for place, number in enumerate(came))


async def test_the_same_seed_is_the_same_fate_and_another_is_not() -> None:
    rough = {"loss": "0.3", "dup": "0.2", "reorder": "0.2"}
    assert fate(**rough) == fate(**rough)
    assert fate(**rough) != fate(**rough, seed="8")
    assert fate(**rough) != fate(direction="in", **rough)


async def test_a_later_loss_is_not_moved_by_what_else_happens() -> None:
    assert set(fate(loss="0.3")) == set(fate(loss="0.3", dup="0.5"))


async def test_what_nothing_overtakes_goes_on_after_a_while(clock: Clock) -> None:
    came: list[int] = []
    faults: Faults[int] = Faults({"reorder": "1"}, "out", came.append)
    faults.send(1)
    assert came == []
    await clock.advance(2 * HOLD)
    await asyncio.sleep(0)
    assert came == [1]
    faults.close()


@pytest.mark.parametrize("text", ["", "x", "-0.1", "1.1", "nan", "30%"])
def test_what_is_no_probability_is_refused(text: str) -> None:
    setting = next(one for one in TECHNIQUE.settings if one.name == "loss")
    with pytest.raises(ValueError, match="no probability"):
        setting.check(text)
