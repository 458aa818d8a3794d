"""Generates the tables of docs/operating.md from what the server reports.

`make docs` writes them, and `make check` fails if the page and the code differ.
"""

from __future__ import annotations

import logging

from chat.server.metrics import METRICS, PREFIX
from chat.server.records import KINDS


def records() -> str:
    """Return a row for each kind of record."""
    lines = ["| record | level | fields | means |", "| --- | --- | --- | --- |"]
    for name, kind in KINDS.items():
        level = logging.getLevelName(kind.level).lower()
        fields = ", ".join(f"`{field}`" for field in kind.fields)
        lines.append(f"| `{name}` | {level} | {fields} | {kind.meaning} |")
    return "\n".join(lines)


def metrics() -> str:
    """Return a row for each metric."""
    lines = ["| metric | type | labels | means |", "| --- | --- | --- | --- |"]
    for name, about in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in about.labels)
        total = "_total" if about.kind == "counter" else ""
        lines.append(f"| `{PREFIX}{name}{total}` | {about.kind} | {labels} | {about.means} |")
    return "\n".join(lines)
