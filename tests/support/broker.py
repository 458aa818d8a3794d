"""A real RabbitMQ for the tests: one for the whole run, and a virtual host of its own for each test."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from backends.rabbitmq.private import INSTALL, PrivateBroker, programs
from chat.domain.errors import ChatError
from chat.interfaces.address import Address, parse_address
from tests.support.once import WORKER

BATCH = 5
"""Virtual hosts that are created together; one that no test uses costs as much as one that a test uses."""
EVERYTHING = [".*", ".*", ".*"]
"""All rights in a virtual host."""
QUEUE_SETTLES = 2.0
"""Seconds until a new quorum queue outlives a SIGKILL (RabbitMQ 3.10.8). One that was declared 0.2 s before
may get no leader afterwards; a client that declares it again waits for a minute and holds its others."""
MISSING = f"RabbitMQ is not installed: {INSTALL}, or make test BROKER=install"
WITHOUT: list[str] = []
"""Tests that were skipped because of that; `conftest.pytest_terminal_summary` lists them."""


def wanted() -> None:
    """Skip the test if RabbitMQ is not installed; in CI let it fail."""
    if programs() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING, pytrace=False)
        WITHOUT.append(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0])
        pytest.skip(MISSING)


def evaluate(broker: PrivateBroker, *steps: str) -> None:
    """Let a broker evaluate expressions of Erlang, one after the other.

    ``erl_call``, which Erlang brings, takes 2 ms for that, and rabbitmqctl half a second.

    Raises:
        ChatError: one of them failed.
    """
    form = f"{', '.join(steps)}."
    if (program := shutil.which("erl_call")) is None:
        broker.ctl("eval", form)
        return
    cookie = (broker.folder / ".erlang.cookie").read_text(encoding="utf-8")
    done = subprocess.run(
        # Two at once must not have the same name, which it makes of the user's number alone.
        [program, "-h", f"test-{secrets.token_hex(4)}", "-c", cookie, "-n", broker._node, "-e"],
        input=f"{form}\n",
        env=broker._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("{ok"):
        raise ChatError(f"{form} {done.stdout} {done.stderr}")


def binary(text: str) -> str:
    """Return a text as Erlang writes a binary."""
    return f"<<{','.join(map(str, text.encode()))}>>"


def permissions(user: str, vhost: str, rights: Sequence[str]) -> str:
    """Return the expression that gives a user rights in a virtual host: to configure, to write, to read."""
    values = ", ".join(map(binary, (user, vhost, *rights)))
    return f'rabbit_auth_backend_internal:set_permissions({values}, <<"tests">>)'


def add_user(broker: PrivateBroker, user: str, password: str, vhost: str, rights: Sequence[str]) -> None:
    """Make a user of a broker, with rights in one virtual host."""
    evaluate(
        broker,
        f'rabbit_auth_backend_internal:add_user({binary(user)}, {binary(password)}, <<"tests">>)',
        permissions(user, vhost, rights),
    )


def close_connections(broker: PrivateBroker, why: str, vhost: str = "") -> None:
    """Let a broker close the connections of a virtual host, or all, and tell the clients why."""
    which = binary(vhost) if vhost else "_"
    evaluate(
        broker,
        f"[rabbit_networking:close_connection(Pid, {binary(why)}) || "
        f"[{{vhost, {which}}}, {{pid, Pid}}] <- rabbit_networking:connection_info_all([vhost, pid])]",
    )


class Hosts:
    """The virtual hosts that this worker makes in the broker, each used by one test."""

    def __init__(self, broker: PrivateBroker) -> None:
        self.broker = broker
        self._made = 0
        self._ready: list[str] = []
        self._used: list[str] = []

    def take(self) -> str:
        """Return the URL of a virtual host that no test has used."""
        if not self._ready:
            self._make()
        name = self._ready.pop()
        self._used.append(name)
        return self.broker.url.replace("%2F", name)

    def _make(self) -> None:
        first, self._made = self._made, self._made + BATCH
        ready = [f"test{WORKER}-{number}" for number in range(first, self._made)]
        steps = [f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)' for name in self._used]
        for name in ready:
            steps.append(f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)')
            steps.append(permissions("chat", name, EVERYTHING))
        self._used = []
        evaluate(self.broker, *steps)
        self._ready = ready


@contextmanager
def broker(folder: Path) -> Iterator[PrivateBroker]:
    """Run another broker, for tests that kill it or change its settings."""
    one = PrivateBroker(folder)
    try:
        one.start()
        yield one
    finally:
        one.remove()


def address(url: str) -> Address:
    return parse_address(url, 5672, ("amqp",))
