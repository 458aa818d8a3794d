"""The benchmark of idle clients: thousands of them connect and say nothing."""

from __future__ import annotations

from lab.bench import comparison
from lab.bench.report import Report

CLIENTS = 5000


def run(clients: int = CLIENTS, backend: str = "tcp", *, against: str = "") -> Report:
    """Let the clients join every server of the plan; see `comparison.run`.

    Raises:
        ChatError: a server did not start, or did not let everybody in.
    """
    return comparison.run("idle", backend, clients, 0.0, against=against)
