"""``chat doctor``: one line a technique, what is wrong and what to do, never a traceback."""

from __future__ import annotations

import socket

import pytest

import backends
from chat.cli import guide
from chat.interfaces.address import Address
from chat.interfaces.technique import Need, Technique
from chat.transport.errors import no_answer
from tests.support.processes import chat, serving


def test_without_a_server_it_tells_what_can_run() -> None:
    done = chat("doctor")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(backends.KNOWN)
    assert lines[0].startswith("tcp       ok  can run here")


def test_a_server_that_answers_is_ok() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("doctor", "-b", "tcp", address)
    assert done.returncode == 0
    assert f"ok  {address}, round trip" in done.stdout


def test_with_a_port_one_says_which_technique_is_there() -> None:
    done = chat("doctor", "127.0.0.1:7010")
    assert (done.returncode, done.stdout) == (2, "")
    assert "which technique listens at 127.0.0.1:7010? name it with --backend" in done.stderr


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = chat("doctor", "-b", "tcp", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"no  nothing listens on 127.0.0.1:{port}: start a server there" in done.stdout
    assert done.stderr == ""


def test_a_wrong_access_token_is_not_a_dead_server() -> None:
    with serving("--log", "memory", CHAT_TOKEN="secret") as (_, address):
        refused = chat("doctor", "-b", "tcp", address)
        let_in = chat("doctor", "-b", "tcp", address, CHAT_TOKEN="secret")
    assert refused.returncode == 1
    assert "answers, but refuses: this server requires an access token" in refused.stdout
    assert let_in.returncode == 0


def test_on_another_machine_no_answer_means_a_firewall() -> None:
    assert "a firewall" in no_answer(Address("192.0.2.1", 7010))


async def test_on_this_machine_no_answer_means_that_the_program_is_stuck(
    monkeypatch: pytest.MonkeyPatch, technique: Technique
) -> None:
    monkeypatch.setattr(guide, "DOCTOR_TIMEOUT", 0.2)
    kind = socket.SOCK_DGRAM if technique.traits.transport == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as silent:  # takes connections, or datagrams, and says nothing
        silent.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            silent.listen()
        ok, line = await guide.doctor(technique, Address("127.0.0.1", silent.getsockname()[1]), "")
    assert not ok
    assert "stopped or stuck" in line


async def test_a_missing_library_is_named_with_what_installs_it() -> None:
    label = Technique(
        **{
            **{name: getattr(backends.technique("tcp"), name) for name in Technique.__slots__},
            "needs": (Need("no_such_module", "pip install no-such-module"),),
        }
    )
    ok, line = await guide.doctor(label, Address("127.0.0.1", 9), "")
    assert not ok
    assert line == "no_such_module is missing: pip install no-such-module"
