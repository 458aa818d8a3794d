"""Keys that the user has chosen: the screen takes them, and shows them."""

from __future__ import annotations

import pytest

from tests.support.desk import Desk, chat, chatting, line_with, text
from tui import keys
from tui.commands import COMMANDS, TABLE


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, command in TABLE.items():
        monkeypatch.setitem(TABLE, name, command)  # so that it is put back


def given(wanted: dict[str, object]) -> tuple[dict[str, str], list[str]]:
    """Return the keys that differ from the usual ones, and the complaints."""
    commands, complaints = keys.rebound(COMMANDS, wanted)
    usual = {command.name: command.key for command in COMMANDS}
    return {one.name: one.key for one in commands if one.key != usual[one.name]}, complaints


@pytest.mark.parametrize(
    "wanted",
    [
        {"find": "f20"},
        {"find": "ctrl+o", "who": "ctrl+f"},  # they change places
        {"delete": "alt+d"},
        {"find": ""},
        {"quit": "ctrl+x"},
    ],
    ids=str,
)
def test_a_key_that_is_free_is_taken(wanted: dict[str, object]) -> None:
    assert given(wanted) == (wanted, [])


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"find": "ctrl+o"}, "find: Ctrl+O is the key of who; give that one another key, too"),
        ({"find": "f22", "who": "f22"}, "who: F22 is the key of find; give that one another key, too"),
        ({"fnd": "f20"}, "there is no command 'fnd'; did you mean find?"),
        ({"find": "q"}, "find: 'q' is no key; write one like ctrl+f, alt+f or f7"),
        ({"find": "crtl+f"}, "find: 'crtl+f' is no key; write one like ctrl+f, alt+f or f7"),
        ({"find": 7}, "find: '7' is no key; write one like ctrl+f, alt+f or f7"),
        ({"find": "enter"}, "find: Enter has a use of its own; choose another key"),
        ({"find": "ctrl+q", "quit": ""}, "find: Ctrl+Q has a use of its own; choose another key"),
        ({"find": "\x1b[31m"}, "find: '\\x1b[31m' is no key; write one like ctrl+f, alt+f or f7"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_and_the_usual_key_stays(wanted: dict[str, object], complaint: str) -> None:
    changed, complaints = given(wanted)
    assert complaints == [complaint]
    assert complaint.partition(":")[0] not in changed


@pytest.mark.usefixtures("table")
async def test_the_screen_takes_the_new_key_and_not_the_old_one() -> None:
    assert keys.use({"who": "f20", "find": "f21"}) == []
    async with chatting(Desk()) as pilot:
        await pilot.press("ctrl+o")
        assert "1 here" not in text(pilot)
        await pilot.press("f21")
        assert chat(pilot).composer.text == "/find "
        await pilot.press("escape", "f20")
        assert "1 here" in text(pilot)


@pytest.mark.usefixtures("table")
async def test_help_and_footer_show_the_new_key() -> None:
    assert keys.use({"wire": "f20", "help": "f22"}) == []
    async with chatting(Desk()) as pilot:
        assert "F20 wire  F22 help" in text(pilot)
        await pilot.press("f22")
        assert "F22" in line_with(pilot, "/help")
