"""Emoji that terminals disagree about do not shift the row. Measured in a terminal, not by a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support import tmux
from tests.support.desk import Desk, chatting, line_with, lines
from tui.terminal.widths import steady

EMOJI = ["❤️", "✌️", "⚠️", "☺️", "1️⃣", "#️⃣", "👍🏽", "✌🏿", "👋🏻", "🤷🏾‍♂️", "👩🏽‍💻", "🏳️‍🌈", "❤️‍🔥"]
OTHERS = ["a", "漢", "🚀", "👩‍💻", "🇩🇪", "é", "👍"]


@pytest.mark.parametrize("text", EMOJI + OTHERS)
def test_the_cells_are_those_that_were_laid_out(text: str) -> None:
    assert cell_len(steady(text)) == cell_len(text)
    assert cell_len(steady(text, joins=False)) == cell_len(text)
    assert "\u200d" not in steady(text, joins=False)


@pytest.mark.parametrize("text", OTHERS)
def test_what_terminals_agree_about_is_drawn_as_it_is(text: str) -> None:
    assert steady(text) == text


@pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING)
def test_tmux_puts_what_follows_where_it_was_laid_out(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("".join(f"{steady(text)}|\n" for text in EMOJI + OTHERS), encoding="utf-8")
    with tmux.shell(tmp_path) as pane:
        pane.line(f"clear; cat {file}; tput cup 23 0")
        pane.until(lambda screen: screen.count("|") == len(EMOJI + OTHERS))
        columns = {}
        for number, text in enumerate(EMOJI + OTHERS):
            pane.run("copy-mode")
            pane.run("send-keys", "-X", "history-top")
            pane.run("send-keys", "-X", "top-line")
            for _ in range(number):
                pane.run("send-keys", "-X", "cursor-down")
            pane.run("send-keys", "-X", "end-of-line")
            columns[text] = int(pane.run("display-message", "-p", "#{copy_cursor_x}")) - len("|")
            pane.run("send-keys", "-X", "cancel")
        assert columns == {text: cell_len(text) for text in EMOJI + OTHERS}


async def test_a_message_is_drawn_so_and_kept_as_it_is() -> None:
    desk = Desk()
    message = desk.says("bob", "I ❤️ this 👍🏽")
    async with chatting(desk) as pilot:
        plain = line_with(pilot, "I ❤")
        assert "I ❤  this 👍" in plain
        assert "\ufe0f" not in plain
        assert message.text == "I ❤️ this 👍🏽"
        await pilot.press(*"hi ", "enter")
        pilot.app.screen.query_one("Composer").insert("❤️ 👍🏽")  # type: ignore[attr-defined]
        await pilot.pause()
        assert any("❤  👍 " in line for line in lines(pilot))
