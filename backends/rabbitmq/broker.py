"""Which broker: the one that is named, the one on its usual port, or a private one that is started.

A private broker is kept by a process of its own (`backends.rabbitmq.keeper`), found by all terminals of this
user, and ended when nobody has used it for a while. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from backends.rabbitmq.private import INSTALL, START_TIMEOUT, kill_groups, programs
from chat.background.process import BackgroundProcess
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address, parse_address
from chat.interfaces.broker import Broker

VARIABLE = "CHAT_AMQP_URL"
HOST, PORT = "127.0.0.1", 5672
PROBE = 1.0
"""Seconds in which a broker on its usual port says that it is one, and lets a guest in."""
COMPOSE = "docker compose up -d rabbitmq"


class Record(Struct, frozen=True):
    """What ``broker.json`` holds."""

    pid: int
    """Of the keeper."""
    url: str
    groups: tuple[int, ...]
    """The process groups that are left behind if the keeper is killed."""
    folder: str


def daemon(folder: Path) -> BackgroundProcess[Record]:
    """Return what is known of the private broker in a state folder."""
    return BackgroundProcess(
        folder,
        "broker",
        Record,
        "private broker",
        guard="broker.spawn.lock",
        start_timeout=START_TIMEOUT + 15,
    )


def find(folder: Path, *, spawn: bool) -> Broker:
    """See `chat.interfaces.broker.FindBroker`."""
    if url := os.environ.get(VARIABLE, "").strip():
        try:
            return Broker(parse_address(url, PORT, ("amqp",)), f"named by {VARIABLE}")
        except ValueError as error:
            raise ChatError(f"{VARIABLE}: {error}") from None
    if lets_guests_in(HOST, PORT):
        return Broker(Address(HOST, PORT, f"amqp://guest:guest@{HOST}:{PORT}/%2F"), "on its usual port")
    private = daemon(folder)
    with private.guard():
        record = private.running()
        if record is None and spawn:
            record = _start(private)
    if record is None:
        if programs() is None:
            raise ChatError(f"no broker is here, and RabbitMQ is not installed: {_install()}")
        raise ConnectionLost(
            "no broker runs: chat --backend rabbitmq starts a private one, and so does chat serve --broker"
        )
    address = parse_address(record.url, PORT, ("amqp",))
    return Broker(
        address, f"a private one (process {record.pid}), gone 30 s after its last user", private=True
    )


def _start(private: BackgroundProcess[Record]) -> Record:
    if programs() is None:
        raise ChatError(f"no broker is here, and RabbitMQ is not installed: {_install()}")
    end_leftovers(private)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    environment["PYTHONSAFEPATH"] = "1"
    return private.start(["backends.rabbitmq.keeper", str(private.folder)], environment)


def _install() -> str:
    return f"{INSTALL} (or brew install rabbitmq), or {COMPOSE}, or set {VARIABLE} to a broker's URL"


def end_leftovers(private: BackgroundProcess[Record]) -> None:
    """End what a keeper that was killed has left behind."""
    if (record := private.read()) is not None:
        kill_groups(record.groups, record.folder)
        private.forget()


def lets_guests_in(host: str, port: int) -> bool:
    """Return whether an AMQP 0-9-1 broker listens there that takes guest for user and password.

    By hand, up to Connection.Tune (4.2.2 and 1.4.2 of the specification): a login that fails would cost a
    library half a minute, and something else may listen there.
    """
    plain = b"\x00guest\x00guest"
    # Connection.StartOk: client properties (an empty table), mechanism, response, locale
    arguments = b"\x00\x00\x00\x00" + b"\x05PLAIN" + len(plain).to_bytes(4, "big") + plain + b"\x05en_US"
    payload = b"\x00\x0a\x00\x0b" + arguments
    start_ok = b"\x01\x00\x00" + len(payload).to_bytes(4, "big") + payload + b"\xce"
    with suppress(OSError), socket.create_connection((host, port), PROBE) as connection:
        connection.settimeout(PROBE)
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        if _method(connection) == (10, 10):
            connection.sendall(start_ok)
            return _method(connection) == (10, 30)
    return False


def _method(connection: socket.socket) -> tuple[int, int]:
    """Read a frame, and return its class and method; (0, 0) for what is none. Raises OSError."""
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
            raise ConnectionResetError("it has hung up")
        data += part
    return data
