"""The benchmark of calls: requests and their answers, our server next to a bare echo in one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lab.bench import lanes, page
from lab.bench.report import Report


def run(
    seconds: float = 5.0,
    backend: str = "oncrpc",
    regimes: Sequence[str] | None = None,
    *,
    rounds: int | None = None,
) -> Report:
    """Measure each regime for ``seconds`` a server, and return what was found; see `lanes.run`.

    Raises `ChatError` also when a call was not answered once, and as it should be.
    """
    return lanes.run("calls", backend, 1, seconds, regimes, rounds=rounds)


def main(backend: str, seconds: float, as_json: bool, write: str | None = None) -> None:
    """Run, print, and write the page if asked to. Raises `ChatError`."""
    found = run(seconds, backend)
    sys.stdout.write((found.json() if as_json else page.as_text(found)) + "\n")
    if write:
        page.write_section(Path(write), found.plan.section, page.as_page(found))
