"""``chat serve``: one hub, and the servers of all techniques that were asked for or can run."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from chat.domain.errors import ChatError
from chat.domain.model import Bounds, Limits
from chat.interfaces.address import Address, is_loopback, own_address, parse_address
from chat.interfaces.log import Log
from chat.interfaces.server import ChatServer, ServerOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Fingerprint, Identity, Trust
from chat.language import N_
from chat.language.translation import translate
from chat.server.front import Front
from chat.server.hub import Hub
from chat.server.logs import open_log
from chat.server.open_files import allow_open_files
from chat.server.renewal import Renewable, renew, whenever_asked
from chat.server.service_manager import READY, STOPPING, notify
from chat.server.signals import Signals, has_terminal
from chat.server.stderr_log import MAX_FILE, stderr_log
from chat.transport.listener import check_free

log = logging.getLogger(__name__)

STOP_TIMEOUT = 3.0
SWITCH = 0.002
"""Seconds after which a busy loop lets the log's writer thread run. Python's 5 ms would delay commits; 0.5 ms
splits drafts that arrive together into more commits, and costs a tenth more CPU a message."""
NEW_OBJECTS = 10_000
"""Objects that are made until Python looks for cycles among them; without this, 700."""
ADMIN = "admin"
"""The name of the admin port among the servers; no technique has it."""
IDLE_CHECK = 1.0
"""Seconds between two checks whether any seat is taken."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Whether one technique runs, and where."""

    technique: str
    address: Address | None = None
    reason: str = ""
    """Why it does not run."""
    proof: str = ""
    """The option with which a client verifies the server; "": it speaks no TLS."""
    join: str = ""
    """The options to connect with, if the address alone is not enough."""

    @property
    def host(self) -> str:
        """Where it listens; "": it does not run."""
        return self.address.host if self.address else ""

    def line(self) -> str:
        if self.address is None:
            return f"{self.technique}  {translate('off')}  {translate(self.reason)}"
        join = self.join or f"--server {reachable(self.address)} {self.proof}".rstrip()
        told = translate(f"join: chat --backend {self.technique} {join}")
        return f"{self.technique}  {translate('ready')}  {self.address}  {told}"

    def json(self) -> str:
        if self.address is None:
            return json.dumps({"technique": self.technique, "state": "off", "reason": self.reason})
        return json.dumps(
            {
                "technique": self.technique,
                "state": "ready",
                "host": self.address.host,
                "port": self.address.port,
            }
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve."""

    techniques: Sequence[Technique]
    named: bool
    """The user named the techniques: one that can't start is an error."""
    log: str
    brokers: Sequence[Technique] = ()
    """Techniques whose brokers may keep the log."""
    host: str = "127.0.0.1"
    also: Sequence[str] = ()
    """Further addresses to listen on. Their ports are not kept: other people look at the default ones."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """By technique, as the user wants them; others have their default ports."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """By technique, to be tried before the default ports: those that an earlier server took."""
    any_port: bool = False
    """If a default port is in use, take a free one."""
    access: str = ""
    teacher: str = ""
    """The teacher's token; "": there is no teacher."""
    identity: Identity | None = None
    """Serve with TLS; techniques without TLS do not run."""
    proof: str = ""
    """The option with which clients verify it."""
    trust: Trust | Fingerprint | None = None
    """Whom to trust as the broker of the log, if that has TLS."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the techniques, by `Setting.name`."""
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)
    found: bool = False
    """The log's broker was found or started, not named: clients find it in the same way."""
    log_level: str = "warning"
    log_format: str = "text"
    """Of what the server writes to its standard error: see `stderr_log`."""
    admin: Address | None = None
    """Where programs on this machine ask for health and metrics; None: nowhere."""
    renewable: Renewable = field(default_factory=Renewable)
    """What SIGHUP lets the server read again."""
    front: Front | None = None
    """What stands between the clients and the listeners; None: nothing."""
    idle: float | None = None
    """Seconds without a seat after which the server ends; None: never."""
    workers: int = 1
    """Processes that serve; for several see `chat.server.workers`."""
    sharing: Literal["no", "first", "later"] = "no"
    """Whether other workers listen at the ports of techniques that spread; first: nobody may be there yet."""


_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that are no machine's (RFC 5737, RFC 3849)."""


def reachable(address: Address) -> Address:
    """Return what another machine should dial for an address that means every interface."""
    if own_address(address) is address:
        return address
    for family, elsewhere in _ELSEWHERE if address.host == "::" else _ELSEWHERE[:1]:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # sends nothing: asks the kernel which address it would use
            return Address(probe.getsockname()[0], address.port)
    return Address(socket.gethostname(), address.port)  # no network


Ready = Callable[[list[Offer], "Address | None"], None]
"""Called once, when it is known of every technique whether it runs; with the address of the admin port."""


def run(plan: Plan, ready: Ready, opened: Log | None = None) -> int:
    """Serve until a signal ends it (`Signals`), or until the plan's idle time is over.

    Args:
        plan: what to serve.
        ready: see `Ready`.
        opened: the log, not started; None: the one that the plan names.

    Returns:
        The number of the signal that ended it; 0: none did.

    Raises:
        ChatError: the log can't be used, a named technique can't start, or none can.
    """
    return on_loop(plan, lambda had_terminal: _serve(plan, ready, opened, had_terminal=had_terminal))


def on_loop(plan: Plan, main: Callable[[bool], Coroutine[Any, Any, int]]) -> int:
    """Run a server's coroutine; ``main`` is called with whether there is a terminal. Returns its result."""
    factory = asyncio.new_event_loop
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    allow_open_files(2 * Limits().seats)
    sys.setswitchinterval(SWITCH)
    most = MAX_FILE if plan.any_port else 0
    with (
        stderr_log(most, level=plan.log_level, form=plan.log_format),
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        return runner.run(main(has_terminal()))


def _check_broker(plan: Plan) -> None:
    """Raise `ChatError` if others could read what a server with TLS sends to the broker of its log."""
    scheme = plan.log.partition(":")[0].lower()
    for technique in plan.brokers:
        if plan.identity is not None and technique.log is not None and scheme in technique.schemes:
            try:
                address = parse_address(plan.log, technique.port, technique.schemes)
            except ValueError as error:
                raise ChatError(str(error)) from None
            if not (address.encrypted or is_loopback(address.host)):
                raise ChatError(
                    f"the broker of the log at {address} is reached without TLS, and this server speaks TLS "
                    f"only: name it with --log {scheme}s://..., or leave TLS out"
                )


async def _serve(plan: Plan, ready: Ready, opened: Log | None, *, had_terminal: bool) -> int:
    if opened is None:
        _check_broker(plan)
        opened = open_log(plan.log, plan.brokers, trust=plan.trust)
    hub = Hub(opened, limits=plan.limits, bounds=plan.bounds, access=plan.access, teacher=plan.teacher)
    signals = Signals(has_files=bool(plan.renewable.names), had_terminal=had_terminal)
    await hub.start()
    servers: dict[str, ChatServer] = {}
    try:
        offers = [
            await _offer(plan, technique, host, hub, servers)
            for technique in plan.techniques
            for host in (plan.host, *plan.also)
        ]
        if not servers:
            raise ChatError("; ".join(f"{offer.technique}: {offer.reason}" for offer in offers))
        admin = await _admin(plan.admin, hub, servers) if plan.admin else None
        gc.freeze()  # these objects stay; a collection that visits them all stops the room for 10 ms
        gc.set_threshold(NEW_OBJECTS)
        for offer in offers:
            if offer.address is not None:
                hub.records.report("ready", technique=offer.technique, address=str(offer.address))
        ready(offers, admin)
        notify(READY)
        waits: list[asyncio.Task[Any]] = [
            asyncio.create_task(signals.stop.wait()),
            asyncio.create_task(whenever_asked(signals, lambda: renew(plan.renewable, hub, servers))),
        ]
        if plan.front is not None:
            waits.append(asyncio.create_task(plan.front.run()))
        if plan.idle is not None:
            waits.append(asyncio.create_task(_until_idle(hub, plan.idle)))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return signals.ended_by
    finally:
        notify(STOPPING)
        hub.records.report("stopping")
        hub.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                for failed in await asyncio.gather(
                    *(server.stop() for server in servers.values()), return_exceptions=True
                ):
                    if isinstance(failed, Exception):  # a bug; the log is closed anyway
                        log.error("a server did not stop well", exc_info=failed)
        if plan.front is not None:
            await plan.front.close()
        await hub.stop()


async def _admin(address: Address, hub: Hub, servers: dict[str, ChatServer]) -> Address:
    """Start the admin port; return where it is. Raises `ChatError`."""
    from chat.server.admin import AdminServer

    server = AdminServer(hub, address, {name.split()[0]: one.counts for name, one in servers.items()})
    try:
        found = await server.start()
    except OSError as error:
        raise ChatError(
            f"cannot listen on {address}, the admin port: {error.strerror or error}; choose another with "
            "--admin-port"
        ) from None
    servers[ADMIN] = server
    return found


async def _offer(
    plan: Plan, technique: Technique, host: str, hub: Hub, servers: dict[str, ChatServer]
) -> Offer:
    """Start one technique's server on one address."""
    reason = ""
    if technique.server is None:
        if technique.log is not None and plan.log.partition(":")[0].lower() in technique.schemes:
            return _offer_broker(plan, technique)
        reason = N_(f"a broker is the server: chat --backend {technique.name}, or chat serve --broker")
    elif missing := technique.missing():
        wanted = ", ".join(N_(f"{need.what} (install it: {need.install})") for need in missing)
        reason = N_(f"missing {wanted}")
    elif plan.identity is not None and not technique.tls:
        reason = N_("cannot be encrypted, and this server speaks TLS only: serve it by itself, without")
    if not reason:
        shares = plan.sharing != "no" and technique.spreads
        options = ServerOptions(plan.identity, plan.access, plan.settings, shares)
        for port in _ports(plan, technique, host):
            try:
                address = Address(host, port)
                if shares and plan.sharing == "first":
                    await check_free(address)
                behind = Address("127.0.0.1", 0) if plan.front else address
                server = technique.load_server()(hub, behind, options)
                if first := servers.get(technique.name):
                    server.counts = first.counts  # the metrics are the technique's
                address = await _listen(server, plan.front, technique, address)
            except ImportError as error:  # installed, but in a version that does not fit
                reason = N_(f"cannot be loaded: {error}")
            except ChatError as error:
                reason = str(error)
            except OSError as error:
                reason = cannot_listen(Address(host, port), technique.name, error)
            else:
                servers[technique.name if host == plan.host else f"{technique.name} at {host}"] = server
                return Offer(technique.name, address, proof=plan.proof)
    if plan.named:
        raise ChatError(f"{technique.name} cannot start: {reason}")
    return Offer(technique.name, None, reason)


async def _listen(server: ChatServer, front: Front | None, technique: Technique, here: Address) -> Address:
    """Start a server; return where its clients reach it."""
    address = await server.start()
    if front is None:
        return address
    try:
        return await front.open(technique, address, here)
    except OSError:
        await server.stop()
        raise


def _ports(plan: Plan, technique: Technique, host: str) -> list[int]:
    """Return the ports to try, in this order."""
    if (wanted := plan.ports.get(technique.name)) is not None:
        return [wanted]
    kept = plan.kept.get(technique.name) if host == plan.host else None
    ports = [technique.port] if kept is None else [kept, technique.port]
    return [*ports, 0] if plan.any_port else ports


def _offer_broker(plan: Plan, technique: Technique) -> Offer:
    """Return where the broker of the log is: the technique's clients connect there, to the same rooms."""
    address = parse_address(plan.log, technique.port, technique.schemes)
    if plan.found:
        how = N_(", on this machine without TLS") if plan.identity and not address.encrypted else ""
        return Offer(technique.name, address, join=N_(f"(it finds the broker{how})"))
    scheme, path = address.url.partition("://")[0], urlsplit(address.url).path
    proof = " --ca FILE" if address.encrypted else ""
    return Offer(
        technique.name,
        address,
        join=f"--server {scheme}://USER:PASSWORD@{reachable(address)}{path}{proof}",
    )


def cannot_listen(address: Address, name: str, error: OSError) -> str:
    """Return why it is not possible to listen there, and what to do."""
    match error.errno:
        case errno.EADDRINUSE:
            return N_(
                f"{address} is in use: take another port with --port-of {name}=PORT (0: any free one), "
                "or end the program that listens there"
            )
        case errno.EACCES:
            return N_(f"{address} may not be used by you: take a port above 1023 with --port-of {name}=PORT")
        case errno.EADDRNOTAVAIL:
            return N_(f"{address.host} is no address of this machine")
    return N_(f"cannot listen on {address}: {error.strerror or error}")


async def _until_idle(hub: Hub, seconds: float) -> None:
    """Return when no seat was taken for so many seconds."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while loop.time() - last < seconds:
        await asyncio.sleep(IDLE_CHECK)
        if hub.seats:
            last = loop.time()
