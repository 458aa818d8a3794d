"""`chat log`: looking after the file of a log."""

from __future__ import annotations

from pathlib import Path

import click

from chat.cli.export import format_of, format_option, rendered
from chat.cli.options import FAILED, checked, tell, warn
from chat.cli.output_file import check_force, force_option, to_option, writing
from chat.domain.errors import ChatError
from chat.domain.validation import clean_room
from chat.language import N_
from chat.language.translation import about, colon, translate


def _path(_: click.Context, __: click.Parameter, place: str) -> Path:
    """Take the file's name as it is, or as `chat status` shows it, ``sqlite:PATH``."""
    return Path(place.removeprefix("sqlite:"))


log_argument = click.argument("log", metavar="FILE", callback=_path)


@click.group()
def log() -> None:
    """Verify, export, back up or compact the file of a log."""


@log.command(short_help="Look for damage. Changes nothing.")
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
        tell(problem)
    if report.more:
        tell(f"and {report.more:,} more")
    click.echo(about(shown(report.path), report.summary()))
    for note in report.notes():
        tell(note)
    if report.problems:
        count = len(report.problems) + report.more
        problems = N_(f"{count:,} problem{'s' * (count > 1)}")
        raise ChatError(
            f"the log {shown(report.path)} is damaged ({problems}): put a backup in its place, "
            "or save what can be read with chat log export"
        )
    click.echo("ok")
    return 0


@log.command()
@log_argument
@click.argument("to", type=click.Path(path_type=Path), metavar="TO")
@force_option
def backup(log: Path, to: Path, force: bool) -> None:
    """Copy a log to the file TO, also while its server writes it.

    Everything that was acknowledged before is in it. The copy is one file, it is verified before it gets its
    name, and a server can open it at once. docs/log-file.md says how to restore it.
    """
    from chat.server.logs.backup import back_up
    from chat.server.logs.files import shown

    report = back_up(log, to, force=force)
    click.echo(about(shown(to), report.summary()))


@log.command(short_help="Write the events as JSON lines, or a room as a page.")
@log_argument
@click.option(
    "--room",
    "rooms",
    multiple=True,
    metavar="ROOM",
    callback=lambda context, option, rooms: [checked(clean_room)(context, option, room) for room in rooms],
    help="Only this room. May be repeated.",
)
@click.option("--entries", is_flag=True, help="Entries as stored, also refused ones and checkpoints.")
@format_option
@to_option
@force_option
def export(log: Path, rooms: list[str], entries: bool, form: str | None, to: Path | None, force: bool) -> int:
    """Write the events of a log as JSON lines, one room after the other; a server may use it meanwhile.

    They are the lines of chat tail --json; docs/log-file.md describes them. With --format md or html it is a
    page with one room, as chat export writes it. The exit code is 1 if an entry can't be read.
    """
    from chat.client.transcript import Transcript
    from chat.server.logs.export import events_of, only_room
    from chat.server.logs.export import export as write_lines

    check_force(to, force)
    problems: list[str] = []
    if (form := format_of(form, to, "jsonl")) == "jsonl":
        with writing(to, "export", force=force) as write:
            write_lines(log, write, problems.append, rooms=rooms, entries=entries)
    else:
        if entries:
            raise click.UsageError("--entries needs --format jsonl")
        name = rooms[0] if len(rooms) == 1 else "" if rooms else only_room(log)
        if not name:
            raise click.UsageError("a page has one room: name it with --room, or take --format jsonl")
        with Transcript(name) as transcript, writing(to, "export", force=force) as write:
            transcript.add(event for _, event in events_of(log, name, problems.append))
            for line in rendered(transcript, form):
                write(line)
    for problem in problems:
        warn(problem)
    return FAILED if problems else 0


@log.command()
@log_argument
def compact(log: Path) -> None:
    """Make a log smaller. Its server must be stopped.

    No event is dropped. Of each room, refused entries and checkpoints are, if they are so old that no server
    reads them again.
    """
    from chat.server.logs.compact import compact as make_smaller
    from chat.server.logs.files import shown

    done = make_smaller(log)
    sizes = translate(f"{done.before:,} bytes before, {done.after:,} now, {done.dropped:,} entries dropped")
    click.echo(f"{shown(done.path)}{colon()}{sizes}")
