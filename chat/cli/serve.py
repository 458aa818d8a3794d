"""`chat serve`: a server on this machine."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

import backends
from chat.cli.options import (
    SIGNALLED,
    broker_tls_options,
    chosen,
    complete,
    load_trust,
    ports_option,
    settings_options,
    techniques_named,
    token_option,
    warn,
)
from chat.cli.serve_lan import Board, Lan, columns, lan_options
from chat.cli.serve_naive import OFF, naive_label, naive_lines
from chat.cli.serve_operator import Operator, admin_line, operator_options
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate

if TYPE_CHECKING:
    from chat.background.server import Registration
    from chat.cli.serve_tls import Proof
    from chat.interfaces.address import Address
    from chat.interfaces.broker import Broker
    from chat.server.front import Front
    from chat.server.serve import Offer


@click.command(
    epilog="""
    \b
    Examples:
      chat serve                            every technique, this machine only
      chat serve tcp --port 0 --log memory  a free port, nothing stored
      chat serve --lan                      for a class: encrypted, with a token
      chat serve --host 0.0.0.0             for others, with an access token
    """
)
@click.argument(
    "techniques", nargs=-1, metavar="[TECHNIQUE]...", callback=techniques_named, shell_complete=complete
)
@lan_options
@click.option(
    "--host",
    metavar="ADDRESS",
    help="The address to listen on; 0.0.0.0: every IPv4 address, :: every one. [default: 127.0.0.1] "
    "With --lan: these, separated by commas, instead of those in local networks.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="The port of the one technique; 0: any free one.")
@ports_option
@click.option(
    "--log",
    metavar="URL",
    help="memory, sqlite:PATH, or amqp://USER:PASSWORD@HOST:PORT/VHOST (with TLS: amqps://), a broker that "
    "several servers share; without it, the log in your state folder.",
)
@click.option(
    "--broker",
    is_flag=True,
    help="Keep the log in a broker: one that is found on this machine, or a new one.",
)
@click.option("--fresh", is_flag=True, help="Set the log aside under a dated name and begin a new one.")
@token_option
@click.option(
    "--open", "is_open", is_flag=True, help="Require no access token, even if other machines can connect."
)
@click.option(
    "--tls",
    type=click.Choice(["auto"]),
    help="Serve with TLS, with a certificate that is made once and kept in your state folder.",
)
@click.option("--tls-cert", metavar="FILE", help="Serve with TLS: the server's certificate (PEM), ...")
@click.option("--tls-key", metavar="FILE", help="... and its private key. Techniques without TLS stay off.")
@broker_tls_options
@click.option(
    "--rate",
    default="on",
    type=click.Choice(["on", "off"]),
    help="Bound what one seat may send, and what one address may take.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@operator_options
@click.option("--background", is_flag=True, hidden=True, help="End when no seat is taken any more.")
@click.option("--idle", type=float, hidden=True, help="Seconds until then.")
@settings_options("server")
def serve(
    techniques: list[Technique],
    lan: Lan,
    host: str | None,
    port: int | None,
    port_of: dict[str, int],
    log: str | None,
    broker: bool,
    fresh: bool,
    token_file: str | None,
    is_open: bool,
    tls: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    ca: str | None,
    fingerprint: str | None,
    rate: str,
    as_json: bool,
    operator: Operator,
    background: bool,
    idle: float | None,
    settings: dict[str, str],
) -> int:
    """Serve the named techniques, or all that can run, until Ctrl+C.

    Without --log it becomes your server on this machine: clients without --server find it. With --broker it
    does so only if no other server of yours runs.
    """
    from secrets import token_urlsafe

    from chat.background import server
    from chat.background.ports import keep_ports, kept_ports
    from chat.background.sightings import Sightings
    from chat.background.state_folder import state_dir
    from chat.cli import standard_streams
    from chat.cli.config import kept_token
    from chat.cli.serve_renewal import renewable, server_token
    from chat.cli.serve_tls import proof
    from chat.domain.model import NO_BOUNDS, Bounds, Limits
    from chat.interfaces.address import TLS_PORTS, is_loopback
    from chat.server.serve import Plan, run
    from chat.server.workers import serve as several

    standard_streams.discard_closed_output()
    if port is not None:
        if len(techniques) != 1:
            raise click.UsageError("--port needs exactly one technique; for several use --port-of NAME=PORT")
        port_of = {techniques[0].name: port}

    operator.check_workers(
        {
            "--lan": lan.lan,
            "--teacher-token-file": bool(lan.teacher_token_file),
            "--broker": broker,
            "--naive": settings.get("naive", OFF) != OFF,
            "--background": background,
        }
    )
    also = lan.hosts(host, is_open=is_open)
    here = "127.0.0.1" if also or host is None else host
    if also and not tls_cert:
        tls = "auto"

    def prove() -> Proof | None:
        return proof(tls, tls_cert, tls_key, here, also)

    proved = prove()
    served = techniques or backends.techniques()
    settings = chosen(settings, served, "server")
    if (flaw := settings.get("naive", OFF)) != OFF:
        given = {
            "--log": log not in (None, "memory"),
            "--broker": broker,
            "--fresh": fresh,
            "--tls": bool(tls or tls_cert),
            "--token-file": bool(token_file),
            "--background": background,
        }
        served, log = [naive_label(techniques, flaw, here, given)], "memory"
    access = "" if is_open and token_file else server_token(token_file)
    if is_open and (access or token_file):
        raise click.UsageError("--open and an access token contradict each other: use one of them")
    folder = state_dir(warn) if log is None else None
    shown = server.default_log(folder) if folder else ""
    if broker:
        if folder is None:
            raise click.UsageError("--broker and --log contradict each other: use one of them")
        found = _broker(folder)
        log, shown = found.address.url, N_(f"in the broker at {found.address}")
    if also:
        access = lan.access(folder, access)
    teacher = lan.teacher(folder)
    made = not (is_loopback(here) or access or is_open)
    if made:
        access = kept_token(folder) if folder else token_urlsafe(16)
    url = log or shown
    if operator.faults and not (is_loopback(here) or access):
        raise click.UsageError(
            "--faults is for this machine, or for people with an access token: leave out --open"
        )
    registration = _registration(folder, shown, broker=broker) if folder else None
    front = _front(folder, registration, encrypted=proved is not None) if operator.faults else None
    kept = kept_ports(folder) if folder and registration else {}
    try:
        if fresh:
            _set_aside(url)

        def ready(offers: list[Offer], admin: Address | None) -> None:
            if registration and folder:
                others = other_ports([one for one in offers if one.host in ("", here)], port_of)
                keep_ports(folder, others)
                for name, taken in others.items():
                    if not background and kept.get(name) != taken:
                        usual = backends.technique(name).port
                        warn(f"port {usual} is in use: {name} has port {taken} here, also the next time")
                listening = [
                    server.Listening(offer.technique, offer.address.host, offer.address.port)
                    for offer in offers
                    if offer.address
                ]
                off = {offer.technique: offer.reason for offer in offers if not offer.address}
                registration.announce(
                    listening,
                    off,
                    access,
                    fingerprint=str(proved.fingerprint) if proved else "",
                    authority=proved.authority.decode() if proved else "",
                    teacher=teacher,
                )
            if also and proved:
                board = Board.of(offers, also[0], access, proved.fingerprint)
                click.echo(board.json() if as_json else "\n".join(board.lines(folder, columns())))
            elif proved and (told := proved.line(as_json)):
                click.echo(told)
            if made:
                click.echo(_token_line(access, as_json))
            for line in naive_lines(served[0], flaw) if flaw != OFF and not as_json else ():
                click.echo(line)
            for offer in offers if as_json or not also else ():
                click.echo(offer.json() if as_json else offer.line())
            if admin:
                click.echo(admin_line(admin, as_json))
            sys.stdout.flush()
            with suppress(ChatError):  # without a state folder nobody of this user waits
                Sightings(folder or state_dir(), [here]).tell()

        ended_by = (run if operator.workers == 1 else several.run)(
            Plan(
                served,
                named=bool(techniques),
                log=url,
                brokers=backends.techniques(),
                host=here,
                also=also,
                ports=port_of,
                kept=kept,
                any_port=registration is not None or bool(also),
                access=access,
                teacher=teacher,
                identity=proved.identity if proved else None,
                proof=proved.join if proved else "",
                trust=load_trust(ca, fingerprint) if url.partition(":")[0].lower() in TLS_PORTS else None,
                settings=settings,
                limits=Limits() if rate == "on" else Limits(burst=0),
                bounds=Bounds() if rate == "on" and front is None else NO_BOUNDS,
                found=broker,
                log_level=operator.log_level,
                log_format=operator.log_format,
                admin=operator.admin,
                front=front,
                renewable=renewable(token_file, access, prove, proved, registration),
                idle=idle or (server.IDLE if background else None),
                workers=operator.workers,
            ),
            ready,
        )
    finally:
        if registration:
            registration.end()
    if ended_by and ended_by not in (signal.SIGINT, signal.SIGTERM):
        warn(
            "the server has ended, because the terminal that it ran in was closed (SIGHUP): "
            "nohup chat serve goes on without one"
        )
        return SIGNALLED + ended_by
    return 0


def _front(folder: Path | None, registration: Registration | None, *, encrypted: bool) -> Front:
    """Return what lets the wire fail for everybody; its files are in the state folder."""
    from lab.faults.for_all import FaultsForAll

    if folder is None or registration is None:
        raise click.UsageError("--faults is for your own server on this machine: leave out --log")
    warn("the wire may fail for everybody: /fault all FAULT SECONDS, in a chat of yours on this machine")
    return FaultsForAll(folder, encrypted=encrypted)


def other_ports(offers: list[Offer], wanted: dict[str, int]) -> dict[str, int]:
    """Return the ports that techniques with a server have in place of the default and the wanted ones."""
    found = {}
    for offer in offers:
        label = backends.technique(offer.technique)
        if offer.address and label.server and label.name not in wanted and offer.address.port != label.port:
            found[label.name] = offer.address.port
    return found


def _registration(folder: Path, log: str, *, broker: bool) -> Registration | None:
    """Make this the server that the user's clients find. None: another is, beside this one on a broker."""
    from chat.background.server import Registration, RunsAlready

    try:
        return Registration(folder, log)
    except RunsAlready as error:
        if not broker:
            raise
        warn(f"{error.fact}: clients find that one; they reach this one with --server")
        return None


def _broker(folder: Path) -> Broker:
    """Find or start a broker that can keep a log."""
    for label in backends.techniques():
        if label.broker is not None and label.log is not None and not label.missing():
            warn("looking for a broker; starting one takes some seconds")
            found = label.load_broker()(folder, spawn=True)
            warn(f"the log is in a broker: {found.how}")
            return found
    raise ChatError("no technique with a broker can run here")


def _token_line(token: str, as_json: bool) -> str:
    if as_json:
        return json.dumps({"access_token": token})
    return translate(
        f"access token: {token}\n  (other people set CHAT_TOKEN to it, or put it into a --token-file)"
    )


def _set_aside(url: str) -> None:
    scheme, _, path = url.partition(":")
    if scheme.lower() != "sqlite":
        raise click.UsageError(f"--fresh has nothing to set aside: a {scheme} log has no file")
    from chat.server.logs.files import log_path, set_aside

    if aside := set_aside(log_path(path)):
        warn(f"the log so far is now {aside}")
