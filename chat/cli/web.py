"""`chat web`: the screen in a web page."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

import backends
from chat.cli.options import (
    backend_option,
    no_spawn_option,
    room_option,
    server_option,
    settings_options,
    tell,
    tls_options,
    token_option,
    warn,
)
from chat.cli.theme_option import theme_option
from chat.domain.errors import ChatError
from chat.interfaces.settings import SWITCH
from chat.interfaces.technique import Need, Technique

if TYPE_CHECKING:
    from chat.interfaces.address import Address

PORT = 8010
NEED = Need("textual_serve", "pip install textual-serve")


@click.command(
    epilog="""
    \b
    Examples:
      chat web                            for browsers on this machine
      chat web -b grpc --room lab         the picker begins with these
      chat web --host 0.0.0.0             for others, with an access token
      chat web --host 0.0.0.0 --tls auto  encrypted, too
    """
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; 0.0.0.0: every IPv4 address, :: every one.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="The port to listen on; 0: any free one.",
)
@click.option(
    "--open", "is_open", is_flag=True, help="Require no access token, even if other machines can connect."
)
@click.option(
    "--sessions", type=click.IntRange(1, 500), default=16, show_default=True, help="Tabs at a time."
)
@theme_option
@click.option(
    "--tls",
    type=click.Choice(["auto"]),
    help="Serve the page with TLS, with a certificate that is made once and kept in your state folder.",
)
@click.option("--tls-cert", metavar="FILE", help="Serve the page with TLS: the certificate (PEM), ...")
@click.option("--tls-key", metavar="FILE", help="... and its private key.")
@backend_option
@server_option
@room_option
@token_option
@tls_options
@no_spawn_option
@settings_options("client")
@click.pass_context
def web(
    context: click.Context,
    host: str,
    port: int,
    is_open: bool,
    sessions: int,
    theme: str | None,
    tls: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    backend: Technique | None,
    server: str | None,
    room: str,
    token_file: str | None,
    ca: str | None,
    fingerprint: str | None,
    no_spawn: bool,
    settings: dict[str, str],
) -> int:
    """Show the chat in a web page, until Ctrl+C: one session for each tab, and each visitor says a name.

    If an access token is given for the chat's server, the page asks for it too; the address that is printed
    has it behind the #.
    """
    if not NEED.met():
        raise ChatError(f"chat web needs textual-serve, which is not installed: {NEED.install}")
    import asyncio

    from chat.background.state_folder import state_dir
    from chat.cli.config import kept_token
    from chat.cli.serve_renewal import server_token
    from chat.cli.serve_tls import proof
    from chat.cli.signals import run
    from chat.interfaces.address import Address, is_loopback
    from tui.web.server import WebOptions, WebScreens

    access = server_token(token_file)
    if is_open and access:
        raise click.UsageError("--open and an access token contradict each other: use one of them")
    if not (access or is_open or is_loopback(host)):
        access = kept_token(state_dir(warn))
    proved = proof(tls, tls_cert, tls_key, host)
    given = {
        "backend": backend.name if backend else None,
        "server": server,
        "room": room,
        "token-file": token_file,
        "ca": ca,
        "fingerprint": fingerprint,
        "theme": theme,
        "lang": (lang := context.find_root().params["lang"]),
    }
    command = [sys.executable, "-m", "chat", "--guest", *arguments(given, settings, no_spawn=no_spawn)]
    identity = proved.identity if proved else None
    options = WebOptions(command, Address(host, port), access, identity, sessions, lang or "")
    screens = WebScreens(options, warn)

    async def serve() -> int:
        address = await screens.start()
        try:
            if proved and proved.file:
                tell(f"a browser warns of the certificate, until it trusts the authority in {proved.file}")
            tell(f"open {page(address, access, encrypted=proved is not None)} in a browser")
            sys.stdout.flush()
            await asyncio.Event().wait()
        finally:
            await screens.stop()
        return 0

    try:
        return run(serve())
    except KeyboardInterrupt:  # the way to end it: that is no failure
        return 0


def page(address: Address, access: str, *, encrypted: bool) -> str:
    """Return the address of the page; the access token is where a browser does not send it."""
    from chat.server.serve import reachable

    token = f"#token={quote(access, safe='')}" if access else ""
    return f"{'https' if encrypted else 'http'}://{reachable(address)}/{token}"


def arguments(given: Mapping[str, str | None], settings: Mapping[str, str], *, no_spawn: bool) -> list[str]:
    """Return the command line of a session."""
    flags = {one.name for label in backends.techniques() for one in label.settings if one.choices == SWITCH}
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    words += [f"--{name}" if name in flags else f"--{name}={value}" for name, value in settings.items()]
    return words + ["--no-spawn"] * no_spawn
