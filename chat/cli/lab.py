"""`chat lab`: whether a server keeps what it promises."""

from __future__ import annotations

import json

import click

import backends
from chat.cli.options import FAILED, backend_option
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique

UNKNOWN = 3
"""The exit code of a verdict that is neither valid nor invalid."""


@click.group(short_help="Judge what clients saw, and what a server keeps.")
def lab() -> None:
    """Whether a server keeps what it promises: histories, and a checker that judges them."""


@lab.command(
    epilog="""
    \b
    Examples:
      chat lab check run/*.jsonl                 the histories of a run, and its log
      chat lab check ann.jsonl bob.jsonl log.jsonl --json

    docs/reliability.md describes the files.
    """
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(files: tuple[str, ...], as_json: bool) -> int:
    """Judge the histories of clients, and what each saw, against the log of the room.

    The log is what chat log export, or chat tail --after 0 --json, writes. Exit code 0: valid. 1: invalid;
    the shortest counterexample is shown. 3: unknown, because the histories could show no fault.
    """
    from chat.client.lines import out, out_json
    from chat.domain.validation import printable
    from lab.check import report
    from lab.check.judge import judge

    try:
        verdict = judge(report.read_files(files))
    except OSError as error:
        raise ChatError(f"cannot read {error.filename}: {error.strerror}") from None
    if as_json:
        out_json(json.dumps(report.as_dict(verdict)))
    else:
        out("\n".join(printable(line) for line in report.lines(verdict)))
    return {"valid": 0, "invalid": FAILED, "unknown": UNKNOWN}[verdict.state]


@lab.command(
    short_help="One fault, eight answers: trials over every technique.",
    epilog="""
    \b
    Examples:
      chat lab faults                             every trial, over every technique
      chat lab faults -b udp --scenario loss      one of them, with 30 seeds
      chat lab faults -b rest --scenario stall --seeds 1 --seed 17
    """,
)
@backend_option
@click.option("--scenario", metavar="NAME", help="Only this one; a wrong NAME lists them.")
@click.option("--seeds", type=click.IntRange(1, 200), default=30, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="The first of them.")
@click.option("--server", metavar="URL", help="The broker of techniques that have one; else it is found.")
@click.option("--json", "as_json", is_flag=True, help="Every outcome.")
@click.option("--write", metavar="FILE", help="Also write the table as Markdown.")
def faults(
    backend: Technique | None,
    scenario: str | None,
    seeds: int,
    seed: int,
    server: str | None,
    as_json: bool,
    write: str | None,
) -> int:
    """Let the same go wrong over each technique, with many seeds, and compare with the log what became of it.

    It starts and kills servers of its own, in a temporary folder. The exit code is 1 if a cell is not valid.
    """
    import asyncio
    import tempfile
    import time
    from pathlib import Path

    from chat.client.lines import err, out, out_json
    from lab.trials import report
    from lab.trials.run import trials
    from lab.trials.scenarios import BY_NAME, SCENARIOS

    if scenario is not None and scenario not in BY_NAME:
        raise click.UsageError(f"there is no scenario {scenario!r}: there are {', '.join(BY_NAME)}")
    chosen = [BY_NAME[scenario]] if scenario else SCENARIOS
    labels = [backend] if backend else [one for one in backends.techniques() if not one.missing()]
    cells: list[report.Cell] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chat-lab-") as name:
        for one in chosen:
            for label in labels:
                if reason := one.missing(label):
                    cells.append(report.Cell(label.name, one.name, reason))
                    continue
                folder = Path(name, f"{label.name}-{one.name.replace(' ', '-')}")
                found = asyncio.run(trials(label, one, range(seed, seed + seeds), folder, server))
                cells.append(report.Cell.of(label, one, found))
                err("  ".join(report.row(cells[-1])))
    if as_json:
        out_json(report.as_json(cells))
    else:
        out(report.as_text(cells))
    if write:
        report.write(Path(write), cells, seeds, time.monotonic() - began)
    return 0 if all(cell.left_out or cell.verdict == "valid" for cell in cells) else FAILED
