"""`chat lab`: whether a server keeps what it promises, judged from histories and in a soak."""

from __future__ import annotations

import json

import click

from chat.cli.options import FAILED
from chat.domain.errors import ChatError

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


@lab.command(short_help="Let many clients live and suffer faults, and see that nothing is lost or left.")
@click.option(
    "--seconds", type=click.FloatRange(5, 86_400), default=60.0, show_default=True, help="How long they live."
)
@click.option(
    "--clients",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="Over all techniques that can run here.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of who does what, and of the faults.")
def soak(seconds: float, clients: int, seed: int) -> int:
    """Let many clients join, talk, edit, leave and suffer faults; at the end look at what is left.

    Every client's view must equal the log, every acknowledged text must be in it once, and no thread, socket,
    file, task or seat file may be left. The exit code is 1 if something was wrong; each line says what.
    """
    from lab.soak.run import soak as run

    return run(seconds, clients, seed)
