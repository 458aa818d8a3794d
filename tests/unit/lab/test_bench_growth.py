"""Growth: the fit finds known exponents, the page explains what is steep, and a tiny run works."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.errors import ChatError
from chat.server.logs.verify import verify
from lab.bench import growth, growth_page, history
from lab.bench.curve import Curve, Point, fit
from lab.bench.growth import Group, Report
from lab.bench.growth_picture import draw
from lab.bench.machine import Machine
from lab.bench.servers import LOG

MACHINE = Machine("a processor", 2, "a system", "CPython", "libraries", "ext4", "not pinned", "0.0")


@given(st.floats(-1, 3), st.floats(0.001, 1000))
def test_the_fit_finds_the_exponent_and_the_factor(exponent: float, factor: float) -> None:
    points = [(size, factor * size**exponent) for size in (1.0, 10.0, 300.0, 1e6)]
    assert fit(points) == pytest.approx((exponent, factor), rel=1e-6, abs=1e-9)


def test_the_fit_is_that_of_least_squares() -> None:
    # The logarithms are (0, 0), (1, 2), (2, 1): the line has slope 1/2 and begins at 1/2.
    assert fit([(1, 1), (10, 100), (100, 10)]) == pytest.approx((0.5, 10**0.5))


def test_what_cost_nothing_is_left_out_of_the_fit() -> None:
    assert fit([(1, 0), (10, 20), (100, 200), (1000, -3)])[0] == pytest.approx(1)


@pytest.mark.parametrize("points", [[], [(1, 1)], [(5, 1), (5, 2)], [(1, 0), (2, 7)]])
def test_a_line_needs_two_points(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="two points"):
        fit(points)


def curve(exponent: float, title: str = "time") -> Curve:
    points = [Point(size, [2 * size**exponent], [4 * size**exponent]) for size in (10, 100, 1000)]
    return Curve(title, "ms", "ms for all", points, f"{title} is explained", each=True)


def report(*curves: Curve, name: str = "clients") -> Report:
    group = Group(name, "A title", "things", "How.", [*curves])
    return Report("2026-01-02 03:04", MACHINE, "abc1234", [group], [])


def test_only_what_grows_faster_than_the_size_is_explained() -> None:
    for written in (growth_page.as_text, growth_page.as_page):
        text = written(report(curve(1.05, "even"), curve(1.2, "steep")))
        assert "steep is explained" in text
        assert "even is explained" not in text
        assert "1.20" in text


def test_the_page_shows_each_point_beside_the_other_revision() -> None:
    page = growth_page.as_page(report(curve(2)))
    assert "| 10 | 20 ms (0.50) |" in page
    assert "| 1,000 | 2,000 ms (0.50) |" in page
    assert "(pictures/growth-clients.svg)" in page


def test_a_rate_is_shown_as_a_rate() -> None:
    points = [Point(10, [2.0], [4.0]), Point(100, [20.0], [40.0])]
    found = Curve("joins/s", "", "s", points, "", rate=True)
    assert "| 10 | 5 (2.00) |" in growth_page.as_page(report(found))


@pytest.mark.parametrize(("last", "met"), [(14.0, True), (16.0, False)])
def test_a_long_history_is_compared_with_a_short_one(last: float, met: bool) -> None:
    points = [Point(10_000, [10.0, 10.0], [10.0, 10.0]), Point(1_000_000, [last, last], [20.0, 20.0])]
    ready = Curve("server ready", "ms", "ms", points, "")
    (verdict,) = growth_page.verdicts(report(ready, name="history"))
    assert (verdict.value, verdict.met) == (last / 10, met)
    assert verdict.before == pytest.approx(last / 20)
    assert ("goal for a long history is missed" in growth_page.as_page(report(ready, name="history"))) != met


def test_the_picture_has_a_dot_for_each_point_and_both_lines() -> None:
    root = ElementTree.fromstring(draw("A title", "things", [curve(1), curve(0.5)]))
    kinds = [one.tag.rpartition("}")[2] for one in root.iter()]
    assert kinds.count("circle") == 2 * 3 + 1, "and one in the legend"
    lines = [one.get("class") for one in root.iter() if one.tag.endswith("line")]
    assert (lines.count("fit"), lines.count("linear")) == (3, 3)


def test_a_curve_without_two_points_is_drawn_without_a_line() -> None:
    alone = Curve("memory", "KiB", "KiB", [Point(10, [0.0]), Point(20, [4.0])], "")
    root = ElementTree.fromstring(draw("A title", "things", [alone]))
    assert [one.get("class") for one in root.iter() if one.tag.endswith("line")].count("fit") == 1


def test_a_made_history_is_a_log_that_verifies(tmp_path: Path) -> None:
    history.make(tmp_path / LOG, 2500)
    assert not verify(tmp_path / LOG).problems
    with closing(sqlite3.connect(tmp_path / LOG)) as db:
        count, last = db.execute("SELECT count(*), max(seq) FROM entries").fetchone()
        (checkpoints,) = db.execute("SELECT count(*) FROM entries WHERE body GLOB '*checkpoint*'").fetchone()
    assert (count, last, checkpoints) == (2500, 2500, 1)


def test_a_page_that_is_not_whole_ends_the_run(tmp_path: Path) -> None:
    history.make(tmp_path / LOG, 300)
    with closing(sqlite3.connect(tmp_path / LOG)) as db, db:
        db.execute("DELETE FROM entries WHERE seq BETWEEN 100 AND 200")
    with pytest.raises(ChatError, match="is not right"):
        history.measure(tmp_path, [], pages=3)


def test_a_group_that_fails_is_named_and_the_others_are_measured() -> None:
    def broken(_: growth.Bench) -> Group:
        raise ChatError("it does not let everybody in")

    found = growth.run(0.1, groups=(broken, partial(growth.entries, sizes=(500, 600), starts=1)))
    assert [group.name for group in found.groups] == ["history"]
    assert "- not measured: it does not let everybody in" in growth_page.as_page(found)
    assert growth_page.section(found).left_out == ["it does not let everybody in"]


@pytest.mark.timeout(60)
def test_a_tiny_run_measures_every_curve() -> None:
    found = growth.run(
        0.1,
        groups=(
            partial(growth.clients, sizes=(2, 5)),
            partial(growth.rooms, sizes=(1, 3)),
            partial(growth.entries, sizes=(500, 1500), starts=1),
            partial(growth.texts, sizes=(10, 4000)),
        ),
        rounds=1,
    )
    assert [group.name for group in found.groups] == ["clients", "rooms", "history", "texts"]
    for group in found.groups:
        for one in group.curves:
            memory = "memory" in one.title
            assert all(point.total > 0 or memory for point in one.points), one.title
    section = growth_page.section(found)
    assert sorted(section.pictures) == [
        "growth-clients.svg",
        "growth-history.svg",
        "growth-rooms.svg",
        "growth-texts.svg",
    ]
    assert all(f"### {group.title}" in section.page for group in found.groups)
