"""``chat join``: the certificate is compared before anything is sent, and what answers is offered."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import backends
from chat.cli.join import host_alone
from chat.cli.reach import advice, reach
from chat.client.known_servers import known, matches, remember
from chat.domain.errors import ChatError
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Need, Technique
from chat.interfaces.tls import Fingerprint
from tests.support.lan import lan_server
from tests.support.processes import chat, chat_here, one_line

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have only one loopback address")
FOUND = Fingerprint(bytes.fromhex("3fa291bc77d0" + "11" * 26))


@pytest.fixture(scope="module")
def board() -> Iterator[dict[str, Any]]:
    """A class over two techniques."""
    with lan_server("tcp", "soap", "--log", "memory") as (_, told):
        yield told


@linux
def test_what_stands_on_the_board_lets_one_in_and_the_next_time_the_words_do(board: dict[str, Any]) -> None:
    words = board["words"].replace("-", " ").title()
    check = board["join"].split()[-1]
    first = chat(
        "join", board["host"], "--plain", "--as", "ann", "--check", check, "--words", words, input="hi\n"
    )
    assert first.returncode == 0, first.stderr
    assert "ann (tcp): hi" in first.stdout
    again = chat(
        "join", board["host"], "--plain", "--as", "bob", "-b", "soap", input="hello\n", CHAT_TOKEN=words
    )
    assert again.returncode == 0, again.stderr
    assert "bob joined (soap)" in again.stdout
    seen = chat("doctor", board["host"], CHAT_TOKEN=words).stdout
    assert "with the certificate that was kept when you joined" in seen
    assert {line.split()[0]: line.split()[1] for line in seen.splitlines()[1:6]} == {
        "tcp": "ok",
        "rpyc": "bad",
        "grpc": "bad",
        "rest": "bad",
        "soap": "ok",
    }


@linux
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check", "0000-0000-0000"], "another certificate than the board"),
        (["--check", "3fa2"], "has 12 digits"),
        ([], "give --check with the certificate on the board"),
    ],
)
def test_nothing_is_sent_before_the_certificate_is_known(
    board: dict[str, Any], state_dir: Path, arguments: list[str], said: str
) -> None:
    done = chat("join", board["host"], "--plain", "--words", "apple robin moon storm", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert known(state_dir, board["host"]) is None


@linux
def test_another_certificate_than_the_last_time_is_refused_with_both(
    board: dict[str, Any], state_dir: Path
) -> None:
    remember(state_dir, board["host"], FOUND)
    check = board["join"].split()[-1]
    done = chat("join", board["host"], "--plain", "--words", "apple robin moon storm")
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert f"than the last time: {check}, and it was 3fa2-91bc-77d0" in done.stderr
    assert known(state_dir, board["host"]) == FOUND


@linux
def test_the_doctor_says_how_to_learn_the_certificate_of_a_class(board: dict[str, Any]) -> None:
    seen = chat("doctor", board["host"])
    assert seen.returncode == 1
    assert "client isolation" not in seen.stdout
    assert f"join it first: chat join {board['host']}" in seen.stdout


@linux
def test_wrong_words_are_refused_once_and_not_tried_over_each_technique(board: dict[str, Any]) -> None:
    check = board["join"].split()[-1]
    done = chat("join", board["host"], "--plain", "--check", check, "--words", "apple robin moon storm")
    assert (done.returncode, one_line(done.stderr)) == (1, True)
    assert "these are not the words on the board" in done.stderr


@linux
def test_what_is_not_installed_here_is_passed_over(
    board: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Technique.load_client
    load(backends.technique("soap"))  # here and not on the loop: an import reads files

    def missing(label: Technique) -> list[Need]:
        return [Need("a_library", "pip install a-library")] if label.name != "soap" else []

    def load_client(label: Technique) -> type[ChatClient]:
        if missing(label):
            raise ModuleNotFoundError("No module named 'a_library'")
        return load(label)

    monkeypatch.setattr(Technique, "missing", missing)
    monkeypatch.setattr(Technique, "load_client", load_client)
    check = board["join"].split()[-1]
    arguments = ("--plain", "--as", "cid", "--check", check, "--words", board["words"])
    done = chat_here("join", board["host"], *arguments)
    assert done.returncode == 0, done.stderr
    assert "you are cid in room lab" in done.stdout
    assert "tcp: a_library is missing: pip install a-library" in done.stderr


def test_a_port_is_not_part_of_the_host() -> None:
    done = chat_here("join", "192.168.1.5:7010")
    assert done.returncode == 2
    assert "leave the port out" in done.stderr
    assert host_alone(None, None, "[fd00::1]") == host_alone(None, None, "fd00::1") == "fd00::1"


def test_a_certificate_is_compared_with_as_much_as_was_written_down() -> None:
    for written in ("3fa2-91bc-77d0", "3FA2 91BC 77D0", str(FOUND), f" sha256 {FOUND.digest.hex()} "):
        assert matches(FOUND, written), written
    assert not matches(FOUND, "3fa2-91bc-77d1")
    with pytest.raises(ChatError, match="12 digits"):
        matches(FOUND, "3fa2-91bc")


async def test_refused_is_told_from_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_port = listener.getsockname()[1]
        assert await reach(Address("127.0.0.1", open_port)) == "open"
    assert await reach(Address("127.0.0.1", open_port)) == "refused"

    async def nobody(*_: object) -> None:
        raise TimeoutError

    async def no_way(*_: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "no route to host")

    monkeypatch.setattr(asyncio, "open_connection", nobody)
    assert await reach(Address("192.0.2.1", 7010)) == "filtered"
    monkeypatch.setattr(asyncio, "open_connection", no_way)
    assert await reach(Address("192.0.2.1", 7010)) == "no way"


def test_each_state_of_the_network_has_its_advice() -> None:
    assert advice("h", {"tcp": "open", "rest": "open"}) == ""
    assert "serves nothing here: start chat serve --lan there" in advice(
        "h", {"tcp": "refused", "rest": "refused"}
    )
    assert "client isolation" in advice("h", {"tcp": "filtered", "rest": "filtered"})
    assert "a firewall drops rest" in advice("h", {"tcp": "open", "rest": "filtered"})
    assert "in the same network?" in advice("h", {"tcp": "no way", "rest": "no way"})
    assert advice("h", {"tcp": "open", "rest": "refused"}) == "", "its own line says that it is not served"
