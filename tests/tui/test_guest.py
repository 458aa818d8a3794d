"""The screen of a visitor in a web page: a name must be said, and the operator's account is not theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

import backends
from chat.client import teaching
from tests.support.desk import Desk, caught_up, chatting, text, until, write
from tui.app import ChatApp
from tui.commands import TABLE
from tui.screens.chat import ChatScreen


def visiting(desk: Desk, **options: str) -> ChatApp:
    techniques = [backends.technique(name) for name in ("tcp", "udp")]
    return ChatApp(desk.open_session, techniques=techniques, guest=True, **options)  # type: ignore[arg-type]


async def test_a_visitor_says_a_name_before_anything_else() -> None:
    desk = Desk()
    app = await asyncio.to_thread(visiting, desk)
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "✖ a nick needs at least one character" in text(pilot))
        await pilot.press(*"bob", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen))
        await caught_up(pilot, desk)
        assert desk.hellos[0].nick == "bob"
        await app.action_quit()


async def test_the_picker_begins_with_the_technique_that_was_asked_for() -> None:
    app = await asyncio.to_thread(lambda: visiting(Desk(), technique="udp"))
    async with app.run_test():
        assert app.query_one(OptionList).highlighted == 1
        assert app.query_one("#picker-nick", Input).has_focus


REFUSED = {
    "/export {file}": "in a browser nothing is written",
    "/fault all off": "a fault for everybody begins in a terminal",
    "/class freeze": "a class is taught from a terminal",
}
"""What needs the files or a secret of the account in which the screen runs, and what a visitor is told."""
HARMLESS = """
help edit delete who me read new find copy history top end split ms backend hand follow join leave rooms go
lanes wire whole receipt compare ladder card ids bare theme clear retry quit
"""
"""The commands that have nothing but the screen, the room and the wire between."""


def test_of_every_command_it_is_known_whether_a_visitor_may_use_it() -> None:
    refused = {command[1:].split()[0] for command in REFUSED}
    assert set(TABLE) == refused | set(HARMLESS.split())
    assert refused.isdisjoint(HARMLESS.split())


@pytest.mark.parametrize(("command", "why"), REFUSED.items())
async def test_a_visitor_has_no_use_of_the_operators_account(
    command: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(teaching.TOKEN, "the operator's own token")
    desk = Desk()
    async with chatting(desk, guest=True) as pilot:
        await write(pilot, command.format(file=tmp_path / "x.jsonl"))
        await until(pilot, lambda: why in text(pilot))
    assert not [event for event in desk.log if event.kind == "sent"]
    assert not (tmp_path / "x.jsonl").exists()
