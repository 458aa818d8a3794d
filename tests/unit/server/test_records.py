"""What an operator is told: which records there are, what they hold, and when the hub reports one."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.domain.errors import AccessDenied, BadRequest, SlowReader
from chat.domain.model import Hello
from chat.server.hub import Hub
from chat.server.log_format import JsonFormat
from chat.server.records import KINDS, Records
from chat.server.stderr_log import INFO_BURST, MAX_CHARS, MAX_WAITING, StderrLog
from tests.support.stage import Clock, Disk, come_in, enter, says, settle

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "operating.md"


class Told(list[dict[str, Any]]):
    def names(self) -> list[str]:
        return [one["record"] for one in self]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    """What the hub has reported, at every level, as the log writes it."""
    told = Told()

    class Into(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(json.loads(JsonFormat().format(record)))

    into = Into()
    logger = logging.getLogger("chat.server.records")
    logger.addHandler(into)
    with caplog.at_level(logging.DEBUG, logger.name):
        yield told
    logger.removeHandler(into)


# --- the names ---------------------------------------------------------------------------------


def reported() -> set[str]:
    """Return the names of the records that the code reports."""
    calls = [
        node
        for path in (ROOT / "chat").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "report"
    ]
    named = [call.args[0] for call in calls]
    return {
        str(one.value)
        for name in named
        for one in ([name.body, name.orelse] if isinstance(name, ast.IfExp) else [name])
        if isinstance(one, ast.Constant)
    }


def test_every_record_that_is_reported_is_known_and_every_known_one_is_reported() -> None:
    assert reported() == set(KINDS) - {"message", "left_out", "begun_anew"}


def test_every_record_and_each_of_its_fields_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| \w+ \| (.*?) \|", page, re.M)}
    for name, kind in KINDS.items():
        assert re.findall(r"`(\w+)`", rows[name]) == list(kind.fields)


@pytest.mark.parametrize("name", KINDS)
def test_a_line_of_text_has_only_fields_of_its_kind(name: str) -> None:
    kind = KINDS[name]
    assert set(re.findall(r"{(\w+)}", kind.text)) <= set(kind.fields)


# --- when --------------------------------------------------------------------------------------


async def test_who_came_in_went_and_returned_is_told(hub: Hub, told: Told) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    await hub.take_seat(Hello("lab", "ann", seat_key=seat.key), "tcp", "192.0.2.7")
    seat.leave()
    await settle()
    assert told.names() == ["joined", "away", "resumed", "left"]
    assert told[2] == {
        "time": told[2]["time"],
        "level": "info",
        "record": "resumed",
        "technique": "tcp",
        "room": "lab",
        "nick": "ann",
        "seat": seat.seat,
        "peer": "192.0.2.7",
    }
    assert told[3]["code"] == "left"


async def test_an_owner_who_never_comes_back_is_gone(clock: Clock, hub: Hub, told: Told) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    await clock.advance(hub.limits.grace + 1)
    await settle()
    assert [one.get("code") for one in told if one["record"] == "left"] == ["gone"]


@pytest.mark.parametrize("by", ["the hub", "the technique"])
async def test_who_was_cut_is_told_once_with_the_reason(hub: Hub, told: Told, by: str) -> None:
    seat, peer = await come_in(hub)
    reason = SlowReader("too slow")
    if by == "the hub":
        assert seat._mailbox is not None
        seat._mailbox.cut(reason)
    seat.detach(peer, reason)
    assert [(one["nick"], one["code"], one["reason"]) for one in told if one["record"] == "cut"] == [
        ("ann", "slow_reader", "too slow")
    ]


async def test_another_connection_that_takes_the_seat_is_a_cut_and_leaving_is_none(
    hub: Hub, told: Told
) -> None:
    seat, _ = await come_in(hub)
    await come_in(hub, seat_key=seat.key)
    seat.leave()
    await settle()
    assert [one["code"] for one in told if one["record"] == "cut"] == ["seat_taken"]


async def test_a_stopping_server_cuts_nobody(hub: Hub, told: Told) -> None:
    seat, peer = await come_in(hub)
    hub.close()
    seat.detach(peer, SlowReader("too slow"))
    assert told.names() == ["joined"]


async def test_refusals_are_told_with_the_address(hub: Hub, told: Told) -> None:
    hub._access = "sesame-7-sesame-7"
    with pytest.raises(AccessDenied):
        await hub.take_seat(Hello("lab", "ann", access="sesame-8"), "rest", "192.0.2.7")
    hub.dropped("tcp", BadRequest("not JSON"), "192.0.2.8")
    seen = [(one["record"], one.get("code"), one["peer"]) for one in told]
    assert seen == [
        ("wrong_token", None, "192.0.2.7"),
        ("refused", "access_denied", "192.0.2.7"),
        ("dropped", "bad_request", "192.0.2.8"),
    ]


async def test_a_log_that_stores_nothing_is_told_once_and_so_is_its_recovery(
    hub: Hub, disk: Disk, told: Told
) -> None:
    seat = await enter(hub)
    disk.full = True
    for n in (1, 2):
        await says(seat, "hello", n)
    disk.full = False
    await says(seat, "hello", 1)  # the author sends it again
    assert told.names() == ["joined", "not_stored", "stored_again"]


# --- how it is written -------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def record(text: str, level: int = logging.ERROR, name: str = "chat.x", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, text, None, None)
    vars(made).update(extra)
    return made


def test_many_who_come_and_go_displace_no_warning(pipe: tuple[int, int]) -> None:
    log = StderrLog(pipe[1], lambda: 0.0)
    for _ in range(INFO_BURST + 1):
        while log._queue.qsize():  # its thread writes
            time.sleep(0)
        log.emit(record("in and out", logging.INFO))
    assert log.left_out == 1
    log.emit(record("careful"))
    log.close()
    assert os.read(pipe[0], 1 << 16).decode().splitlines()[-2:] == [
        "(1 log records were left out)",
        "careful",
    ]


def test_what_a_library_says_below_a_warning_is_not_written(pipe: tuple[int, int]) -> None:
    log = StderrLog(pipe[1])
    log.emit(record("<secret/>", logging.INFO, "spyne.protocol"))
    log.emit(record("careful", logging.WARNING, "spyne.protocol"))
    log.close()
    assert os.read(pipe[0], 1 << 16) == b"careful\n"


@pytest.mark.parametrize("long", ["", MAX_CHARS * "x"], ids=["short", "long"])
def test_each_line_of_json_is_one_object(pipe: tuple[int, int], long: str) -> None:
    log = StderrLog(pipe[1], form=JsonFormat())
    log.left_out = 3
    log.emit(record(f"two\nlines{long}"))
    log.close()
    lines = [json.loads(line) for line in os.read(pipe[0], 1 << 16).decode().splitlines()]
    assert [(line["record"], line["level"]) for line in lines] == [
        ("left_out", "warning"),
        ("message", "error"),
    ]
    assert lines[1]["message"].startswith("two\nlines")


def test_no_field_brings_a_control_character_into_a_line(caplog: pytest.LogCaptureFixture) -> None:
    Records().report("wrong_token", peer="x\x1b[2J\nbob joined", count=1)
    assert "x\\x1b[2J\\nbob joined" in caplog.text


def test_waiting_records_leave_room_for_warnings(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StderrLog, "_write", lambda _: None)
    log = StderrLog(pipe[1], lambda: 0.0)
    for _ in range(MAX_WAITING):
        log.emit(record("in and out", logging.INFO))
    log.emit(record("careful"))
    assert log._queue.qsize() == MAX_WAITING // 2 + 1
    log.close()
