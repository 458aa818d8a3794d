"""Generates the tables of docs/security.md from what the tests compare with real servers.

`make docs` writes it, and `make check` fails if the page and the data differ.
"""

from __future__ import annotations

from itertools import groupby

import backends
from tests.support.access_matrix import CREDENTIALS, MATRIX
from tests.support.threats import THREATS, WIRE


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


def threats() -> str:
    """Return a section for each attacker, with a row for each thing that they may try."""
    parts = []
    for who, theirs in groupby(THREATS, key=lambda threat: threat.who):
        lines = [f"### {who[0].upper()}{who[1:]}", ""]
        lines += [_row("tries", "techniques", "safe", "because", "test"), _row(*["---"] * 5)]
        for threat in theirs:
            file, _, name = threat.test.partition("::")
            shown = f"[{name.removeprefix('test_').replace('_', ' ')}](../tests/{file})"
            lines.append(_row(threat.does, threat.on, threat.safe, threat.what, shown))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def wire() -> str:
    """Return a row for each technique: which secrets can be read without TLS."""
    head = ("technique", "token", "seat key", "who can read the packets", "with TLS")
    lines = [_row(*head), _row(*["---"] * len(head))]
    for name, told in WIRE.items():
        tls = "all encrypted" if backends.technique(name).tls else "off"
        lines.append(_row(name, told.token, told.seat_key, told.reader, tls))
    return "\n".join(lines)


def _cell(outcome: str) -> str:
    return f"`{outcome}`" if "_" in outcome else outcome


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
