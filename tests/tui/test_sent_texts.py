"""What this user has sent: kept over restarts, bounded, private, and harmless if the file is broken."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.desk import Desk, chat, chatting, until, write
from tui.sent_texts import KEPT, SentTexts


async def test_up_recalls_what_was_sent_before_the_program_was_started(tmp_path: Path) -> None:
    file = tmp_path / "sent-texts"
    desk = Desk()
    sent = await asyncio.to_thread(SentTexts, file)
    async with chatting(desk, sent=sent) as pilot:
        await write(pilot, "zwölf\nlines")
        await until(pilot, lambda: desk.log)
    await asyncio.to_thread(sent.keep)
    async with chatting(Desk("carol"), sent=await asyncio.to_thread(SentTexts, file)) as pilot:
        await pilot.press("up")
        assert chat(pilot).composer.text == "zwölf\nlines"


def test_the_file_is_bounded_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "sent-texts"
    texts = SentTexts(file)
    for number in range(KEPT + 50):
        texts.add(f"text {number}")
    texts.keep()
    again = SentTexts(file)
    assert (len(again), again[-1]) == (KEPT, f"text {KEPT + 49}")
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["sent-texts"]


def test_two_terminals_keep_both_their_texts(tmp_path: Path) -> None:
    one, other = SentTexts(tmp_path / "sent"), SentTexts(tmp_path / "sent")
    one.add("from one")
    other.add("from the other")
    one.keep()
    other.keep()
    assert SentTexts(tmp_path / "sent") == ["from one", "from the other"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b'"good"\n{"a": 1}\n12\n[[[[\n"\\u001b[2J"\n""\nnull',
        b"[" * 100_000,
        b'"' + b"x" * 9_000_000,
    ],
)
def test_a_broken_file_gives_what_is_good_in_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sent"
    file.write_bytes(content)
    assert SentTexts(file) == (["good"] if b"good" in content else [])


def test_a_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    texts = SentTexts(tmp_path / "no such folder" / "sent")
    texts.add("x")
    texts.keep()
