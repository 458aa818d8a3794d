"""Generates the table of docs/security.md from what the tests compare with real servers.

`make docs` writes it, and `make check` fails if the page and the data differ.
"""

from __future__ import annotations

from itertools import groupby

from tests.support.access_matrix import CREDENTIALS, MATRIX


def table() -> str:
    """Return a row for each technique and each kind of call that gets the same with every credential."""
    lines = [_row("technique", "calls", *CREDENTIALS), _row(*["---"] * (2 + len(CREDENTIALS)))]
    for technique, calls in MATRIX.items():

        def cells(call: str, calls: dict[str, dict[str, str]] = calls) -> tuple[str, ...]:
            return tuple(calls[call][credential] for credential in CREDENTIALS)

        for outcome, alike in groupby(sorted(calls, key=cells), key=cells):
            names = ", ".join(f"`{call}`" for call in alike)
            lines.append(_row(technique, names, *map(_cell, outcome)))
    return "\n".join(lines)


def _cell(outcome: str) -> str:
    return f"`{outcome}`" if "_" in outcome else outcome


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
