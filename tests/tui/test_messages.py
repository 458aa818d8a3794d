"""What the message list shows of a room."""

from __future__ import annotations

from tests.tui.support import Desk, chatting, line_with


async def test_a_message_stands_with_time_nick_and_badge() -> None:
    desk = Desk()
    desk.joins("bob", "soap")
    desk.says("bob", "hello everybody")
    async with chatting(desk, (80, 24)) as pilot:
        assert line_with(pilot, "hello everybody").split() == ["12:55", "bob", "hello", "everybody", "soap"]
