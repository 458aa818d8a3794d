"""`chat status` and `chat stop`: your server on this machine."""

from __future__ import annotations

from contextlib import suppress

import click

import backends
from chat.cli.options import FAILED, complete, technique_named, tell, warn
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate

NONE = N_("no server of yours runs on this machine")


@click.command()
@click.option(
    "--port",
    "only",
    metavar="TECHNIQUE",
    callback=technique_named,
    shell_complete=complete,
    help="Print the port of one technique and nothing else.",
)
def status(only: Technique | None) -> int:
    """Show your server on this machine. Exit code 1 when none runs."""
    from datetime import datetime

    from chat.background import server
    from chat.background.state_folder import state_dir

    folder = state_dir(warn)
    if only:
        click.echo(server.port(folder, only.name))
        return 0
    for label in backends.techniques():
        if label.broker is not None and not label.missing():
            with suppress(ChatError):
                if (broker := label.load_broker()(folder, spawn=False)).private:
                    how = translate(f"broker {broker.address}: {broker.how}")
                    click.echo(f"{label.name:<9} {how}")
    record = server.running(folder)
    if record is None:
        tell(NONE)
        return FAILED
    since = datetime.fromtimestamp(record.started / 1000).strftime("%Y-%m-%d %H:%M")
    tell(f"process {record.pid}, since {since}, log {record.log}")
    if record.encrypted:
        tell(f"with TLS, fingerprint {record.fingerprint}" if record.fingerprint else "with TLS")
    ready, off = translate("ready"), translate("off")
    wide = max(6, len(ready), len(off))
    for listening in record.listening:
        click.echo(f"{listening.technique:<9} {ready:{wide}} {listening.host}:{listening.port}")
    for technique, reason in record.off.items():
        click.echo(f"{technique:<9} {off:{wide}} {translate(reason)}")
    return 0


@click.command()
def stop() -> None:
    """Stop your server on this machine; the messages stay in its log."""
    from chat.background import server
    from chat.background.state_folder import state_dir

    record = server.stop(state_dir(warn))
    tell(f"process {record.pid} has ended" if record else NONE)
