"""`chat lab`: whether a server keeps what it promises."""

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
