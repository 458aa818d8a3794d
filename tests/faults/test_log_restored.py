"""A backup takes the place of a log that had gone on: nobody misses events without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.line_client import LineClient
from tests.support.processes import serving


def test_a_reader_of_what_was_lost_is_told_even_when_the_new_history_has_passed_its_cursor(
    tmp_path: Path,
) -> None:
    log, backup = tmp_path / "chat.sqlite3", tmp_path / "backup"
    with serving("--log", f"sqlite:{log}") as (_, address), LineClient(address, "ann") as ann:
        kept = ann.say("kept")
    shutil.copyfile(log, backup)
    with serving("--log", f"sqlite:{log}") as (_, address), LineClient(address, "bob") as bob:
        lost = [bob.say(f"lost {number}") for number in range(3)]
    shutil.copyfile(backup, log)
    with serving("--log", f"sqlite:{log}") as (_, address), LineClient(address, "cat") as cat:
        new = [cat.say(f"new {number}") for number in range(9)]
        assert new[-1]["seq"] > lost[-1]["seq"]
        old = {"after": lost[-1]["seq"], "epoch": bob.welcome["epoch"]}
        with LineClient(address, "dan", **old) as dan:
            assert dan.welcome["code"] == "stale_cursor"
            assert "begin without a cursor" in dan.welcome["text"]
        for seen in (
            {"after": kept["seq"], "epoch": ann.welcome["epoch"]},
            {"after": new[-1]["seq"], "epoch": cat.welcome["epoch"]},
        ):
            with LineClient(address, "eve", **seen) as eve:
                assert eve.welcome["kind"] == "welcome"
                eve.ask({"kind": "leave"}, "left")


def test_a_restart_that_lost_nothing_costs_no_reader_a_replay(tmp_path: Path) -> None:
    log = f"sqlite:{tmp_path / 'chat.sqlite3'}"
    seen: dict[str, object] = {}
    key = ""
    for start in range(3):
        with serving("--log", log) as (process, address):
            with LineClient(address, "ann", **seen, seat_key=key) as ann:
                assert ann.welcome["kind"] == "welcome"
                said = ann.say(f"in run {start}")
                assert [event["text"] for event in ann.seen if event["kind"] == "sent"] == [said["text"]]
            seen, key = {"after": said["seq"], "epoch": ann.welcome["epoch"]}, ann.welcome["seat_key"]
            process.kill()
            process.wait()
