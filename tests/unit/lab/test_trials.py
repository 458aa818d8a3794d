"""The verdict over a trial; the trials themselves run with real servers, see tests/faults/test_trials.py."""

from __future__ import annotations

import pytest

import backends
from lab.faults.registry import parse_fault
from lab.trials.report import Cell, as_text, row
from lab.trials.run import Found, Outcome
from lab.trials.scenarios import BY_NAME, SCENARIOS

TCP, UDP = backends.technique("tcp"), backends.technique("udp")


def cell(*outcomes: Outcome, technique: str = "tcp", scenario: str = "stall") -> Cell:
    return Cell.of(backends.technique(technique), BY_NAME[scenario], Found(list(outcomes), None, 0))


def well(**figures: int) -> Outcome:
    return Outcome(1, fired=figures.pop("fired", 1), well=0.1, sent=14, **figures)  # type: ignore[arg-type]


def test_all_well_is_valid() -> None:
    assert cell(well(), well()).verdict == "valid"


@pytest.mark.parametrize("wrong", ["lost", "doubled", "reordered", "unnamed"])
def test_one_wrong_message_in_one_seed_is_invalid(wrong: str) -> None:
    found = cell(well(), well(**{wrong: 1}))
    assert found.verdict == "invalid"


def test_what_never_got_well_and_what_failed_is_invalid() -> None:
    assert cell(Outcome(1, fired=1, well=None)).verdict == "invalid"
    assert cell(Outcome(1, failed="no server")).verdict == "invalid"


def test_a_fault_that_did_not_fire_has_shown_nothing() -> None:
    assert cell(well(fired=0)).verdict == "unknown"
    assert cell(well(fired=0), scenario="server killed").verdict == "valid"  # nothing on the wire had to fire


def test_udp_promises_no_order() -> None:
    assert cell(well(reordered=3), technique="udp", scenario="reordered").verdict == "valid"
    assert cell(well(lost=1), technique="udp", scenario="reordered").verdict == "invalid"


def test_the_command_repeats_the_first_bad_seed() -> None:
    bad = well(lost=1)
    bad.seed = 17
    found = cell(well(), bad)
    assert found.again == "chat lab faults -b tcp --scenario 'stall' --seeds 1 --seed 17"
    assert found.again in as_text([found])


def test_what_cannot_be_tried_says_why() -> None:
    assert BY_NAME["loss"].missing(TCP)
    assert not BY_NAME["loss"].missing(UDP)
    assert "broker" in BY_NAME["server killed"].missing(backends.technique("rabbitmq"))
    assert row(Cell("tcp", "loss", "tcp can't suffer it"))[-1] == "tcp can't suffer it"


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.fault], ids=lambda one: one.name)
def test_every_scenario_is_a_fault_that_there_is(scenario: object) -> None:
    assert isinstance(scenario, type(SCENARIOS[0]))
    for transport in scenario.transports:
        assert parse_fault(scenario.fault, transport)
