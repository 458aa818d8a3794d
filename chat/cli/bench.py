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
    help="Also measure this git revision.",
)
_seconds = click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 60))
_as_json = click.option("--json", "as_json", is_flag=True)
_write = click.option("--write", metavar="FILE", help="Also write the report as Markdown.")


class _Measuring(click.Group):
    """Commands that start servers: a signal ends those as well."""

    def invoke(self, ctx: click.Context) -> Any:
        with as_interrupt():
            return super().invoke(ctx)


@click.group(cls=_Measuring)
def bench() -> None:
    """Measure how programs compare in one run. The figures are ratios, not promises."""


@bench.command("all", short_help="Every benchmark in turn, and one table of all goals.")
@click.option(
    "--seconds",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.5, 60),
    help="For each server in each regime; the whole takes longer in proportion.",
)
@_against
@_as_json
@_write
def everything(seconds: float, against: str, as_json: bool, write: str | None) -> None:
    """Run every benchmark in turn, and show one table of all goals.

    It takes about ten minutes, and says how long each part will take. A part that can't be measured here is
    left out.
    """
    from lab.bench import everything as measure

    measure.run(seconds, against, write).show(as_json=as_json, write=None)


@bench.command(short_help="One room, many readers: what a delivery costs.")
@backend_option
@click.option("--clients", default=200, show_default=True, type=click.IntRange(2, 1000))
@_seconds
@_against
@_as_json
@_write
def fanout(
    backend: Technique | None,
    clients: int,
    seconds: float,
    against: str,
    as_json: bool,
    write: str | None,
) -> None:
    """One room, many readers: our server beside a textbook one, and others.

    It can measure tcp (the default), udp, rpyc and grpc. With --against no other programs are measured. With
    1,000 clients tcp is measured beside nats-server only.
    """
    from lab.bench import fanout as measure
    from lab.bench import page

    report = measure.run(clients, seconds, _name(backend), against=against)
    page.section(report).show(as_json=as_json, write=write)


@bench.command(short_help="One room, many readers: two workers beside one process.")
@backend_option
@click.option("--clients", default=200, show_default=True, type=click.IntRange(2, 1000))
@_seconds
@_against
@_as_json
@_write
def workers(
    backend: Technique | None,
    clients: int,
    seconds: float,
    against: str,
    as_json: bool,
    write: str | None,
) -> None:
    """One room, many readers: chat serve --workers 2 beside one process, by the CPU of the busiest process.

    It can measure tcp (the default), rpyc and grpc.
    """
    from lab.bench import page
    from lab.bench import workers as measure

    report = measure.run(clients, seconds, _name(backend), against=against)
    page.section(report).show(as_json=as_json, write=write)


@bench.command(short_help="Thousands of clients who say nothing: memory for each.")
@backend_option
@click.option("--clients", default=5000, show_default=True, type=click.IntRange(2, 9000))
@_against
@_as_json
@_write
def idle(backend: Technique | None, clients: int, against: str, as_json: bool, write: str | None) -> None:
    """Thousands of clients who connect and say nothing: our memory for each of them, beside another server's.

    It can measure tcp (the default; beside nats-server) and grpc (beside a textbook server).
    """
    from lab.bench import idle as measure
    from lab.bench import page

    page.section(measure.run(clients, _name(backend), against=against)).show(as_json=as_json, write=write)


@bench.command(short_help="Requests and their answers: how many a second.")
@backend_option
@_seconds
@_against
@_as_json
@_write
def calls(backend: Technique | None, seconds: float, against: str, as_json: bool, write: str | None) -> None:
    """Requests and their answers, one caller and many: our server beside one that does nothing but answer.

    It can measure oncrpc (the default; beside an echo), rest and soap (beside a bare FastAPI route).
    """
    from lab.bench import calls as measure
    from lab.bench import page

    report = measure.run(seconds, _name(backend, "oncrpc"), against=against)
    page.section(report).show(as_json=as_json, write=write)


@bench.command(short_help="1,000 long polls and one message: how soon all have it.")
@backend_option
@_against
@_as_json
@_write
def polls(backend: Technique | None, against: str, as_json: bool, write: str | None) -> None:
    """1,000 long polls held by our server, and one message: how soon the last one is answered.

    It can measure rest (the default) and soap.
    """
    from lab.bench import polls as measure

    report = measure.run(_name(backend, "rest"), against=against)
    measure.section(report).show(as_json=as_json, write=write)


@bench.command(short_help="Our client beside plain pika, and three servers on one log.")
@click.option("--server", metavar="URL", help="The broker; without it one is found, or started.")
@_against
@_as_json
@_write
def broker(server: str | None, against: str, as_json: bool, write: str | None) -> None:
    """Our client beside plain pika on one broker, and three servers that share a log in it."""
    from lab.bench import broker as measure
    from lab.bench import broker_report

    broker_report.section(measure.run(server, against=against)).show(as_json=as_json, write=write)


@bench.command()
@_as_json
@_write
def start(as_json: bool, write: str | None) -> None:
    """How long chat --help takes, and the first frame of the screen."""
    from lab.bench import start as measure

    measure.section(measure.run()).show(as_json=as_json, write=write)


@bench.command(short_help="The screen with 10,000 messages.")
@_against
@_as_json
@_write
def tui(against: str, as_json: bool, write: str | None) -> None:
    """The screen with 10,000 messages: CPU for one more, and time from key to paint."""
    from lab.bench import screen as measure

    measure.section(measure.run(against=against)).show(as_json=as_json, write=write)


@bench.command(short_help="What looking at the wire costs.")
@_as_json
@_write
def wire(as_json: bool, write: str | None) -> None:
    """Messages, echoes and bytes through a tap, beside the same without; the inspector with 5,000 frames."""
    from lab.bench import wire as measure

    measure.section(measure.run()).show(as_json=as_json, write=write)


@bench.command(short_help="Acknowledged messages, beside nats JetStream.")
@_against
@_as_json
@_write
def durable(against: str, as_json: bool, write: str | None) -> None:
    """Acknowledged messages a second, beside nats JetStream; and what each loses when it is killed."""
    from lab.bench import durable as measure

    measure.section(measure.run(against=against)).show(as_json=as_json, write=write)


@bench.command(short_help="How cost grows with clients, rooms, history and texts.")
@_against
@_as_json
@_write
def growth(against: str, as_json: bool, write: str | None) -> None:
    """How the cost grows: with 10 to 5,000 clients, 1 to 1,000 rooms, a history of up to 1,000,000 entries,
    and texts of 10 to 4,000 bytes.

    It takes about two minutes. With --write it also draws the curves, into the folder pictures beside FILE.
    """
    from lab.bench import growth as measure
    from lab.bench import growth_page

    growth_page.section(measure.run(against=against)).show(as_json=as_json, write=write)


def _name(backend: Technique | None, default: str = backends.KNOWN[0]) -> str:
    return backend.name if backend else default
