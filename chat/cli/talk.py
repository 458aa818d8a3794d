"""`chat send` and `chat tail`: talking from pipes and scripts."""

from __future__ import annotations

import sys

import click

from chat.cli.options import Client, client_options


@click.command(
    epilog="""
    \b
    Examples:
      echo "build is green" | chat send -b tcp --as ci
      chat send -b tcp --server 10.0.0.5:7010 --as ann hello world
    """
)
@client_options
@click.argument("text", nargs=-1)
def send(
    me: Client,
    text: tuple[str, ...],
) -> int:
    """Send TEXT as one message, or each line of the standard input.

    The exit code is 0 if the room has acknowledged all of them; else it is 1, and stderr names the others.
    """
    from chat.cli import plain as lines
    from chat.cli.signals import run

    return run(lines.send(me.session(give_up=GIVE_UP), [" ".join(text)] if text else sys.stdin))


@click.command(
    epilog="""
    \b
    Examples:
      chat tail -b tcp --after 0 --json       everything since the room was opened
      chat tail -b grpc --timeout 60          and what comes within a minute
    """
)
@client_options
@click.option("--after", type=click.IntRange(min=0), metavar="SEQ", help="Begin after this seq; 0: all.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="End after S seconds.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event.")
def tail(
    me: Client,
    after: int | None,
    count: int | None,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Print the room's events as lines: the last 200, oldest first, then new ones.

    It reconnects and resumes by itself. The exit code is 1 if fewer than --count came within --timeout.
    """
    from chat.cli import plain as lines
    from chat.cli.signals import run
    from chat.domain.model import Cursor

    session = me.session(cursor=None if after is None else Cursor(after))
    return run(lines.tail(session, count=count, seconds=timeout, as_json=as_json))


GIVE_UP = 5.0
"""Seconds without a connection after which ``chat send`` gives up."""
