"""The benchmark of the fan-out: one room, many readers, our server beside others."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from chat.domain.errors import ChatError
from lab.bench import comparison, plans, report
from lab.bench.report import Report
from lab.bench.servers import LOG


def run(
    clients: int = report.CLIENTS,
    seconds: float = 5.0,
    backend: str = "tcp",
    regimes: Sequence[str] | None = None,
    *,
    peers: bool | None = None,
    rounds: int | None = None,
    against: str = "",
) -> Report:
    """Measure every server for ``seconds`` in each regime; see `comparison.run`.

    Args:
        peers: also measure other people's servers, if they are installed; None: if there is no ``against``.

    Raises:
        ChatError: a server did not start; a receiver did not get every message once and in order (over UDP:
            got one twice); or our log does not contain all messages.
    """
    check = count_log if plans.find("fanout", backend, clients).lossy else check_log
    return comparison.run(
        "fanout",
        backend,
        clients,
        seconds,
        regimes,
        others=peers,
        rounds=rounds,
        check=check,
        against=against,
    )


def check_log(folder: Path, sent: int) -> int:
    """Return how many messages our log contains. Raises `ChatError` if others were sent."""
    logged = count_log(folder, sent)
    if logged != sent:
        raise ChatError(f"{sent} messages were sent to ours, and its log contains {logged}")
    return logged


def count_log(folder: Path, _sent: int = 0) -> int:
    """Return how many messages our log contains."""
    database = sqlite3.connect(folder / LOG)
    try:
        (count,) = database.execute(
            'SELECT count(*) FROM entries WHERE body GLOB \'{"kind":"sent"*\''
        ).fetchone()
    finally:
        database.close()
    return int(count)
