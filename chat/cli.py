"""``chat``: the command line. Everything behind it is imported when its command runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import backends
from chat.model import ChatError, ConnectionLost
from chat.ports import SWITCH, Address, Setting, Technique, parse_address, parse_servers
from chat.text import clean_nick, clean_room

if TYPE_CHECKING:
    from chat.connect import Place
    from chat.model import Cursor
    from chat.ports import Broker
    from chat.server import Registration
    from chat.session import Session
    from chat.tls import Trust

FAILED, WRONG_USAGE = 1, 2

F = TypeVar("F", bound=Callable[..., Any])


def main() -> None:
    """Run ``chat``; errors are one line, the exit code is 0 ok, 1 failed, 2 wrong usage."""
    from chat.config import ENVIRONMENT, read_config

    try:
        code = chat.main(
            prog_name="chat",
            standalone_mode=False,
            auto_envvar_prefix=ENVIRONMENT,
            default_map=read_config(),
        )
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "chat"
        click.echo(f"chat: {error.format_message()} ({command} --help shows how)", err=True)
        code = WRONG_USAGE
    except (click.ClickException, ChatError) as error:
        click.echo(f"chat: {error}", err=True)
        code = FAILED
    except (click.Abort, KeyboardInterrupt):
        code = FAILED
    sys.exit(code if isinstance(code, int) else 0)


# --- options -----------------------------------------------------------------------------------


def _schemes() -> list[str]:
    return [scheme for label in backends.techniques() for scheme in label.schemes]


def _technique(_: click.Context, __: click.Parameter, name: str | None) -> Technique | None:
    if name is None:
        return None
    try:
        return backends.technique(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _techniques(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Technique]:
    try:
        return [backends.technique(name) for name in names]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _complete(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    return [name for name in backends.KNOWN if name.startswith(begun)]


def _checked(check: Callable[[str], object]) -> Callable[..., str | None]:
    """Return a callback that makes what ``check`` refuses a wrong usage."""

    def callback(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
        if value is not None:
            try:
                check(value)
            except (ChatError, ValueError) as error:
                raise click.BadParameter(str(error)) from None
        return value

    return callback


@dataclass(frozen=True, slots=True)
class Client:
    """What every client is told: the options that `chat`, `chat send` and `chat tail` share."""

    backend: Technique | None
    server: str | None
    room: str
    nick: str | None
    token_file: str | None
    ca: str | None
    no_spawn: bool
    settings: dict[str, str]
    """What the user has chosen, by `Setting.name`."""

    @property
    def technique(self) -> Technique:
        return self.backend or backends.technique(backends.KNOWN[0])

    def session(
        self,
        technique: Technique | None = None,
        room: str | None = None,
        nick: str | None = None,
        *,
        cursor: Cursor | None = None,
        give_up: float | None = None,
    ) -> Session:
        """Return a session that is not started yet; what is given wins over the options."""
        from chat.config import login_name
        from chat.connect import open_session

        technique, nick = technique or self.technique, nick or self.nick
        return open_session(
            self._place(),
            technique,
            room or self.room,
            nick or login_name(),
            settings=_chosen(self.settings, [technique], "client"),
            other_nicks=nick is None,
            cursor=cursor,
            give_up=give_up,
        )

    def _place(self) -> Place:
        from chat.config import access_token, state_dir
        from chat.connect import Place

        return Place(
            self.server,
            state_dir(_warn),
            spawn=not self.no_spawn,
            access=access_token(self.token_file),
            trust=_trust(self.ca),
        )


def _trust(ca: str | None) -> Trust | None:
    from chat.tls import Trust

    return Trust.load(Path(ca)) if ca else None


def _settings(side: str) -> Iterator[tuple[Setting, str]]:
    """Yield what can be chosen on this side, and by whom it is offered."""
    offers: dict[str, list[str]] = {}
    known: dict[str, Setting] = {}
    for label in backends.techniques():
        for setting in label.settings:
            if getattr(setting, side):
                known.setdefault(setting.name, setting)
                offers.setdefault(setting.name, []).append(label.name)
    for name, setting in known.items():
        yield setting, ", ".join(offers[name])


def settings_options(side: str) -> Callable[[F], F]:
    """Add an option for each setting of the techniques; the command gets them as one dict, ``settings``."""

    def add(command: F) -> F:
        offered = list(_settings(side))

        @wraps(command)
        def collect(*arguments: Any, **options: Any) -> Any:
            given = {setting.name: options.pop(_parameter(setting)) for setting, _ in offered}
            chosen = {name: value for name, value in given.items() if value is not None}
            return command(*arguments, settings=chosen, **options)

        for setting, names in reversed(offered):
            collect = _option(setting, names)(collect)
        return collect  # type: ignore[return-value]  # the same command, with more options

    return add


def _option(setting: Setting, names: str) -> Callable[[F], F]:
    flag, about = f"--{setting.name}", f"{names}: {setting.summary}"
    if setting.choices == SWITCH:
        return click.option(flag, _parameter(setting), flag_value="on", default=None, help=f"{about}.")
    if setting.choices:
        return click.option(
            flag,
            _parameter(setting),
            type=click.Choice(setting.choices),
            help=f"{about} (default: {setting.usual}).",
        )
    return click.option(
        flag,
        _parameter(setting),
        metavar=setting.metavar,
        callback=_checked(setting.check),
        help=f"{about} (default: {setting.usual})." if setting.usual else f"{about}.",
    )


def _parameter(setting: Setting) -> str:
    return f"set_{setting.name.replace('-', '_')}"


def _chosen(settings: dict[str, str], techniques: list[Technique], side: str) -> dict[str, str]:
    """Return the settings. Raises UsageError for one that none of the techniques has."""
    known = {one.name for label in techniques for one in label.settings if getattr(one, side)}
    for name in settings:
        if name not in known:
            raise click.UsageError(f"{', '.join(label.name for label in techniques)} has no --{name}")
    return settings


def backend_option(command: F) -> F:
    return click.option(
        "--backend",
        "-b",
        metavar="NAME",
        callback=_technique,
        shell_complete=_complete,
        help=f"The technique: {', '.join(backends.KNOWN)}.",
    )(command)


def ca_option(command: F) -> F:
    return click.option(
        "--ca",
        metavar="FILE",
        envvar="CHAT_CA",
        help="Connect with TLS, and trust the authorities in FILE (PEM), no others.",
    )(command)


def client_options(command: F) -> F:
    """Add what every client takes; the command gets it as one `Client`, its first argument."""

    @wraps(command)
    def collect(*arguments: Any, **options: Any) -> Any:
        me = Client(**{name: options.pop(name) for name in Client.__slots__})
        return command(*arguments, me, **options)

    for option in reversed(
        [
            backend_option,
            click.option(
                "--server",
                metavar="HOST[:PORT]",
                callback=_checked(lambda text: parse_servers(text, 0, _schemes())),
                help="The server; without it, your own one on this machine. Several, separated by commas, "
                "where the technique can choose among them. A broker may be given as a URL.",
            ),
            click.option(
                "--room",
                default="lab",
                show_default=True,
                metavar="ROOM",
                callback=_checked(clean_room),
                help="The room.",
            ),
            click.option(
                "--as",
                "nick",
                metavar="NAME",
                callback=_checked(clean_nick),
                help="Your name; without it, your login name.",
            ),
            token_option,
            ca_option,
            click.option("--no-spawn", is_flag=True, help="Do not start your own server when none runs."),
            settings_options("client"),
        ]
    ):
        collect = option(collect)
    return collect  # type: ignore[return-value]  # the same command, with more options


def token_option(command: F) -> F:
    return click.option(
        "--token-file",
        metavar="FILE",
        help="Where the access token stands; else CHAT_TOKEN holds it.",
    )(command)


def _warn(line: str) -> None:
    click.echo(f"chat: {line}", err=True)


# --- chat --------------------------------------------------------------------------------------


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="""
    \b
    Examples:
      chat                                  choose a technique, a room, a name
      chat --backend tcp --as ann           talk over TCP, on your own server
      chat -b tcp --server 10.0.0.5:7010    talk on another machine's server
      chat serve                            be the server, with every technique
      chat demo                             the lesson in twenty seconds
    """,
)
@client_options
@click.option("--plain", is_flag=True, help="Lines instead of a screen: for pipes and screen readers.")
@click.option("--theme", metavar="NAME", help="dark, light or high-contrast.")
@click.version_option(package_name="wirechat", message="chat %(version)s")
@click.pass_context
def chat(
    context: click.Context,
    me: Client,
    plain: bool,
    theme: str | None,
) -> int | None:
    """One chat over every classical way programs talk to each other."""
    if command := context.invoked_subcommand:
        for name in context.params:
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                option = next(one for one in context.command.params if one.name == name).opts[0]
                raise click.UsageError(
                    f"{option} stands before {command}, which would not see it: write it behind {command}"
                )
        return None
    if plain:
        import asyncio

        from chat import lines

        return asyncio.run(lines.plain(me.session()))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ChatError("this is no terminal: use chat --plain, chat send or chat tail")
    from tui.app import ChatApp, Choice

    def opened(choice: Choice) -> Session:
        technique = backends.technique(choice.technique)
        return me.session(technique, choice.room, choice.nick, cursor=choice.cursor)

    choice = Choice(me.backend.name, me.room, me.nick) if me.backend else None
    app = ChatApp(opened, choice, room=me.room, nick=me.nick, theme=theme)
    app.run()
    if app.session is not None and (left := app.session.pending):
        _warn(
            f"{left} message{'s were' if left > 1 else ' was'} not sent, or not acknowledged: you left first"
        )
        return FAILED
    return app.return_code


@chat.command(
    epilog="""
    \b
    Examples:
      echo "build is green" | chat send -b tcp --as ci
      chat send -b tcp --server 10.0.0.5:7010 --as ann "hello" "world"
    """
)
@client_options
@click.argument("text", nargs=-1)
def send(
    me: Client,
    text: tuple[str, ...],
) -> int:
    """Send each TEXT, or each line of the standard input, as a message.

    Exit code 0 when the room has acknowledged every one, else 1, and stderr names those it has not.
    """
    import asyncio

    from chat import lines

    return asyncio.run(lines.send(me.session(give_up=GIVE_UP), text or sys.stdin))


@chat.command(
    epilog="""
    \b
    Examples:
      chat tail -b tcp --after 0 --json       everything since the room was opened
      chat tail -b grpc --timeout 60          what comes within a minute, too
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
    """Print the room's events as lines: the last 200, oldest first, then what happens.

    It reconnects and resumes by itself. Exit code 1 when fewer than --count came within --timeout.
    """
    import asyncio

    from chat import lines
    from chat.model import Cursor

    session = me.session(cursor=None if after is None else Cursor(after))
    return asyncio.run(lines.tail(session, count=count, seconds=timeout, as_json=as_json))


GIVE_UP = 5.0
"""Seconds without a connection after which ``chat send`` gives up."""


# --- servers -----------------------------------------------------------------------------------


def _port_of(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, int]:
    ports = {}
    for pair in pairs:
        name, _equals, port = pair.partition("=")
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise click.BadParameter(f"{pair!r}: write NAME=PORT, e.g. tcp=7010")
        try:
            ports[backends.technique(name).name] = int(port)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return ports


@chat.command(
    epilog="""
    \b
    Examples:
      chat serve                            every technique, this machine only
      chat serve tcp --port 0 --log memory  a free port, nothing remembered
      chat serve --host 0.0.0.0             for a class, with an access token
    """
)
@click.argument(
    "techniques", nargs=-1, metavar="[TECHNIQUE]...", callback=_techniques, shell_complete=_complete
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port of the one technique; 0: any free one.")
@click.option("--port-of", multiple=True, metavar="NAME=PORT", callback=_port_of, help="Repeatable.")
@click.option(
    "--log",
    metavar="URL",
    help="memory, sqlite:PATH, or amqp://USER:PASSWORD@HOST:PORT/VHOST, a broker that several servers share; "
    "without it, the log in your state folder.",
)
@click.option("--broker", is_flag=True, help="Keep the log in a broker that is found here, or started.")
@click.option("--fresh", is_flag=True, help="Set the log aside under a dated name and begin a new one.")
@token_option
@click.option("--open", "is_open", is_flag=True, help="No access token, though other machines can come in.")
@click.option("--tls-cert", metavar="FILE", help="Serve with TLS: the server's certificate (PEM), ...")
@click.option("--tls-key", metavar="FILE", help="... and its private key. Techniques without TLS stay off.")
@click.option("--rate", default="on", type=click.Choice(["on", "off"]), help="Limit what one seat may send.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--background", is_flag=True, hidden=True, help="Ends itself when nobody is there.")
@click.option("--idle", type=float, hidden=True, help="Seconds until then.")
@settings_options("server")
def serve(
    techniques: list[Technique],
    host: str,
    port: int | None,
    port_of: dict[str, int],
    log: str | None,
    broker: bool,
    fresh: bool,
    token_file: str | None,
    is_open: bool,
    tls_cert: str | None,
    tls_key: str | None,
    rate: str,
    as_json: bool,
    background: bool,
    idle: float | None,
    settings: dict[str, str],
) -> None:
    """Serve the named techniques, or all that can run, until Ctrl+C.

    Without --log it is your server on this machine: clients that are given no --server find it. One on a
    broker is that too, unless there is one.
    """
    from secrets import token_urlsafe

    from chat import server
    from chat.config import access_token, kept_token, state_dir
    from chat.model import Limits
    from chat.ports import is_loopback
    from chat.serve import Offer, Plan, run
    from chat.tls import Identity

    if port is not None:
        if len(techniques) != 1:
            raise click.UsageError("--port needs exactly one technique; for several use --port-of NAME=PORT")
        port_of = {techniques[0].name: port}
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together: the certificate, and its private key")
    identity = Identity.load(Path(tls_cert), Path(tls_key)) if tls_cert and tls_key else None
    served = techniques or backends.techniques()
    settings = _chosen(settings, served, "server")
    access = access_token(token_file)
    if is_open and access:
        raise click.UsageError("--open and an access token contradict each other: take one of them")
    folder = state_dir(_warn) if log is None else None
    shown = server.default_log(folder) if folder else ""
    if broker:
        if folder is None:
            raise click.UsageError("--broker and --log contradict each other: take one of them")
        found = _broker(folder)
        log, shown = found.address.url, f"in the broker at {found.address}"
    made = not (is_loopback(host) or access or is_open)
    if made:
        access = kept_token(folder) if folder else token_urlsafe(16)
    url = log or shown
    registration = _registration(folder, shown, broker=broker) if folder else None
    try:
        if fresh:
            _set_aside(url)

        def ready(offers: list[Offer]) -> None:
            if registration:
                registration.announce(offers, access, encrypted=identity is not None)
            if made:
                click.echo(_token_line(access, as_json))
            for offer in offers:
                click.echo(offer.json() if as_json else offer.line())
            sys.stdout.flush()

        run(
            Plan(
                served,
                named=bool(techniques),
                log=url,
                host=host,
                ports=port_of,
                any_port=background,
                access=access,
                identity=identity,
                settings=settings,
                limits=Limits() if rate == "on" else Limits(burst=0),
                found=broker,
                idle=idle or (server.IDLE if background else None),
            ),
            ready,
        )
    finally:
        if registration:
            registration.end()


def _registration(folder: Path, log: str, *, broker: bool) -> Registration | None:
    """Make this your server. There may be another one beside a server on a broker: clients find that."""
    from chat.server import Registration, RunsAlready

    try:
        return Registration(folder, log)
    except RunsAlready as error:
        if not broker:
            raise
        _warn(f"{error.fact}: clients find that one, and come here with --server")
        return None


def _broker(folder: Path) -> Broker:
    """Find a broker that can keep a log, or start one."""
    for label in backends.techniques():
        if label.broker is not None and label.log is not None and not label.missing():
            _warn("looking for a broker; to start one takes some seconds")
            found = label.load_broker()(folder, spawn=True)
            _warn(f"the log is in a broker: {found.how}")
            return found
    raise ChatError("no technique with a broker can run here")


def _token_line(token: str, as_json: bool) -> str:
    if as_json:
        return json.dumps({"access_token": token})
    return f"access token: {token}\n  (the others set CHAT_TOKEN to it, or put it into a --token-file)"


def _set_aside(url: str) -> None:
    scheme, _, path = url.partition(":")
    if scheme != "sqlite":
        raise click.UsageError(f"--fresh has nothing to set aside: a log of {scheme} keeps no file")
    from chat.logs.files import set_aside

    if aside := set_aside(Path(path)):
        click.echo(f"chat: the log so far is now {aside}", err=True)


@chat.command()
def status() -> int:
    """Show your server on this machine. Exit code 1 when none runs."""
    from datetime import datetime

    from chat import server
    from chat.config import state_dir

    folder = state_dir(_warn)
    for label in backends.techniques():
        if label.broker is not None and not label.missing():
            with suppress(ChatError):
                if (broker := label.load_broker()(folder, spawn=False)).private:
                    click.echo(f"{label.name:<9} broker {broker.address}: {broker.how}")
    record = server.running(folder)
    if record is None:
        click.echo("no server of yours runs on this machine")
        return FAILED
    since = datetime.fromtimestamp(record.started / 1000).strftime("%Y-%m-%d %H:%M")
    click.echo(f"process {record.pid}, since {since}, log {record.log}")
    for listening in record.listening:
        click.echo(f"{listening.technique:<9} ready  {listening.host}:{listening.port}")
    for technique, reason in record.off.items():
        click.echo(f"{technique:<9} off    {reason}")
    return 0


@chat.command()
def stop() -> None:
    """End your server on this machine; what was said stays in its log."""
    from chat import server
    from chat.config import state_dir

    record = server.stop(state_dir(_warn))
    click.echo(f"process {record.pid} has ended" if record else "no server of yours runs on this machine")


# --- knowing -----------------------------------------------------------------------------------


def _parsed(host: str, port: int) -> Address:
    try:
        return parse_address(host, port)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@chat.command()
@click.argument("host", metavar="[HOST[:PORT]]", required=False)
@backend_option
@token_option
@ca_option
def doctor(host: str | None, backend: Technique | None, token_file: str | None, ca: str | None) -> int:
    """Look which techniques work: here, or on the server at HOST. One line each.

    With a PORT --backend tells which technique is to be there; without it each is looked for at its own.
    """
    import asyncio

    from chat import guide, server
    from chat.config import access_token, state_dir
    from chat.serve import own_address

    access, trust = access_token(token_file), _trust(ca)
    record = None if host else server.running(state_dir(_warn))
    found = {}
    off: dict[str, str] = {}
    if record:
        access, off = record.access, record.off
        if record.encrypted and trust is None:
            raise ChatError(f"your server (process {record.pid}) speaks TLS: give --ca")
        found = {one.technique: own_address(Address(one.host, one.port)) for one in record.listening}
    healthy = True
    if host and not backend and _parsed(host, 0).port:
        raise click.UsageError(f"which technique listens at {host}? say it with --backend")
    for label in [backend] if backend else backends.techniques():
        address = _parsed(host, label.port) if host else found.get(label.name)
        how = ""
        if address is None and label.broker is not None and not label.missing():
            try:
                there = label.load_broker()(state_dir(_warn), spawn=False)
            except ConnectionLost as error:
                click.echo(f"{label.name:<9} ok  can run here; {error}")
                continue
            except ChatError as error:
                healthy = False
                click.echo(f"{label.name:<9} no  {error}")
                continue
            address, how = there.address, f"; the broker is {there.how}"
        if address is None:
            if missing := label.missing():
                line = "; ".join(f"{need.what} is missing: {need.install}" for need in missing)
            elif record:
                line = f"off on your server (process {record.pid}): {off.get(label.name, 'not asked for')}"
            else:
                line = "can run here; no server of yours runs yet: start one with chat serve"
            ok = not missing and not record
            healthy &= ok
            click.echo(f"{label.name:<9} {'ok' if ok else 'no'}  {line}")
            continue
        ok, line = asyncio.run(guide.doctor(label, address, access, trust))
        healthy &= ok
        click.echo(f"{label.name:<9} {'ok' if ok else 'no'}  {line}{how}")
    return 0 if healthy else FAILED


@chat.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every trait.")
def techniques(as_json: bool) -> None:
    """Show the table of techniques and what each promises."""
    from chat import guide

    click.echo(guide.as_json() if as_json else guide.table())


@chat.command()
@click.argument("name", required=False, shell_complete=_complete)
def explain(name: str | None) -> None:
    """Explain a technique on one screen; without a NAME, all of them."""
    from chat import guide

    if name is None:
        click.echo(guide.cheat_sheet())
        return
    try:
        click.echo(guide.explain(backends.technique(name)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


# --- showing and measuring ---------------------------------------------------------------------


@chat.command()
@click.option("--theme", metavar="NAME", help="dark, light or high-contrast.")
def demo(theme: str | None) -> int:
    """The lesson in twenty seconds: you, and a bot on every technique that can run here.

    Without a terminal the bots talk alone, and the exit code is 0 only if every message arrived once and
    in order.
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        from tui import demo as show

        return show.run(theme)
    from lab.demo import headless

    return headless()


@chat.group()
def bench() -> None:
    """Measure: ratios side by side in one run, not promises."""


@bench.command(short_help="One room, many readers: what a delivery costs.")
@backend_option
@click.option("--clients", default=200, show_default=True, type=click.IntRange(2, 1000))
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 60))
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def fanout(backend: Technique | None, clients: int, seconds: float, as_json: bool, write: str | None) -> None:
    """One room, many readers: our server beside a textbook one, and others.

    It can measure tcp (the default), udp, rpyc and grpc.
    """
    from lab.bench import fanout as measure

    measure.main((backend or backends.technique(backends.KNOWN[0])).name, clients, seconds, as_json, write)


@bench.command(short_help="Requests and their answers: how many a second.")
@backend_option
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.5, 60))
@click.option("--json", "as_json", is_flag=True)
@click.option("--write", metavar="FILE", help="Also write the report as Markdown.")
def calls(backend: Technique | None, seconds: float, as_json: bool, write: str | None) -> None:
    """Requests and their answers, one caller and many: our server beside one that does nothing but answer.

    It can measure oncrpc (the default; beside an echo), rest and soap (beside a bare FastAPI route).
    """
    from lab.bench import calls as measure

    measure.main(backend.name if backend else "oncrpc", seconds, as_json, write)


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
