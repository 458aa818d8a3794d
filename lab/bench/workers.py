"""The benchmark of several workers: one room, many readers, two workers beside one process."""

from __future__ import annotations

from collections.abc import Sequence

from lab.bench import comparison, fanout, report
from lab.bench.report import Report


def run(
    clients: int = report.CLIENTS,
    seconds: float = 5.0,
    backend: str = "tcp",
    regimes: Sequence[str] | None = None,
    *,
    rounds: int | None = None,
    against: str = "",
) -> Report:
    """Measure both for ``seconds`` in each regime; see `comparison.run`.

    Raises:
        ChatError: a server did not start; a receiver did not get every message once and in order; or the log
            of the workers does not contain all messages.
    """
    return comparison.run(
        "workers",
        backend,
        clients,
        seconds,
        regimes,
        rounds=rounds,
        check=fanout.check_log,
        against=against,
    )
