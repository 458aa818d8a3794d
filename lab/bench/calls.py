"""The benchmark of calls: requests and their answers, our server beside a minimal one."""

from __future__ import annotations

from collections.abc import Sequence

from lab.bench import comparison
from lab.bench.report import Report


def run(
    seconds: float = 5.0,
    backend: str = "oncrpc",
    regimes: Sequence[str] | None = None,
    *,
    others: bool | None = None,
    rounds: int | None = None,
    against: str = "",
) -> Report:
    """Measure every server for ``seconds`` in each regime; see `comparison.run`.

    Raises:
        ChatError: a server did not start, or a call was not answered correctly, exactly once.
    """
    return comparison.run(
        "calls", backend, 1, seconds, regimes, others=others, rounds=rounds, against=against
    )
