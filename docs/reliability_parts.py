"""The generated parts of `docs/reliability.md`: the twins, the promises, the records of a history."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from msgspec.structs import fields

from lab.check import history
from lab.check.score import PATIENCE
from lab.check.script import PEOPLE
from lab.check.twins import TWINS
from lab.check.verdict import PROMISES

KEPT = Path(__file__).with_name("checker.json")
EVERYWHERE = ("client", "at")
"""Fields that every record of a client has."""
RECORDS = (
    history.Entered,
    history.Down,
    history.Invoke,
    history.Ok,
    history.Fail,
    history.Indefinite,
    history.Saw,
    history.Missing,
    history.End,
    history.Fault,
)


def promises() -> str:
    """Return the table of what the checker finds, and which promise that breaks."""
    rows = ["| violation | the promise |", "| --- | --- |"]
    return "\n".join([*rows, *(f"| {kind} | {promise} |" for kind, promise in PROMISES.items())])


def score() -> str:
    """Return the table of what ``python -m lab.check.score`` has kept."""
    kept: dict[str, str] = json.loads(KEPT.read_text(encoding="utf-8"))
    rows = ["| server | the checker said | what is wrong with it |", "| --- | --- | --- |"]
    for name, said in kept.items():
        twin = next((one for one in TWINS if one.name == name), None)
        wrong = twin.wrong if twin else "nothing: it is the real one"
        rows.append(f"| `chat serve {name}` | {said} | {wrong} |")
    caught = sum(kept.get(twin.name, "").startswith("invalid") for twin in TWINS)
    return "\n".join([f"Twins caught: **{caught} of {len(TWINS)}**.", "", *rows])


def twins() -> str:
    """Return what to do with each twin, and how the real server does it."""
    parts = []
    for twin in TWINS:
        parts += [
            f"**{twin.technique}, {twin.flaw}.** {twin.wrong}",
            "",
            f"- *You see:* {twin.seen}",
            f"- *The real one:* {twin.right}",
            "",
        ]
    return "\n".join(parts).rstrip()


def records() -> str:
    """Return the table of the records of a history."""
    rows = ["| `record` | needs | may have | meaning |", "| --- | --- | --- | --- |"]
    for kind in RECORDS:
        known = fields(kind)
        needs = ", ".join(f"`{one.name}`" for one in known if one.required and one.name not in EVERYWHERE)
        may = ", ".join(f"`{one.name}` ({json.dumps(one.default)})" for one in known if not one.required)
        meaning = (inspect.getdoc(kind) or "").splitlines()[0]
        rows.append(f"| `{kind.__struct_config__.tag}` | {needs} | {may} | {meaning} |")
    return "\n".join(rows)


def run() -> str:
    """Return how a run is made."""
    waits = " and ".join(f"{seconds:g} s over {transport}" for transport, seconds in PATIENCE.items())
    return (
        f"{len(PEOPLE)} clients, ordinary sessions, follow a script that a seed repeats. For an answer "
        f"they wait {waits}."
    )
