"""`chat wire`: a relay that shows what any client says to a server."""

from __future__ import annotations

import click

import backends
from chat.cli.options import (
    backend_option,
    chosen,
    no_spawn_option,
    server_option,
    settings_options,
    warn,
)
from chat.interfaces.technique import Technique


@click.command(
    epilog="""
    \b
    Examples:
      chat wire                            what clients say to your server over TCP lines
      chat wire -b grpc --listen 50052     at a port of your choice
      chat wire -b rest --json             one JSON object a frame, with all fields
    """
)
@backend_option
@server_option
@no_spawn_option
@settings_options("client")
@click.option(
    "--listen", metavar="PORT", type=click.IntRange(0, 65535), default=0, help="Listen at this port."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a frame, with its fields.")
@click.option("--show-secrets", is_flag=True, help="Do not mask tokens, keys and passwords in the bytes.")
def wire(
    backend: Technique | None,
    server: str | None,
    no_spawn: bool,
    listen: int,
    as_json: bool,
    show_secrets: bool,
    settings: dict[str, str],
) -> int:
    """Relay to a server, and show every frame that passes, of any client, until Ctrl+C.

    Clients connect to the address that it prints. It listens on this machine only.
    """
    from chat.background.state_folder import state_dir
    from chat.cli.signals import run
    from chat.client.connect import Place, check_place, locate
    from chat.client.lines import err, out, out_json
    from lab.wire import show

    technique = backend or backends.technique(backends.KNOWN[0])
    transport = technique.transport(chosen(settings, [technique], "client"))
    place = Place(server, state_dir(warn), spawn=not no_spawn)
    given = check_place(place, technique)

    async def relay() -> int:
        target = (await locate(place, technique, given)).addresses[0]
        wire = show.Wire(technique, target, transport, listen, as_json=as_json, secrets=show_secrets)
        return await show.show(wire, out_json if as_json else out, err)

    return run(relay())
