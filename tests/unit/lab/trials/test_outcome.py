"""What the histories of a trial show; the trials themselves run with real servers (tests/faults)."""

from __future__ import annotations

import shlex

import pytest
from msgspec import structs

import backends
from chat.cli.lab import faults
from chat.domain.model import Limits
from lab.check.history import Down, Fault, Indefinite, Invoke, Line, Ok
from lab.faults.registry import parse_fault
from lab.trials.cells import Cell, run_cells
from lab.trials.outcome import Outcome, failed, outcome, p99
from lab.trials.report import as_text, not_valid, row
from lab.trials.scenarios import BY_NAME, SCENARIOS, Scenario
from lab.trials.subject import Subject, subjects
from tests.unit.lab.check.test_judge import ONE, good, of

TCP, UDP = backends.technique("tcp"), backends.technique("udp")


def cell(*outcomes: Outcome, options: str = "tcp", scenario: str = "stall") -> Cell:
    return Cell(options, scenario, outcomes=list(outcomes))


def valid(seed: int = 1) -> Outcome:
    return Outcome(seed, "valid", fired=1, well=0.1, sent=14)


def invalid(seed: int = 1) -> Outcome:
    """Return what the judge says about a log in which a message is missing."""
    return outcome(seed, [line for line in good() if line != ONE], 1.5, 1.5)


def test_the_judge_of_the_histories_judges_a_trial() -> None:
    found = outcome(1, good(), 1.5, 1.5)
    assert (found.verdict, found.said, found.sent, found.lost) == ("valid", [], 2, 0)
    found = invalid()
    assert (found.verdict, found.lost) == ("invalid", 1)
    assert "the shortest counterexample:" in found.said


def test_a_fault_that_did_not_hit_has_shown_nothing() -> None:
    never = Fault(name="loss 0.2", at=1.5, until=1.6, fired=0)
    found = outcome(1, [*good(), never], 1.5, 1.6)
    assert found.verdict == "unknown"
    assert "the fault loss 0.2 never hit" in found.said[0]


def test_what_must_be_indefinite_and_is_not_has_shown_nothing() -> None:
    lost = Fault(name="reply-lost", at=1.5, until=1.6, fired=1, indefinite=True)
    assert outcome(1, [*good(), lost], 1.5, 1.6).verdict == "unknown"


def test_it_is_noticed_when_the_connection_ends_and_well_when_all_is_answered() -> None:
    lines: list[Line] = [*good(), Down(client="ann", at=0.5), Down(client="ann", at=1.8)]
    found = outcome(1, lines, 1.5, 1.9)
    assert found.noticed == pytest.approx(0.3)  # the first one was before the trouble
    assert found.well == pytest.approx(0.2)


@pytest.mark.parametrize("end", [None, Indefinite(client="ann", at=2.2, op=2)], ids=["silent", "unconfirmed"])
def test_it_is_not_well_as_long_as_the_last_message_is_not_known_to_be_stored(end: Line | None) -> None:
    told = of("ann", Ok, 1)
    lines = [kept for line in good() if (kept := end if line == told else line) is not None]
    assert outcome(1, lines, 1.5, 1.6).well is None


def test_p99_looks_at_what_was_said_meanwhile() -> None:
    slow: list[Line] = [Invoke(client="ann", at=5.0, op=3, text="three"), Ok(client="ann", at=9.0, op=3)]
    assert p99([*good(), *slow], 0.0, 4.0) == pytest.approx(0.1)
    assert p99([*good(), *slow], 0.0, 6.0) == pytest.approx(4.0)
    assert p99(good(), 3.0, 4.0) is None


def test_one_trial_makes_a_cell_invalid() -> None:
    assert cell(valid(), valid(2)).verdict == "valid"
    assert cell(valid(), invalid(2)).verdict == "invalid"
    assert structs.replace(cell(valid()), others=invalid(0)).verdict == "invalid"


def test_a_cell_in_which_something_was_shown_is_valid_and_says_what_was_not() -> None:
    found = cell(valid(), failed(2, "no seat"))
    assert row(found)[-1] == "valid, 1 unknown, 1 not well in time"
    assert cell(failed(2, "no seat")).verdict == "unknown"


def test_what_is_not_valid_is_shown_with_the_line_that_repeats_it() -> None:
    text = not_valid(cell(valid(), invalid(17)))
    assert text[0] == "stall over tcp, seed 17: invalid"
    assert "the shortest counterexample:" in text
    assert text[-1] == "again: chat lab faults -b tcp --scenario stall --seeds 1 --seed 17"
    assert not_valid(cell(valid())) == []


def test_what_cannot_be_tried_says_why() -> None:
    assert BY_NAME["loss"].missing(TCP, "tcp")
    assert not BY_NAME["loss"].missing(UDP, "udp")
    assert "broker" in BY_NAME["server killed"].missing(backends.technique("rabbitmq"), "tcp")
    left_out = Cell("tcp", "loss", "tcp can't suffer it")
    assert row(left_out)[-1] == "tcp can't suffer it"
    assert "tcp can't suffer it" in as_text([left_out])


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.fault], ids=lambda one: one.name)
def test_every_scenario_is_a_fault_that_there_is(scenario: Scenario) -> None:
    for transport in scenario.transports:
        assert parse_fault(scenario.fault, transport)


def test_what_happens_to_a_server_may_be_a_fault_where_there_is_a_broker() -> None:
    rabbitmq, storm = backends.technique("rabbitmq"), BY_NAME["reconnect storm"]
    assert (storm.fitted(rabbitmq).server, storm.fitted(rabbitmq).trouble) == ("", "cut")
    assert storm.fitted(TCP) is storm
    assert not storm.fitted(rabbitmq).missing(rabbitmq, "tcp")


def test_an_idle_seat_polls_only_if_its_technique_does() -> None:
    assert Subject(backends.technique("rest")).polling("long").options == "rest --poll long"
    assert Subject(TCP).polling("long") == Subject(TCP)


def test_more_people_than_open_files_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.trials.cells.allow_open_files", lambda wanted: 1024)
    ((found, histories),) = run_cells([Subject(TCP)], [BY_NAME["idle seats"]], range(1, 2))
    assert histories == {}
    assert found.left_out.startswith("it needs 8,200 open files, and the system allows 1,024: raise")


def test_every_technique_is_tried_and_one_that_can_repair_twice() -> None:
    found = subjects(backends.techniques())
    assert {one.technique.name for one in found} == set(backends.KNOWN)
    assert [one.options for one in found if one.settings] == ["udp --repair"]
    promised = Subject(UDP, {"repair": "on"}).promised.traits
    assert (promised.ordered, promised.lossless) == (True, True)
    assert Subject(UDP).promised.traits == UDP.traits


def test_settings_are_options_on_the_line() -> None:
    oncrpc = Subject(backends.technique("oncrpc"), {"transport": "udp"})
    assert shlex.split(oncrpc.options) == ["oncrpc", "--transport", "udp"]
    assert oncrpc.transport == "udp"


CELLS = [
    (subject, scenario)
    for subject in subjects(backends.techniques())
    for scenario in SCENARIOS
    if not scenario.fitted(subject.technique).missing(subject.technique, subject.transport)
]


@pytest.mark.parametrize(
    ("subject", "scenario"), CELLS, ids=lambda one: getattr(one, "options", "") or one.name
)
def test_the_line_that_repeats_a_cell_names_it(subject: Subject, scenario: Scenario) -> None:
    line = Cell(subject.options, scenario.name).again(17)
    program, *arguments = shlex.split(line)
    assert (program, arguments[:2]) == ("chat", ["lab", "faults"])
    given = faults.make_context("faults", arguments[2:]).params
    assert (given["backend"].name, given["repair"]) == (subject.technique.name, bool(subject.settings))
    seeds = (30, 1) if scenario.rooms else (1, 17)  # many rooms are played together
    assert (given["scenario"], given["seeds"], given["seed"]) == (scenario.name, *seeds)


def test_many_say_much_where_each_keeps_the_rate_by_itself() -> None:
    fitted = BY_NAME["burst"].fitted(backends.technique("rabbitmq"))
    assert fitted.rooms * fitted.during == BY_NAME["burst"].during == 10_000
    assert fitted.during == fitted.speakers * Limits().burst
    assert BY_NAME["burst"].fitted(TCP) is BY_NAME["burst"]
