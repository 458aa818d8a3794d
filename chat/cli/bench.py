"""`chat demo` and `chat bench`: showing and measuring."""

from __future__ import annotations

import sys
from typing import Any

import click

import backends
from chat.cli.options import backend_option, warn
from chat.cli.signals import as_interrupt
from chat.cli.standard_streams import no_screen
from chat.cli.theme_option import theme_option
from chat.interfaces.technique import Technique


@click.command()
@theme_option
def demo(theme: str | None) -> int:
    """Join a room with a bot on every technique that can run here.

    Without a terminal the bots talk to each other, and the exit code is 0 only if every message arrived
    once and in order.
    """
    if reason := no_screen():
        warn(reason)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        from chat.cli.screen import known_theme, use_keys
        from tui import demo as show

        use_keys()
        return show.run(known_theme(theme))
    from lab.demo import headless

    with as_interrupt():
        return headless()


_against = click.option(
    "--against",
    metavar="REV",
    default="",
    help="Also measure our server of this git revision, and no other programs.",
)


class _Measuring(click.Group):
    """Commands that start servers: a signal ends those as well."""

    def invoke(self, ctx: click.Context) -> Any:
        with as_interrupt():
            return super().invoke(ctx)


@click.group(cls=_Measuring)
def bench() -> None:
    """Measure how programs compare in one run. The figures are ratios, not promises."""


@bench.command(short_help="One room, many readers: what a delivery costs.")
@backend_option
@click.option("--clients", default=200, show_default=True, type=click.IntRange(2, 1000))
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 60))
@_against
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def fanout(
    backend: Technique | None,
    clients: int,
    seconds: float,
    against: str,
    as_json: bool,
    write: str | None,
) -> None:
    """One room, many readers: our server beside a textbook one, and others.

    It can measure tcp (the default), udp, rpyc and grpc.
    """
    from lab.bench import fanout as measure

    name = (backend or backends.technique(backends.KNOWN[0])).name
    measure.main(name, clients, seconds, as_json, write, against)


@bench.command(short_help="Requests and their answers: how many a second.")
@backend_option
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 60))
@_against
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def calls(backend: Technique | None, seconds: float, against: str, as_json: bool, write: str | None) -> None:
    """Requests and their answers, one caller and many: our server beside one that does nothing but answer.

    It can measure oncrpc (the default; beside an echo), rest and soap (beside a bare FastAPI route).
    """
    from lab.bench import calls as measure

    measure.main(backend.name if backend else "oncrpc", seconds, as_json, write, against)


@bench.command(short_help="1,000 long polls and one message: how soon all have it.")
@backend_option
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def polls(backend: Technique | None, as_json: bool, write: str | None) -> None:
    """1,000 long polls held by our server, and one message: how soon the last one is answered.

    It can measure rest (the default) and soap.
    """
    from lab.bench import polls as measure

    measure.main(backend.name if backend else "rest", as_json, write)


@bench.command(short_help="Our client beside plain pika, and three servers on one log.")
@click.option("--server", metavar="URL", help="The broker; without it one is found, or started.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def broker(server: str | None, as_json: bool, write: str | None) -> None:
    """Our client beside plain pika on one broker, and three servers that share a log in it."""
    from lab.bench import broker as measure

    measure.main(server, as_json, write)


@bench.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def start(as_json: bool, write: str | None) -> None:
    """How long chat --help takes, and the first frame of the screen."""
    from lab.bench import start as measure

    measure.main(as_json, write)


@bench.command(short_help="The screen with 10,000 messages.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def tui(as_json: bool, write: str | None) -> None:
    """The screen with 10,000 messages: CPU for one more, and time from key to paint."""
    from lab.bench import screen as measure

    measure.main(as_json, write)


@bench.command(short_help="What looking at the wire costs.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def wire(as_json: bool, write: str | None) -> None:
    """Messages, echoes and bytes through a tap, beside the same without; the inspector with 5,000 frames."""
    from lab.bench import wire as measure

    measure.main(as_json, write)


@bench.command(short_help="Acknowledged messages, beside nats JetStream.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def durable(as_json: bool, write: str | None) -> None:
    """Acknowledged messages a second, beside nats JetStream; and what each loses when it is killed."""
    from lab.bench import durable as measure

    measure.main(as_json, write)
