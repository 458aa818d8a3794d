"""Finds a broker for this user: the one that is named, the one on the usual port, or a private one.

A private broker is run by a process of its own (`backends.rabbitmq.broker_daemon`). All terminals of this
user find it, and it ends when nobody has used it for a while. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from backends.rabbitmq import names
from backends.rabbitmq.private import INSTALL, START_TIMEOUT, kill_groups, programs
from chat.background.process import BackgroundProcess
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address, parse_address
from chat.interfaces.broker import Broker
from chat.language import N_

VARIABLE = "CHAT_AMQP_URL"
"""The environment variable that names a broker by its URL."""
SCHEMES = ("amqp", "amqps")
HOST, PORT = "127.0.0.1", 5672
PROBE_TIMEOUT = 1.0
"""Seconds until a broker on the usual port has answered each step of the login."""
COMPOSE = "docker compose up -d rabbitmq"


class Record(Struct, frozen=True):
    """The content of ``broker.json``: where the private broker is."""

    pid: int
    """Of the daemon that runs the broker."""
    url: str
    groups: tuple[int, ...]
    """The broker's process groups. They go on running if the daemon is killed."""
    folder: str
    """The broker's own folder."""


def daemon(folder: Path) -> BackgroundProcess[Record]:
    """Return the handle of the private broker in a state folder, running or not."""
    return BackgroundProcess(
        folder,
        "broker",
        Record,
        N_("private broker"),
        guard="broker.spawn.lock",
        start_timeout=START_TIMEOUT + 15,
    )


def find(folder: Path, *, spawn: bool) -> Broker:
    """Find or start a broker, see `chat.interfaces.broker.FindBroker`.

    Args:
        folder: the state folder of this user.
        spawn: start a private broker if there is none.

    Raises:
        ConnectionLost: no broker runs, or another process is just starting one.
        ChatError: the variable `VARIABLE` holds no URL, RabbitMQ is not installed, or it did not start.
    """
    if url := os.environ.get(VARIABLE, "").strip():
        try:
            address = replace(parse_address(url, PORT, SCHEMES), named_by=VARIABLE)
            return Broker(address, N_(f"named by {VARIABLE}"))
        except ValueError as error:
            raise ChatError(f"{VARIABLE}: {error}") from None
    if accepts_guest(HOST, PORT):
        return Broker(
            Address(HOST, PORT, f"amqp://guest:guest@{HOST}:{PORT}/%2F", ""), N_("on its usual port")
        )
    private = daemon(folder)
    with private.guard():
        record = private.running()
        if record is None and spawn:
            record = _start(private)
    if record is None:
        if programs() is None:
            raise ChatError(f"no broker runs here, and RabbitMQ is not installed: {_install()}")
        raise ConnectionLost(
            "no broker runs: chat --backend rabbitmq starts a private one, and so does chat serve --broker"
        )
    address = parse_address(record.url, PORT, ("amqp",))
    return Broker(
        address, N_(f"a private one (process {record.pid}), gone 30 s after its last user"), private=True
    )


def _start(private: BackgroundProcess[Record]) -> Record:
    if programs() is None:
        raise ChatError(f"no broker runs here, and RabbitMQ is not installed: {_install()}")
    kill_leftovers(private)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    environment["PYTHONSAFEPATH"] = "1"
    return private.start(["backends.rabbitmq.broker_daemon", str(private.folder)], environment)


def _install() -> str:
    return N_(f"{INSTALL} (or brew install rabbitmq), or {COMPOSE}, or set {VARIABLE} to a broker's URL")


def kill_leftovers(private: BackgroundProcess[Record]) -> None:
    """Kill the broker of a daemon that was killed."""
    if (record := private.read()) is not None:
        kill_groups(record.groups, record.folder)
        private.forget()


def accepts_guest(host: str, port: int) -> bool:
    """Return whether an AMQP 0-9-1 broker listens there that accepts guest as user and password.

    The frames up to Connection.Tune are written by hand (AMQP 0-9-1, 4.2.2;
    https://www.rabbitmq.com/amqp-0-9-1-reference#connection). pika would need half a minute for a login that
    is refused, and something else than a broker may listen there.
    """
    plain = b"\x00guest\x00guest"
    # Connection.StartOk: client properties (an empty table), mechanism, response, locale
    arguments = b"\x00\x00\x00\x00" + b"\x05PLAIN" + len(plain).to_bytes(4, "big") + plain + b"\x05en_US"
    payload = b"\x00\x0a\x00\x0b" + arguments
    start_ok = b"\x01\x00\x00" + len(payload).to_bytes(4, "big") + payload + b"\xce"
    with suppress(OSError), socket.create_connection((host, port), PROBE_TIMEOUT) as connection:
        connection.settimeout(PROBE_TIMEOUT)
        connection.sendall(names.PROTOCOL_HEADER)
        if _method(connection) == (10, 10):
            connection.sendall(start_ok)
            return _method(connection) == (10, 30)
    return False


def _method(connection: socket.socket) -> tuple[int, int]:
    """Read a frame, and return its class and method; (0, 0) if it is no method frame. Raises OSError."""
    head = _exactly(connection, 7)
    size = int.from_bytes(head[3:7], "big")
    if head[0] != 1 or not 4 <= size <= 131072:
        return 0, 0
    body = _exactly(connection, size + 1)
    return int.from_bytes(body[0:2], "big"), int.from_bytes(body[2:4], "big")


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionResetError("closed by the peer")
        data += part
    return data
