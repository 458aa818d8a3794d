"""``chat doctor``: one line a technique, what is wrong and what to do, never a traceback."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

import backends
from backends.rabbitmq.private import programs
from chat.cli import guide, tools
from chat.client.known_servers import remember
from chat.interfaces.address import Address
from chat.interfaces.technique import Need, Technique
from chat.interfaces.tls import Fingerprint
from chat.transport.errors import no_answer
from tests.support.processes import chat, chat_here, running, serving

posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


def every_port() -> list[str]:
    return [
        word for label in backends.techniques() if label.server for word in ("--port-of", f"{label.name}=0")
    ]


def test_without_a_server_it_tells_what_can_run() -> None:
    done = chat("doctor")
    assert done.returncode == (0 if programs() else 1), "only RabbitMQ may be absent where the tests run"
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tcp       ok  can run here")
    assert [line.split()[0] for line in lines if line] == [
        *backends.KNOWN,
        "for",
        *(tool.name for tool in tools.TOOLS),
        "browser",
    ]


def test_it_leaves_no_room_behind() -> None:
    with running("serve", "--log", "memory", *every_port(), "--json") as process:
        assert process.stdout is not None
        offers = [json.loads(process.stdout.readline()) for _ in backends.KNOWN]
        found = {one["technique"]: one["port"] for one in offers if one["state"] == "ready"}
        for name, port in found.items():
            done = chat("doctor", "-b", name, f"127.0.0.1:{port}")
            assert (done.returncode, "answered in" in done.stdout) == (0, True), done.stdout
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{found['rest']}/rooms") as answer:
            assert json.load(answer) == {"rooms": []}


# --- the programs of the lessons -----------------------------------------------------------------


def put(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("OpenBSD netcat (Debian patchlevel 1.219-1)", "of OpenBSD"),
        ("[v1.10-47]", "the traditional one"),
        ("Ncat 7.93 ( https://nmap.org/ncat )", "Ncat"),
        ("BusyBox v1.35.0 multi-call binary.", "of BusyBox"),
        ("something else", "of a kind that is not known here"),
    ],
)
@posix
def test_it_tells_which_nc_this_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, kind: str
) -> None:
    put(tmp_path / "bin", "nc", f"echo '{told}' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    nc = next(tool for tool in tools.TOOLS if tool.name == "nc")
    fits, line = tools.look(nc)
    assert fits
    assert line.startswith(kind)


@posix
def test_it_tells_what_is_missing_too_old_or_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "ASK_TIMEOUT", 0.2)
    put(tmp_path / "bin", "node", "echo v18.19.0")
    put(tmp_path / "bin", "curl", "exec /bin/sleep 5")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    looks = {tool.name: tools.look(tool) for tool in tools.TOOLS}
    assert looks["node"] == (False, "18.19.0, and 20.19 is needed (for the clients in JavaScript)")
    assert looks["jq"] == (False, "not installed (for lines of chat tail --json): apt install jq")
    assert looks["curl"][0]


def test_a_server_that_answers_is_ok() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("doctor", "-b", "tcp", address)
    assert done.returncode == 0
    assert f"ok  {address}, answered in" in done.stdout


def test_with_a_port_one_says_which_technique_is_there() -> None:
    done = chat("doctor", "127.0.0.1:7010")
    assert (done.returncode, done.stdout) == (2, "")
    assert "which technique listens at 127.0.0.1:7010? name it with --backend" in done.stderr


def test_what_cannot_be_encrypted_is_tried_without_the_certificate_that_was_kept(state_dir: Path) -> None:
    remember(state_dir, "127.0.0.1", Fingerprint(bytes(32)))
    done = chat_here("doctor", "-b", "udp", "127.0.0.1")
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["udp"]


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = chat("doctor", "-b", "tcp", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"bad nothing listens on 127.0.0.1:{port}: start a server there" in done.stdout
    assert done.stderr == ""


def test_a_wrong_access_token_is_not_a_dead_server() -> None:
    with serving("--log", "memory", CHAT_TOKEN="a secret") as (_, address):
        refused = chat("doctor", "-b", "tcp", address)
        let_in = chat("doctor", "-b", "tcp", address, CHAT_TOKEN="a secret")
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
