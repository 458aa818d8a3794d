"""All benchmarks from one command: it goes on when a part fails, and one table has every goal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat.domain.errors import ChatError
from lab.bench import everything, plans
from lab.bench.everything import PARTS, Part
from lab.bench.goals import Bound
from lab.bench.section import Section

AT_LEAST = Bound(2, at_least=True)


def good(seconds: float, against: str) -> Section:
    before = [1.5] if against else []
    verdicts = [
        AT_LEAST.judge("speed", [3.0 * seconds, 2.5, 9.0], regime="saturation", before=before),
        Bound(5, " ms").judge("wait", [6.0], reason="it waits"),
    ]
    return Section("good", "text", "## Good\n", "{}", verdicts, ["nats: not installed"])


def bad(seconds: float, against: str) -> Section:
    raise ChatError("no broker is here")


def test_a_part_that_fails_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    page, told = tmp_path / "performance.md", list[str]()
    parts = (Part("first", bad, 4), Part("second", good, 8))
    section = everything.run(1.0, write=str(page), parts=parts, tell=told.append)
    assert "not measured: first: no broker is here" in section.page
    assert "not measured: second: nats: not installed" in section.page
    assert "1 of 2 goals are met" in section.page
    written = page.read_text(encoding="utf-8")
    assert written.index("## All goals") < written.index("## Good")
    assert told[:2] == ["2 parts, about 0 minutes", "1/2 first: about 2 s"]
    assert told[-1].endswith("goals missed: 1 of 2")


def test_a_row_has_the_median_the_range_the_goal_and_the_ratio_to_the_other_revision() -> None:
    section = everything.run(1.0, "HEAD", parts=(Part("one", good, 1),), tell=lambda _: None)
    assert "| one | saturation: speed | at least 2 times | 3 | 2.5-9 | met | 2.00 |" in section.page
    assert "| one | wait | at most 5 ms | 6 | 6 | missed |  |" in section.page
    rows = json.loads(section.json)["rows"]
    assert [(row["part"], row["value"], row["met"]) for row in rows] == [
        ("one", 3.0, True),
        ("one", 6.0, False),
    ]


def test_every_plan_is_a_part() -> None:
    measured = {part.name for part in PARTS}
    names = {"fanout": "fan-out", "workers": "workers", "idle": "idle", "calls": "calls"}
    assert {f"{names[benchmark]} {backend}" for benchmark, backend in plans.PLANS} < measured


@pytest.mark.timeout(120)
def test_a_real_part_fills_its_section_and_the_table(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    part = next(part for part in PARTS if part.name == "calls oncrpc")
    section = everything.run(0.2, write=str(page), parts=(part,), tell=lambda _: None)
    assert [verdict.title.partition(":")[0] for verdict in section.verdicts] == ["SEND", "NULL"]
    written = page.read_text(encoding="utf-8")
    assert "## All goals" in written
    assert "## Calls over ONC RPC" in written
