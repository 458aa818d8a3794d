"""`chat board`: the room on a projector."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import backends
from chat.cli.options import (
    checked,
    load_trust,
    server_option,
    tls_options,
    token_option,
    warn,
)
from chat.cli.serve_lan import port_options
from chat.domain.errors import ChatError
from chat.domain.validation import clean_room

if TYPE_CHECKING:
    from chat.interfaces.watcher import Watcher


@click.command()
@server_option
@click.option("--room", default="lab", show_default=True, callback=checked(clean_room), help="The room.")
@token_option
@tls_options
@click.option("--theme", metavar="NAME", help="dark, light or high-contrast (which it has without).")
def board(
    server: str | None,
    room: str,
    token_file: str | None,
    ca: str | None,
    fingerprint: str | None,
    theme: str | None,
) -> int:
    """Show a room on a projector: who is here over which technique, what was said last, whose hand is up.

    It reads without a seat, over REST: nobody sees it in the list of members, and it can't write. The key q
    closes it.
    """
    from chat.background.state_folder import state_dir
    from chat.cli.config import access_token
    from chat.client.connect import Place, check_place, locate
    from chat.interfaces.client import ClientOptions
    from tui.board import Board
    from tui.run import run_app
    from tui.screens.board import BoardApp

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ChatError("this is not a terminal: use chat tail")
    label = next(one for one in backends.techniques() if one.watcher)
    place = Place(server, state_dir(warn), False, access_token(token_file), load_trust(ca, fingerprint))
    given = check_place(place, label)

    async def connect() -> Watcher:
        found = await locate(place, label, given)
        return label.load_watcher()(found.addresses[0], ClientOptions(trust=found.trust), room, found.access)

    shown = Board(room, join=_how_to_join(server), order=tuple(backends.KNOWN))
    return run_app(BoardApp(shown, connect, theme))


def _how_to_join(server: str | None) -> str:
    """Return how to join this user's own class, without its words, which need not stand on a projector."""
    if server is not None:
        return ""
    from chat.background import server as own
    from chat.background.state_folder import state_dir

    try:
        record = own.running(state_dir())
    except ChatError:
        return ""
    public = record.public() if record else []
    if not (public and record and record.encrypted):
        return ""
    there = {one.technique: one.port for one in public if one.host == public[0].host}
    return f"chat join {public[0].host}{port_options(there)}"
