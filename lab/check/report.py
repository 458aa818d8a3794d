"""Files in, a verdict out: for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from chat.domain.json_codec import shorten
from lab.check.history import Line, read_lines, write_line
from lab.check.verdict import PROMISES, Verdict, Violation

WIDTH = 400
"""Characters of a line of the counterexample, for people."""


def read_files(names: Iterable[str]) -> Iterator[tuple[Line, str]]:
    """Yield the lines of all files, each with its room.

    Raises:
        OSError: a file can't be read.
        BadRequest: a line is no record and no entry of a log.
    """
    for name in names:
        with open(name, "rb") as file:
            yield from read_lines(file, name)


def lines(verdict: Verdict) -> list[str]:
    """Return the verdict for people: one line; of an invalid one also the promise and the counterexample."""
    text = [verdict.line]
    if (shown := verdict.violation) is not None:
        text += ["", f"the promise: {PROMISES[shown.kind]}", "the shortest counterexample:"]
        text += [f"  {shorten(write_line(line), WIDTH)}" for line in shown.example]
        if len(verdict.violations) > 1:
            text += ["", "also broken:"]
            text += [f"  {one.kind}: {one.text}" for one in verdict.violations[1:]]
    return text


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict for programs."""
    return {
        "verdict": verdict.state,
        "reasons": list(verdict.reasons),
        "violations": [_violation(one, verdict) for one in verdict.violations],
        "counted": verdict.counted,
    }


def _violation(one: Violation, verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "times": verdict.kinds[one.kind],
        "text": one.text,
        "promise": PROMISES[one.kind],
        "counterexample": [json.loads(write_line(line)) for line in one.example],
    }
