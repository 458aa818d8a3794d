"""`chat log`: looking after the file of a log."""

from __future__ import annotations

from pathlib import Path

import click

from chat.domain.errors import ChatError


def _path(_: click.Context, __: click.Parameter, place: str) -> Path:
    """Take the file's name as it is, or as `chat status` shows it, ``sqlite:PATH``."""
    return Path(place.removeprefix("sqlite:"))


log_argument = click.argument("log", metavar="FILE", callback=_path)


@click.group()
def log() -> None:
    """Verify, export, back up or compact the file of a log."""


@log.command()
@log_argument
def verify(log: Path) -> int:
    """Look for damage in a log: flipped bits, missing entries, what SQLite finds. Changes nothing.

    A server may use the log meanwhile. The exit code is 1 if something is wrong, and each line says what and
    where.
    """
    from chat.server.logs.files import shown
    from chat.server.logs.verify import verify as look

    report = look(log)
    for problem in report.problems:
        click.echo(problem)
    if report.more:
        click.echo(f"and {report.more:,} more")
    click.echo(f"{shown(report.path)}: {report.summary()}")
    for note in report.notes():
        click.echo(note)
    if report.problems:
        count = len(report.problems) + report.more
        problems = f"{count:,} problem{'s' * (count > 1)}"
        raise ChatError(
            f"the log {shown(report.path)} is damaged ({problems}): put a backup in its place, "
            "or save what can be read with chat log export"
        )
    click.echo("ok")
    return 0
