"""`chat doctor`, `chat techniques` and `chat explain`: show the techniques, and whether they work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import backends
from chat.cli.options import (
    FAILED,
    backend_option,
    complete,
    given_addresses,
    load_trust,
    schemes,
    tell,
    tls_options,
    token_option,
    warn,
)
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chat.background.server import Record
    from chat.interfaces.broker import Broker
    from chat.interfaces.tls import Fingerprint, Trust


WRONG = N_("bad")
"""The word for a technique that does not work. A "no" would deny the line behind it in some languages."""


@click.command()
@click.argument("host", metavar="[HOST[:PORT]]", required=False)
@backend_option
@token_option
@tls_options
def doctor(
    host: str | None,
    backend: Technique | None,
    token_file: str | None,
    ca: str | None,
    fingerprint: str | None,
) -> int:
    """Check which techniques work: here, or on the server at HOST. One line each.

    Without HOST it also shows which programs are here that the lessons use; they do not count for the exit
    code.

    With a PORT, --backend names the technique that listens there; without, each is tried at its own port. A
    broker may be given as a URL, as with --server, and several servers with commas between them.
    """
    import asyncio

    from chat.background import server
    from chat.background.state_folder import state_dir
    from chat.cli import guide
    from chat.cli.config import access_token
    from chat.interfaces.address import own_address

    access, trust = access_token(token_file), load_trust(ca, fingerprint)
    record = None if host else server.running(state_dir(warn))
    found = {}
    off: dict[str, str] = {}
    own_trust = trust
    if record:
        access, off = record.access, record.off
        own_trust = trust or server.own_trust(record)
        if record.encrypted and own_trust is None:
            raise ChatError(f"your server (process {record.pid}) speaks TLS: give --ca or --fingerprint")
        found = {one.technique: own_address(Address(one.host, one.port)) for one in record.listening}
    healthy = True
    labels = [backend] if backend else backends.techniques()
    if host and not backend:
        labels = [label for label in labels if host.partition("://")[0].lower() in label.schemes] or labels
        if len(labels) > 1 and any(one.port for one in given_addresses(host, 0, schemes())):
            raise click.UsageError(f"which technique listens at {host}? name it with --backend")
    if host:
        return 0 if asyncio.run(_look_at(labels, host, access, trust, state_dir(warn))) else FAILED
    for label in labels:
        address, how = found.get(label.name), ""
        if address is None and label.broker is not None and not label.missing():
            try:
                there = label.load_broker()(state_dir(warn), spawn=False)
            except ConnectionLost as error:
                _say(label.name, N_("ok"), N_(f"can run here; {error}"))
                continue
            except ChatError as error:
                healthy = False
                _say(label.name, WRONG, str(error))
                continue
            address, how = there.address, translate(f"; the broker is {there.how}")
        if address is None:
            if missing := label.missing():
                line = guide.lacks(missing)
            elif record:
                reason = off.get(label.name, N_("not asked for"))
                line = N_(f"off on your server (process {record.pid}): {reason}")
            else:
                line = N_("can run here; no server of yours runs yet: start one with chat serve")
            ok = not missing and not record
            healthy &= ok
            _say(label.name, "ok" if ok else WRONG, line)
            continue
        pinned = own_trust if label.name in found else trust
        ok, line = asyncio.run(guide.doctor(label, address, access, pinned))
        healthy &= ok
        _say(label.name, "ok" if ok else WRONG, translate(line) + how)
    if not backend:
        from chat.cli import tools
        from chat.cli.web import NEED

        click.echo()
        tell("for the lessons and the chapters:")
        for tool in tools.TOOLS:
            fits, line = tools.look(tool)
            _say(tool.name, "ok" if fits else "--", line)
        if NEED.met():
            _say(N_("browser"), "ok", N_("chat web can show the screen in a browser"))
        else:
            _say(N_("browser"), "--", N_(f"chat web lacks {NEED.what}: {NEED.install}"))
    return 0 if healthy else FAILED


def _say(name: str, verdict: str, line: str) -> None:
    """Print the line about a technique or a program."""
    click.echo(f"{translate(name):<9} {translate(verdict):<3} {translate(line)}")


async def _look_at(
    labels: Sequence[Technique], host: str, access: str, trust: Trust | Fingerprint | None, folder: Path
) -> bool:
    """Try every technique at a host at once; print a line for each, and what they tell of the network.

    ``folder``: the state folder.
    """
    import asyncio

    from chat.cli import guide
    from chat.cli.reach import advice, reach
    from chat.client.known_servers import known

    places = [
        (label, place)
        for label in labels
        for place in given_addresses(host, label.port_for(encrypted=trust is not None), label.schemes)
    ]
    encrypted = [(label, place) for label, place in places if label.tls and label.server]
    if trust is None and encrypted and (kept := await asyncio.to_thread(known, folder, places[0][1].host)):
        tell(f"(with the certificate that was kept when you joined: {kept.short})")
        trust, places = kept, encrypted
    reached = {(label, place): reach(place) for label, place in places if label.traits.transport == "tcp"}
    tried, found = await asyncio.gather(
        asyncio.gather(*(guide.doctor(label, place, access, trust) for label, place in places)),
        asyncio.gather(*reached.values()),
    )
    for (label, _), (ok, line) in zip(places, tried, strict=True):
        _say(label.name, "ok" if ok else WRONG, line)
    if told := advice(places[0][1].host, {one[0].name: how for one, how in zip(reached, found, strict=True)}):
        click.echo(f"\n{translate(told)}")
    elif trust is None and "open" in found and not any(ok for ok, _ in tried):
        click.echo()
        tell(f"if that is a class (chat serve --lan), join it first: chat join {places[0][1].host}")
    return all(ok for ok, _ in tried)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every trait.")
def techniques(as_json: bool) -> None:
    """Show the table of techniques and what each promises."""
    from chat.cli import guide

    if as_json:
        click.echo(guide.as_json())
        return
    record = _own_server()
    click.echo(guide.table(_ports(record)))
    click.echo(f"\n{_whose_ports(record)}")


@click.command()
@click.argument("name", required=False, shell_complete=complete)
def explain(name: str | None) -> None:
    """Explain a technique on one screen; without a NAME, all of them."""
    from chat.cli import guide
    from lab import chapter

    record = _own_server()
    if name is None:
        click.echo(guide.cheat_sheet(_ports(record)))
    else:
        try:
            label = backends.technique(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        click.echo(chapter.explain(label, _ports(record)))
        if label.server is None:  # a broker's port is not its server's
            if broker := _own_broker(label):
                click.echo(translate(f"The port is that of the broker that was found here: {broker.how}."))
            return
    click.echo(_whose_ports(record))


def _own_server() -> Record | None:
    """Return the record of this user's server; None if none runs, or nothing can be known about it."""
    from chat.background import server
    from chat.background.state_folder import state_dir

    try:
        return server.running(state_dir())
    except ChatError:
        return None


def _own_broker(label: Technique) -> Broker | None:
    """Return the broker that clients of this technique find; None if there is none, or it needs none."""
    from chat.background.state_folder import state_dir

    if label.broker is None or label.missing():
        return None
    try:
        return label.load_broker()(state_dir(), spawn=False)
    except ChatError:
        return None


def _ports(record: Record | None) -> dict[str, int]:
    brokers = {label.name: _own_broker(label) for label in backends.techniques()}
    ports = {name: broker.address.port for name, broker in brokers.items() if broker}
    return ports | ({one.technique: one.port for one in record.listening} if record else {})


def _whose_ports(record: Record | None) -> str:
    if record is not None:
        return translate(f"The ports are those of your server (process {record.pid}).")
    return translate("No server of yours runs: these are the default ports, maybe in use by others.")
