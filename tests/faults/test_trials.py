"""Trials with real servers: what `chat lab faults` does, for a few cells that are quick."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import backends
from lab.trials.report import Cell
from lab.trials.run import trials
from lab.trials.scenarios import BY_NAME

if sys.platform == "win32":
    pytest.skip("needs signals, and Windows has none of these", allow_module_level=True)

CELLS = [("tcp", "cut"), ("udp", "loss"), ("rest", "reply lost"), ("rpyc", "server killed")]


@pytest.mark.parametrize(("name", "scenario"), CELLS)
async def test_a_trial_is_valid(name: str, scenario: str, tmp_path: Path) -> None:
    technique = backends.technique(name)
    found = await trials(technique, BY_NAME[scenario], [1, 2], tmp_path / "trial")
    cell = Cell.of(technique, BY_NAME[scenario], found)
    assert cell.verdict == "valid", found
    assert all(one.sent == 14 for one in found.outcomes)
    assert found.rss > 10_000_000
    assert (found.others is None) is (scenario == "server killed")
