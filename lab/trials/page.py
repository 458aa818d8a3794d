"""Writes what the trials have shown into `docs/reliability.md`, with its picture and its histories."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from lab.bench.machine import machine
from lab.bench.section import about, table, write_section
from lab.trials import picture
from lab.trials.bars import judged
from lab.trials.cells import Cell
from lab.trials.report import HEAD, MISSED, not_valid, row
from lab.trials.scenarios import BY_NAME, SCENARIOS

MEANS = f"""\
Each cell is the same play with other seeds: a client says something before the trouble, while it lasts, and
when it is over. All that the clients saw is a history, and the checker judges it against the log, which
somebody else reads without a fault. Besides, somebody without trouble talks on the same server, eight times
a second, from a process of their own; that is judged, too.

- *noticed*: seconds until the client knew, median and largest; `-`: it never had to.
- *well again*: seconds from the end of the trouble, or until the server answers again, until every message
  was answered.
- *lost*: acknowledged, and not in the log. *twice*: in the log, or seen, more than once. *order*: stored or
  seen in another order than was promised. *unnamed*: in the log, and neither seen nor named as missing.
  *other*: the checker's other violations.
- *unknown*: nobody answered, and the client said so. *missing*: events that were not seen, and named.
- *others*: in how many ms 99 of 100 messages of somebody without trouble were acknowledged meanwhile; `-`:
  the trouble is the server's, and so everybody's.
- *MB*: the most memory that the server had; `-`: it is a broker.
- *verdict*: the checker's; *unknown* if the fault never hit.
- *{MISSED.strip()}*: the figure misses its bar.

udp without `--repair` promises no order, and sends nothing again."""


def write(path: Path, cells: Sequence[Cell], command: str, seconds: float) -> None:
    """Write the section of the page. Raises `ChatError`."""
    tried = [cell for cell in cells if not cell.left_out]
    wrong = [line for cell in tried for line in not_valid(cell)]
    left_out = sorted({f"{cell.name} ({cell.left_out})" for cell in cells if cell.left_out})
    text = [
        "## One fault, eight answers\n",
        f"Made by `{command}` on {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, in {seconds:.0f} s.\n",
        *about(machine(path.parent)),
        "",
        "What was asked for, and what came of it:\n",
        *[f"- {one.line}." for one in judged(cells)],
        "",
        *_picture(),
        "What happens, and how often:\n",
        *table(["scenario", "what happens", "played"], _scenarios(tried)),
        "",
        MEANS,
        "",
        *table(list(HEAD), [list(row(cell)) for cell in tried]),
        "",
        *(["Not valid:\n", "```", *wrong, "```", ""] if wrong else []),
        "A line repeats any cell, e.g.:\n",
        "```",
        *[cell.again(cell.outcomes[0].seed) for cell in tried[:: max(1, len(tried) // 3)][:3]],
        "```",
        *(["", f"Not tried, because it can't be: {'; '.join(left_out)}."] if left_out else []),
    ]
    write_section(path, "faults", "\n".join(text) + "\n")


def _scenarios(tried: Sequence[Cell]) -> list[list[str]]:
    seeds = {cell.scenario: len(cell.outcomes) for cell in tried}
    rows = []
    for one in SCENARIOS:
        if one.name in seeds:
            rows.append([one.name, one.summary, one.played if one.rooms else f"{seeds[one.name]} seeds"])
    return rows


def _picture() -> list[str]:
    scenario = BY_NAME[picture.SCENARIO]
    return [
        f"![A dot a message: {scenario.summary}]({picture.FILE})\n",
        f"A lane a technique, a dot a message, over the time: {scenario.summary}. It is drawn from the",
        f"histories of one seed, which are in [{picture.HISTORIES}]({picture.HISTORIES}/); `chat lab check`",
        "judges each of them.\n",
    ]
