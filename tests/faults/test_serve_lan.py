"""``chat serve --lan``: one line for the board is enough for others, and stays the same."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import backends
from chat.cli import serve_lan
from chat.domain.errors import ChatError
from chat.interfaces.tls import Fingerprint
from tests.support.lan import lan_server
from tests.support.processes import chat, chat_here

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have only one loopback address")


@linux
def test_others_come_in_with_the_words_and_the_certificate_stays(state_dir: Path, tmp_path: Path) -> None:
    elsewhere = {"CHAT_STATE_DIR": str(tmp_path / "somebody else")}
    told: list[dict[str, Any]] = []
    for _ in range(2):
        with lan_server("tcp", "rest", host=told[0]["host"] if told else "") as (_, board):
            told.append(board)
            fingerprint = Fingerprint.of_first((state_dir / "tls" / "authority.pem").read_bytes())
            typed = board["words"].replace("-", " ").upper()
            for name in ("tcp", "rest"):
                there = f"{board['host']}:{board['ports'][name]}"
                done = chat_here(
                    *("send", "-b", name, "--server", there, "--fingerprint", str(fingerprint), "hello"),
                    CHAT_TOKEN=typed,
                    **elsewhere,
                )
                assert (done.returncode, done.stderr) == (0, "")
            done = chat_here("send", "-b", "tcp", "mine, without a word")
            assert (done.returncode, done.stderr) == (0, "")
    assert told[0] == told[1], "what stands on the board is good the next time"
    board = told[0]
    assert board["ports"] == {name: backends.technique(name).port for name in ("tcp", "rest")}
    words, check = board["words"], fingerprint.short
    assert board["join"] == f"chat join {board['host']} --words {words} --check {check}"
    assert board["page"] == f"https://{board['host']}:8000/#token={board['words']}", "never in the query"
    assert stat.S_IMODE(os.stat(state_dir / "class-words").st_mode) == 0o600


@linux
def test_words_can_be_given_and_other_people_need_them() -> None:
    with lan_server("rest", "--words", "Our own secret, 7") as (_, board):
        assert board["words"] == "Our own secret, 7"
        assert "--words 'Our own secret, 7' --check" in board["join"]
        assert board["page"].endswith("/#token=Our%20own%20secret%2C%207")
        refused = chat_here(
            "send", "-b", "rest", "--server", board["host"], "--ca", "x", "x", CHAT_TOKEN="wrong wrong"
        )
        assert refused.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--words", "apple-robin-moon-storm"], "--words goes with --lan"),
        (["--lan", "--host", "127.0.0.2", "--words", "short"], "at least 8 characters"),
        (["--lan", "--host", "127.0.0.2", "--open"], "a class needs an access token"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(arguments: list[str], said: str) -> None:
    done = chat_here("serve", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_machine_without_a_local_network_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    with pytest.raises(ChatError, match="connect it to the network of the class"):
        serve_lan.lan_addresses()
    assert "--host 203.0.113.7" in serve_lan.no_lan(["203.0.113.7"])


def test_an_address_that_is_none_of_this_machine_is_refused_with_the_reason() -> None:
    done = chat("serve", "--lan", "--host", "192.0.2.77", "--log", "memory")
    assert done.returncode == 1
    assert "nothing can be served at 192.0.2.77: 192.0.2.77 is no address of this machine" in done.stderr


def test_an_address_of_the_internet_is_not_taken_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def interfaces(*addresses: str) -> None:
        found = {
            str(n): [SimpleNamespace(family=socket.AF_INET, address=one)] for n, one in enumerate(addresses)
        }
        monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
        monkeypatch.setattr(
            psutil, "net_if_stats", lambda: {name: SimpleNamespace(isup=True) for name in found}
        )

    interfaces("127.0.0.1", "169.254.7.7", "203.0.113.7", "192.168.1.5", "10.9.8.7")
    assert sorted(serve_lan.lan_addresses()) == ["10.9.8.7", "192.168.1.5"]
    interfaces("127.0.0.1", "203.0.113.7")
    with pytest.raises(ChatError, match=r"only 203\.0\.113\.7, which the whole internet may reach"):
        serve_lan.lan_addresses()


def test_a_phone_reads_the_link_from_the_terminal() -> None:
    lines = serve_lan.qr_code("https://192.168.1.5:8000/#token=apple-robin-moon-storm").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert (len(lines), len(lines[0])) <= (20, 40), "it fits a screen of 80x24"
    assert {*"".join(lines)} <= {*" █▀▄"}
