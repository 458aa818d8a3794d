"""`chat wire`: a relay that shows what any client says to a server."""

from __future__ import annotations

import json
import sys

import click

import backends
from chat.cli.options import (
    FAILED,
    backend_option,
    chosen,
    load_trust,
    no_spawn_option,
    server_option,
    settings_options,
    tls_options,
    token_option,
    warn,
)
from chat.cli.standard_streams import no_screen
from chat.cli.theme_option import theme_option
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language.translation import about, translate


@click.command(
    epilog="""
    \b
    Examples:
      chat wire                            what clients say to your server over TCP lines
      chat wire -b grpc --listen 50052     at a port of your choice
      chat wire -b rest --json             one JSON object a frame, with all fields
      chat wire -b grpc --write x.pcapng   and a file for Wireshark
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
@click.option("--ladder", is_flag=True, help="Draw who sent what to whom, instead of a line a frame.")
@click.option("--plain", is_flag=True, help="Lines instead of a screen.")
@theme_option
@click.option("--write", metavar="FILE", help="Also write a capture file (pcapng) that Wireshark opens.")
@click.option("--show-secrets", is_flag=True, help="Do not mask tokens, keys and passwords in the bytes.")
def wire(
    backend: Technique | None,
    server: str | None,
    no_spawn: bool,
    listen: int,
    as_json: bool,
    ladder: bool,
    plain: bool,
    theme: str | None,
    write: str | None,
    show_secrets: bool,
    settings: dict[str, str],
) -> int:
    """Relay to a server, and show every frame that passes, of any client, until Ctrl+C.

    Clients connect to the address that it prints. It listens on this machine only.
    """
    import asyncio

    from chat.background.state_folder import state_dir
    from chat.cli.signals import run
    from chat.client.connect import Place, check_place, locate
    from chat.client.lines import err, out, out_json
    from lab.wire import show

    technique = backend or backends.technique(backends.KNOWN[0])
    transport = technique.transport(chosen(settings, [technique], "client"))
    place = Place(server, state_dir(warn), spawn=not no_spawn)
    given = check_place(place, technique)

    async def found() -> show.Wire:
        target = (await locate(place, technique, given)).addresses[0]
        return show.Wire(
            technique,
            target,
            transport,
            listen,
            as_json=as_json,
            ladder=ladder,
            secrets=show_secrets,
            file=write,
        )

    async def relay() -> int:
        return await show.show(await found(), out_json if as_json else out, err)

    lines = plain or as_json or ladder or write is not None or show_secrets
    if lines or no_screen() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        try:
            return run(relay())
        except KeyboardInterrupt:  # the way to end it: that is no failure
            return 0
    from chat.cli.screen import known_theme
    from tui.run import run_app
    from tui.wire.app import WireApp

    return run_app(WireApp(asyncio.run(found()), known_theme(theme)))


@click.command(
    epilog="""
    \b
    Examples:
      chat receipt                          one message over each technique, side by side
      chat receipt -b grpc --size 1000      a longer text over one
    """
)
@backend_option
@server_option
@token_option
@tls_options
@no_spawn_option
@settings_options("client")
@click.option("--size", type=click.IntRange(1, 4000), metavar="N", help="Send N letters.")
@click.option("--idle", type=click.FloatRange(0, 60), default=12.0, show_default=True, metavar="S",
              help="Say nothing for S seconds, and count what that costs.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a technique.")
@click.argument("text", nargs=-1)
def receipt(
    backend: Technique | None,
    server: str | None,
    token_file: str | None,
    ca: str | None,
    fingerprint: str | None,
    no_spawn: bool,
    settings: dict[str, str],
    size: int | None,
    idle: float,
    as_json: bool,
    text: tuple[str, ...],
) -> int:
    """Send TEXT over each technique that can run, and show what it cost on the wire.

    The message goes to a room of its own, "receipt". The exit code is 1 if a technique failed.
    """
    import asyncio

    from chat.background.state_folder import state_dir
    from chat.cli.config import access_token
    from chat.client.connect import Place
    from chat.client.lines import err, out, out_json
    from lab.wire import send_one
    from lab.wire.receipt import DEFINITION

    if size and text:
        raise click.UsageError("give a TEXT, or its --size")
    if server and not backend:
        raise click.UsageError("which technique listens there? name it with --backend")
    words = "x" * size if size else " ".join(text) or "hello"
    labels = [backend] if backend else [one for one in backends.techniques() if not one.missing()]
    place = Place(
        server, state_dir(warn), not no_spawn, access_token(token_file), load_trust(ca, fingerprint)
    )

    async def measure_all() -> list[send_one.Cost | ChatError]:
        alone = asyncio.Lock()

        async def measure(label: Technique) -> send_one.Cost | ChatError:
            mine = {name: value for name, value in settings.items() if label in _with(name)}
            try:
                return await send_one.measure(label, place, words, idle, mine, alone)
            except ChatError as error:
                return error

        return await asyncio.gather(*map(measure, labels))

    costs: list[send_one.Cost] = []
    for label, cost in zip(labels, asyncio.run(measure_all()), strict=True):
        if isinstance(cost, ChatError):
            err(about(label.name, str(cost)))
            continue
        costs.append(cost)
        if as_json:
            out_json(json.dumps(cost.as_dict()))
    if costs and not as_json:
        out(send_one.table(costs))
        out(f"\n{translate(DEFINITION)}")
    return 0 if len(costs) == len(labels) else FAILED


def _with(name: str) -> list[Technique]:
    """Return the techniques that have a setting of this name."""
    return [one for one in backends.techniques() if name in {setting.name for setting in one.settings}]
