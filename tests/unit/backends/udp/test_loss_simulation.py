"""Loss simulation: the same seed loses the same datagrams, and a reordered one is not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.udp import TECHNIQUE
from backends.udp.loss_simulation import MAX_HOLD, LossSimulation
from tests.support.stage import Clock


def delivered(direction: str = "out", **settings: str) -> list[int]:
    """Return which of a thousand datagrams are delivered; one that is held at the end is not."""
    came: list[int] = []
    simulation: LossSimulation[int] = LossSimulation({"seed": "7", **settings}, direction, came.append)
    for i in range(1000):
        simulation.send(i)
    simulation.close()
    return came


async def test_without_settings_everything_passes() -> None:
    assert delivered() == list(range(1000))
    assert not LossSimulation[Any]({}, "out", print).enabled


async def test_the_share_that_was_asked_for_is_lost() -> None:
    came = delivered(loss="0.3")
    assert 650 < len(came) < 750
    assert came == sorted(set(came))


async def test_the_share_that_was_asked_for_is_duplicated() -> None:
    came = delivered(dup="0.3")
    assert 250 < len(came) - 1000 < 350
    assert set(came) == set(range(1000))


async def test_a_reordered_datagram_is_delivered_after_the_next() -> None:
    came = delivered(reorder="0.3")
    assert came != sorted(came)
    assert set(range(999)) <= set(came)
    assert all(abs(place - number) <= 1 for place, number in enumerate(came))


async def test_the_same_seed_loses_the_same_and_another_does_not() -> None:
    rough = {"loss": "0.3", "dup": "0.2", "reorder": "0.2"}
    assert delivered(**rough) == delivered(**rough)
    assert delivered(**rough) != delivered(**rough, seed="8")
    assert delivered(**rough) != delivered(direction="in", **rough)


async def test_losses_do_not_depend_on_the_other_probabilities() -> None:
    assert set(delivered(loss="0.3")) == set(delivered(loss="0.3", dup="0.5"))


async def test_a_held_datagram_is_delivered_if_no_other_one_comes(clock: Clock) -> None:
    came: list[int] = []
    simulation: LossSimulation[int] = LossSimulation({"reorder": "1"}, "out", came.append)
    simulation.send(1)
    assert came == []
    await clock.advance(2 * MAX_HOLD)
    await asyncio.sleep(0)
    assert came == [1]
    simulation.close()


@pytest.mark.parametrize("text", ["", "x", "-0.1", "1.1", "nan", "30%"])
def test_what_is_no_probability_is_refused(text: str) -> None:
    setting = next(one for one in TECHNIQUE.settings if one.name == "loss")
    with pytest.raises(ValueError, match="not a probability"):
        setting.check(text)
