"""When which fault begins, and how a line is laid through what memory does."""

from __future__ import annotations

import itertools

import pytest

from lab.faults.registry import faults, parse_fault
from lab.soak.resources import left, slope
from lab.soak.schedule import FAULTS, schedule
from lab.wire.capture import Transport

CARRIED: dict[str, Transport] = {"tcp": "tcp", "udp": "udp", "rest": "tcp"}


def test_a_seed_repeats_the_schedule() -> None:
    assert schedule("1", 300, CARRIED) == schedule("1", 300, CARRIED) != schedule("2", 300, CARRIED)


def test_every_fault_ends_within_the_run_and_a_technique_has_one_at_a_time() -> None:
    steps = schedule("1", 300, CARRIED)
    assert {step.technique for step in steps} == set(CARRIED)
    for name in CARRIED:
        times = [(step.at, step.at + step.lasts) for step in steps if step.technique == name]
        assert all(end <= 300 for _, end in times)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_fault_that_a_transport_can_suffer_is_tried_but_one_that_changes_texts(
    transport: Transport,
) -> None:
    tried = {parse_fault(text, transport).name for text in FAULTS[transport]}
    assert tried == {kind.name for kind in faults().values() if transport in kind.transports} - {"corrupt"}


def test_a_slope_is_that_of_the_line_through_the_samples() -> None:
    assert slope([(0, 10), (1, 12), (2, 14)]) == pytest.approx(2)
    assert slope([(0, 10), (1, 11), (2, 9), (3, 10)]) == pytest.approx(-0.2)
    assert slope([(5, 1)]) == 0


def test_what_there_is_more_of_is_left() -> None:
    before = {"threads": 5, "sockets": 3, "tasks": 1}
    assert left(before, {"threads": 7, "sockets": 2, "tasks": 1}) == {}
    assert left(before, {"threads": 10, "sockets": 4, "tasks": 2}) == {"threads": 5, "sockets": 1, "tasks": 1}
