"""`chat export`: the history of a room as a page, or as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chat.cli.options import FAILED, Client, client_options, warn
from chat.cli.output_file import check_force, force_option, to_option, writing
from chat.language.translation import translate

if TYPE_CHECKING:
    from chat.client.transcript import Transcript

FORMATS = ("md", "html", "jsonl")
GIVE_UP = 5.0
"""Seconds without a connection after which it gives up."""
SLICE = 500
"""Lines that are written without a look at signals."""

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What to write; without it, what the ending of FILE says.",
)


@click.command(
    epilog="""
    \b
    Examples:
      chat export -b grpc --room lab --to lesson.html
      chat export --server 10.0.0.5 --format jsonl | jq .text
    """
)
@client_options
@format_option
@to_option
@force_option
def export(me: Client, form: str | None, to: Path | None, force: bool) -> int:
    """Write the whole history of a room: as a page (md, html), or each event a line (jsonl).

    A page shows each message with its newest text, and of a deleted one only that it was deleted. JSON lines
    are those of chat tail --json: they hold the older texts and the deleted ones, too.

    It takes a seat in the room while it reads. The exit code is 1 if the technique has lost events. Without
    --format and --to it writes md to the standard output.
    """
    from itertools import islice

    from chat.cli.progress import progress
    from chat.cli.signals import run
    from chat.client.transcript import Transcript, finished, read_history
    from chat.domain.model import Cursor

    check_force(to, force)
    form = format_of(form, to)
    session = me.session(cursor=Cursor(0), give_up=GIVE_UP)

    with Transcript(me.room) as transcript, writing(to, "export", force=force) as write:

        async def work() -> int:
            async with progress(lambda: translate(f"{len(transcript):,} events")):
                lost = await read_history(session, transcript, warn)
            lines = rendered(transcript, form)

            def write_some() -> int:
                return sum(write(line) is None for line in islice(lines, SLICE))

            while await finished(write_some):
                pass  # a signal can end it here
            if len(transcript) <= 1:  # that the room was opened: just now, by this reader
                warn(f"nobody has been in {transcript.room} before: is that the room?")
            if lost:
                warn(f"{lost:,} events were lost on their way: export over a technique that loses none")
            return FAILED if lost else 0

        if (code := run(work())) > FAILED:
            raise click.exceptions.Exit(code)  # a signal: the file does not get its name
    return code


def format_of(form: str | None, to: Path | None, default: str = FORMATS[0]) -> str:
    """Return which format was asked for: by its name, by that of the file, or not at all."""
    if form is None and to is not None and to.suffix[1:] in FORMATS:
        return to.suffix[1:]
    return form or default


def rendered(transcript: Transcript, form: str) -> Iterator[str]:
    """Yield the lines of an export."""
    from chat.client.pages import PAGES
    from chat.domain.json_codec import event_json

    if form in PAGES:
        return PAGES[form](transcript.room, transcript.lines(), None)
    return (event_json(event, transcript.room, transcript.epoch) for event in transcript.events())
