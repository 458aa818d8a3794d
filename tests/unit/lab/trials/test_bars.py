"""What is asked of every cell: met, or missed, and by whom."""

from __future__ import annotations

import pytest

from chat.client.measure import PING_EVERY, PING_TIMEOUT
from chat.domain.rate_limit import backoff
from lab.trials.bars import BARS, NOTICED, WELL, judged
from lab.trials.cells import Cell
from lab.trials.outcome import Outcome
from lab.trials.report import HEAD, as_text, row
from lab.trials.scenarios import SCENARIOS


def cell(scenario: str, *, p99: float | None = None, rss: int = 0, **figures: float | str | None) -> Cell:
    one = Outcome(1, "valid", fired=1, noticed=1.0, well=0.1)
    for name, figure in figures.items():
        setattr(one, name, figure)
    return Cell("tcp", scenario, outcomes=[one, Outcome(2, "valid", noticed=0.5, well=0.2)], p99=p99, rss=rss)


ALL_WELL = [cell(name, p99=0.1, rss=60_000_000) for name in ("half-open", "idle seats", "burst")]

MISSED = [
    ("lost", cell("cut", lost=2), "wrong"),
    ("twice", cell("cut", doubled=1), "wrong"),
    ("order", cell("cut", reordered=1), "wrong"),
    ("unnamed", cell("cut", unnamed=1), "wrong"),
    ("other", cell("cut", other=1), "wrong"),
    ("noticed, s", cell("half-open", noticed=15.1), "noticed"),
    ("noticed, s", cell("server frozen", noticed=None), "noticed"),
    ("well again, s", cell("server away", well=5.1), "well"),
    ("well again, s", cell("server away", well=None), "well"),
    ("others, ms", cell("cut", p99=0.251), "others"),
    ("MB", cell("cut", rss=201_000_000), "memory"),
    ("verdict", cell("burst", verdict="invalid"), "verdict"),
    ("verdict", cell("idle seats", well=None), "verdict"),
]


def test_what_all_cells_keep_is_met() -> None:
    found = {one.bar.column: one for one in judged(ALL_WELL) if one.asked}
    assert set(found) == {"wrong", "noticed", "others", "memory", "verdict", "well"}
    assert [one.missed for one in found.values()] == [[]] * 6
    assert ": met, in 3 cells" in found["memory"].line


@pytest.mark.parametrize(("head", "missing", "column"), MISSED, ids=lambda one: getattr(one, "name", None))
def test_a_cell_that_misses_a_bar_is_named_and_marked(head: str, missing: Cell, column: str) -> None:
    missed = [one for one in judged([*ALL_WELL, missing]) if one.missed]
    assert [one.bar.column for one in missed] == [column]
    assert missing.name in missed[0].line
    figures = dict(zip(HEAD, row(missing), strict=True))
    assert [name for name, text in figures.items() if "✖" in text] == [head]
    assert missed[0].bar.goal in as_text([missing])


def test_a_bar_is_asked_only_where_it_says_something() -> None:
    slow = cell("burst", noticed=None, well=50.0)  # nothing goes wrong: it is only much
    assert not any(one.missed for one in judged([slow]))
    assert "not tried" in judged([])[0].line


def test_left_out_cells_are_asked_nothing() -> None:
    assert not any(one.asked for one in judged([Cell("udp", "cut", "udp can't suffer it")]))


def test_the_bars_of_the_many_are_for_scenarios_that_there_are() -> None:
    for bar in BARS:
        if bar.column == "verdict":
            assert any(bar.asks(Cell("tcp", one.name)) for one in SCENARIOS)


def test_a_client_that_has_just_asked_notices_a_frozen_server_in_time() -> None:
    assert PING_EVERY + PING_TIMEOUT < NOTICED


def test_a_client_that_has_just_tried_is_back_in_time() -> None:
    assert max(backoff(failures, 1.0) for failures in (99, 5000)) < WELL
