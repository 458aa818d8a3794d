"""The options that several commands share, and the objects that are made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import backends
from chat.cli.completion import complete_room
from chat.domain.errors import ChatError
from chat.domain.validation import clean_nick, clean_room
from chat.interfaces.address import Address, parse_servers
from chat.interfaces.settings import SWITCH, TEXT, Setting
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate

if TYPE_CHECKING:
    from chat.client.connect import Detour, Place
    from chat.client.session import Session
    from chat.domain.model import Cursor
    from chat.interfaces.tls import Fingerprint, Trust


FAILED, WRONG_USAGE = 1, 2
SIGNALLED = 128
"""What is added to the number of the signal that ended a command."""


F = TypeVar("F", bound=Callable[..., Any])


def schemes() -> list[str]:
    return [scheme for label in backends.techniques() for scheme in label.schemes]


def technique_named(_: click.Context, __: click.Parameter, name: str | None) -> Technique | None:
    if name is None:
        return None
    try:
        return backends.technique(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def techniques_named(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Technique]:
    try:
        return [backends.technique(name) for name in names]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def complete(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    return [name for name in backends.KNOWN if name.startswith(begun)]


def checked(check: Callable[[str], object]) -> Callable[..., str | None]:
    """Return a callback for click. A value that ``check`` refuses is a usage error."""

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
    """The options that `chat`, `chat send` and `chat tail` share."""

    backend: Technique | None
    server: str | None
    room: str
    nick: str | None
    token_file: str | None
    ca: str | None
    fingerprint: str | None
    no_spawn: bool
    settings: dict[str, str]
    """What the user has chosen, by `Setting.name`."""
    guest: bool = False
    """It is somebody else's: a visitor's, whose screen is a page of `chat web`."""

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
        detour: Detour | None = None,
    ) -> Session:
        """Return a session that is not started yet. Arguments win over the options."""
        from chat.client.connect import login_name, open_session

        technique, nick = technique or self.technique, nick or self.nick
        return open_session(
            self.place(),
            technique,
            room or self.room,
            nick or login_name(),
            settings=chosen(self.settings, [technique], "client"),
            other_nicks=nick is None,
            cursor=cursor,
            give_up=give_up,
            detour=detour,
            keep_seat=not self.guest,
        )

    def over(self, technique: Technique, first: Technique) -> Client:
        """Return the options for a technique that is taken while the program runs.

        Those of other techniques do not count. A port in ``--server`` is that of ``first``, the technique
        that was taken first; another one has its usual port on the same host.
        """
        fitting = {
            name: value
            for name, value in self.settings.items()
            for one in technique.settings
            if one.client and one.name == name and value in (one.choices or (value,))
        }
        server = self.server
        if server is not None and technique is not first:
            hosts = [one.host for one in parse_servers(server, 0, schemes())]
            server = ",".join(
                f"[{host}]" if ":" in host else host for host in hosts[: None if technique.several else 1]
            )
        return replace(self, backend=technique, settings=fitting, server=server)

    @staticmethod
    def named(name: str) -> Technique:
        """Return a technique. Raises `ChatError`."""
        try:
            return backends.technique(name)
        except ValueError as error:
            raise ChatError(str(error)) from None

    def place(self) -> Place:
        """Return which server."""
        from chat.background.state_folder import state_dir
        from chat.cli.config import access_token
        from chat.client.connect import Place

        return Place(
            self.server,
            state_dir(warn),
            spawn=not self.no_spawn,
            access=access_token(self.token_file),
            trust=load_trust(self.ca, self.fingerprint),
        )


def load_trust(ca: str | None, fingerprint: str | None) -> Trust | Fingerprint | None:
    """Return whom the user trusts; None: nobody was named. Raises UsageError and `ChatError`."""
    from chat.interfaces.tls import Fingerprint, Trust

    if ca and fingerprint:
        raise click.UsageError(
            "--ca and --fingerprint (or CHAT_CA and CHAT_FINGERPRINT) name the server twice: use one of them"
        )
    if fingerprint:
        try:
            return Fingerprint.parse(fingerprint)
        except ChatError as error:
            raise click.BadParameter(str(error), param_hint="--fingerprint") from None
    return Trust.load(Path(ca)) if ca else None


def _settings(side: str) -> Iterator[tuple[Setting, str]]:
    """Yield each setting of this side (``client`` or ``server``), and the names of its techniques."""
    offers: dict[str, list[str]] = {}
    known: dict[str, Setting] = {}
    for label in backends.techniques():
        for setting in label.settings:
            if getattr(setting, side):
                first = known.setdefault(setting.name, setting)
                if first.choices != setting.choices:  # each technique has its own: the option takes all
                    choices = dict.fromkeys((*first.choices, *setting.choices))
                    known[setting.name] = replace(first, choices=tuple(choices))
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
        named = setting.metavar != TEXT  # the choices do not fit where the value's name stands
        among = f": {', '.join(setting.choices[1:])}" if named else f" (default: {setting.usual})"
        return click.option(
            flag,
            _parameter(setting),
            type=click.Choice(setting.choices),
            metavar=setting.metavar if named else None,
            help=f"{about}{among}.",
        )
    return click.option(
        flag,
        _parameter(setting),
        metavar=setting.metavar,
        callback=checked(setting.check),
        help=f"{about} (default: {setting.usual})." if setting.usual else f"{about}.",
    )


def _parameter(setting: Setting) -> str:
    return f"set_{setting.name.replace('-', '_')}"


def chosen(settings: dict[str, str], techniques: list[Technique], side: str) -> dict[str, str]:
    """Return the settings. Raises UsageError if none of the techniques has one of them, or such a value."""
    known = [one for label in techniques for one in label.settings if getattr(one, side)]
    for name, value in settings.items():
        offered = [one.choices for one in known if one.name == name]
        names = ", ".join(label.name for label in techniques)
        if not offered:
            raise click.UsageError(f"{names} has no --{name}")
        if all(choices and value not in choices for choices in offered):
            choices = ", ".join(dict.fromkeys(one for choices in offered for one in choices))
            raise click.UsageError(f"{names} has no --{name} {value}: it has {choices}")
    return settings


def backend_option(command: F) -> F:
    return click.option(
        "--backend",
        "-b",
        metavar="NAME",
        callback=technique_named,
        shell_complete=complete,
        help=f"The technique: {', '.join(backends.KNOWN)}.",
    )(command)


def tls_options(command: F, connect: str = N_("Connect with TLS")) -> F:
    """Add --ca and --fingerprint: connect with TLS, and to whom."""
    command = click.option(
        "--fingerprint",
        metavar="SHA256:...",
        envvar="CHAT_FINGERPRINT",
        help=f"{connect}, and trust the certificate with this fingerprint: the server's or its authority's.",
    )(command)
    return click.option(
        "--ca",
        metavar="FILE",
        envvar="CHAT_CA",
        help=f"{connect}, and trust the authorities in FILE (PEM), no others.",
    )(command)


def server_option(command: F) -> F:
    return click.option(
        "--server",
        metavar="HOST[:PORT]",
        callback=checked(lambda text: parse_servers(text, 0, schemes())),
        help="The server; without it, your own on this machine. Several, separated by commas, "
        "if the technique can choose among them. A broker may be given as a URL.",
    )(command)


def no_spawn_option(command: F) -> F:
    return click.option("--no-spawn", is_flag=True, help="Do not start your own server if none runs.")(
        command
    )


def broker_tls_options(command: F) -> F:
    """Add the same two for the broker of a server's log."""
    return tls_options(command, N_("If --log is an amqps:// URL: connect with TLS"))


def room_option(command: F) -> F:
    return click.option(
        "--room",
        default="lab",
        show_default=True,
        metavar="ROOM",
        callback=checked(clean_room),
        shell_complete=complete_room,
        help="The room.",
    )(command)


def client_options(command: F) -> F:
    """Add the options of every client. The command gets them as one `Client`, its first argument."""

    @wraps(command)
    def collect(*arguments: Any, **options: Any) -> Any:
        me = Client(**{name: options.pop(name) for name in Client.__slots__ if name != "guest"})
        return command(*arguments, me, **options)

    for option in reversed(
        [
            backend_option,
            server_option,
            room_option,
            click.option(
                "--as",
                "nick",
                metavar="NAME",
                callback=checked(clean_nick),
                help="Your name; without it, your login name.",
            ),
            token_option,
            tls_options,
            no_spawn_option,
            settings_options("client"),
        ]
    ):
        collect = option(collect)
    return collect  # type: ignore[return-value]  # the same command, with more options


def token_option(command: F) -> F:
    return click.option(
        "--token-file",
        metavar="FILE",
        help="The file with the access token; without it, CHAT_TOKEN is used.",
    )(command)


def tell(line: str) -> None:
    """Print a text of ours in the language in use."""
    click.echo(translate(line))


def warn(line: str) -> None:
    """Say what the user should know, on the standard error output."""
    from chat.client.lines import err

    err(f"chat: {translate(line)}")


def given_addresses(host: str, port: int, schemes: Sequence[str] = ()) -> list[Address]:
    """Return the addresses that an argument HOST names, see `parse_servers`."""
    try:
        return [replace(one, named_by="HOST") for one in parse_servers(host, port, schemes)]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


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


def ports_option(command: F) -> F:
    return click.option(
        "--port-of",
        multiple=True,
        metavar="NAME=PORT",
        callback=_port_of,
        help="The port of a technique. May be repeated.",
    )(command)
