"""Random bursts of keys, pastes, sizes and arrivals: nothing typed is lost, and nothing else appears.

Each sequence has a seed. ``make fuzz`` runs 1,000.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal, and Windows has none for it", allow_module_level=True)

from tests.support.bursts import Bench, sequence

SEEDS = range(int(os.environ.get("BURSTS", "40")))


def test_what_was_typed_is_in_the_composer_or_sent_or_said_to_be_refused(tmp_path: Path) -> None:
    with Bench(tmp_path / "socket") as bench:
        for seed in SEEDS:
            steps = sequence(seed)
            shown = [(step.keys, step.arrives or step.size or step.pause) for step in steps]
            assert bench.play(steps) == [], f"seed {seed}: {shown}"
