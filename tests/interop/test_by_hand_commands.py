"""A message as the command that would send it: run in a shell, against a real server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

import backends
from chat.interfaces.address import Address, parse_address
from tests.support.by_hand import HOSTILE, run_by_hand
from tests.support.node import cannot_run, serving
from tests.support.processes import tail

if sys.platform == "win32":
    pytest.skip("needs a POSIX shell", allow_module_level=True)

PROGRAMS = {"tcp": "nc", "rest": "curl"}
JOINED = ["opened", "joined", "sent", "left", "joined"]


@pytest.mark.parametrize("name", ["tcp", "udp", "rpyc", "rest", "soap"])
def test_it_says_what_the_message_said(name: str, tmp_path: Path) -> None:
    if name in PROGRAMS and shutil.which(PROGRAMS[name]) is None:
        cannot_run(f"{PROGRAMS[name]} is missing")
    with serving({name: 0}, "--log", "memory") as (_, places):
        done = run_by_hand(backends.technique(name), places[name], HOSTILE, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        events = tail("-b", name, "--server", str(places[name]), "--as", "eve", "--count", "5")
    assert [event["kind"] for event in events] == JOINED
    assert (events[2]["author"], events[2]["text"]) == ("by-hand", HOSTILE)


def test_what_a_server_answers_becomes_no_option_of_curl(tmp_path: Path) -> None:
    curl = tmp_path / "curl"
    curl.write_text("""#!/bin/sh
printf '%s\\n' "$@" >>asked
printf '{"seat":"here -o owned","seat_key":"there -o owned"}'
""")
    curl.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    run_by_hand(backends.technique("rest"), Address("127.0.0.1", 8000), "hello", tmp_path, PATH=path)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "-o" not in asked
    assert "http://127.0.0.1:8000/rooms/lab/seats/here -o owned" in asked
    assert asked.count("Seat-Key: there -o owned") == 2


def test_it_says_it_through_a_broker(vhost: str, tmp_path: Path) -> None:
    rabbitmq = backends.technique("rabbitmq")
    place = ("-b", "rabbitmq", "--server", vhost)
    assert tail(*place, "--as", "ann", "--count", "2")  # who opens the room
    address = parse_address(vhost, rabbitmq.port, rabbitmq.schemes)
    done = run_by_hand(rabbitmq, address, HOSTILE, tmp_path, CHAT_AMQP_URL=vhost)
    assert (done.returncode, done.stderr) == (0, "")
    events = tail(*place, "--as", "eve", "--count", "7")
    assert [(event["author"], event["text"]) for event in events if event["kind"] == "sent"] == [
        ("by-hand", HOSTILE)
    ]


@pytest.mark.parametrize("name", backends.KNOWN)
def test_it_takes_an_address_of_ipv6_and_shows_no_control_character(name: str) -> None:
    command = backends.technique(name).load_by_hand()("::1", 7010, "lab", "two\nlines")
    assert "::1" in command
    assert command.replace("\n", "").isprintable()
