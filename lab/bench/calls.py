"""The benchmark of calls: requests and their answers, our server beside a minimal one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lab.bench import comparison, page
from lab.bench.report import Report


def run(
    seconds: float = 5.0,
    backend: str = "oncrpc",
    regimes: Sequence[str] | None = None,
    *,
    rounds: int | None = None,
    against: str = "",
) -> Report:
    """Measure every server for ``seconds`` in each regime; see `comparison.run`.

    Raises:
        ChatError: a server did not start, or a call was not answered correctly, exactly once.
    """
    return comparison.run("calls", backend, 1, seconds, regimes, rounds=rounds, against=against)


def main(backend: str, seconds: float, as_json: bool, write: str | None = None, against: str = "") -> None:
    """Run, print, and write the page if asked to. Raises `ChatError`."""
    found = run(seconds, backend, against=against)
    sys.stdout.write((found.json() if as_json else page.as_text(found)) + "\n")
    if write:
        page.write_section(Path(write), found.plan.section, page.as_page(found))
