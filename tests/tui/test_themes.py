"""Every text colour of every theme can be read on its ground."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from tests.support.desk import Desk, chat, chatting, lines, styles, text, until, write
from tui.themes import NAMES, NICKS, THEMES, NickColours


def contrast(one: str, other: str) -> float:
    """Contrast of WCAG 2.2: from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [part / 255 for part in Color.parse(colour).rgb]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_colour_has_enough_contrast(theme: Theme) -> None:
    wanted = 7.0 if theme.name == "high-contrast" else 4.5
    texts = {
        "foreground": theme.foreground,
        "success": theme.success,
        "warning": theme.warning,
        "error": theme.error,
        "accent": theme.accent,
        **{name: theme.variables[name] for name in ["quiet", *(f"nick-{n}" for n in range(NICKS))]},
    }
    grounds = {"background": theme.background, "panel": theme.panel, "mention": theme.variables["mention"]}
    too_low = {
        f"{name} on {ground}": round(ratio, 2)
        for name, colour in texts.items()
        for ground, under in grounds.items()
        if colour and under and (ratio := contrast(colour, under)) < wanted
    }
    assert too_low == {}


@pytest.mark.parametrize("theme", NAMES)
@pytest.mark.parametrize("no_color", [False, True], ids=["colours", "no_color"])
async def test_selected_text_can_be_read(theme: str, no_color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    desk = Desk()
    desk.says("bob", "select this, please")
    async with chatting(desk, theme=theme) as pilot:
        row = next(number for number, line in enumerate(lines(pilot)) if "select this" in line)
        start = lines(pilot)[row].index("this")
        await pilot.mouse_down(offset=(start, row))
        await pilot.hover(offset=(start + 3, row))
        await pilot.mouse_up(offset=(start + 3, row))
        await until(pilot, lambda: pilot.app.screen.get_selected_text())
        selected = [style for style in styles(pilot, row)[start : start + 4] if style is not None]
        assert len(selected) == 4
        for style in selected:
            assert style.color is not None
            assert style.bgcolor is not None
            colours = [colour.get_truecolor().hex for colour in (style.color, style.bgcolor)]
            assert contrast(*colours) >= 7
            assert style.bgcolor != (styles(pilot, row)[start - 3] or style).bgcolor
        await pilot.press("ctrl+c")
        assert pilot.app.clipboard.strip() == "this"
        assert "copied" in text(pilot)


async def test_ctrl_c_without_a_selection_says_what_to_do() -> None:
    async with chatting(Desk()) as pilot:
        await pilot.press("ctrl+c")
        assert "nothing is selected: drag with the mouse" in text(pilot)


async def test_a_copy_in_tmux_says_what_tmux_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    async with chatting(Desk()) as pilot:
        composer = chat(pilot).composer
        await write(pilot, "words", "end")
        composer.select_all()
        await pilot.press("ctrl+c")
        assert pilot.app.clipboard == "words"
        assert "copied 5 characters. tmux takes it only after: tmux set -s set-clipboard on" in text(pilot)
        assert composer.text == "words"


def test_a_nick_keeps_its_colour_however_it_is_written() -> None:
    colours = NickColours()
    assert colours.number("Ann") == colours.number("ANN")


def test_as_many_nicks_as_colours_have_one_each() -> None:
    colours = NickColours()
    assert len({colours.number(f"nick {number}") for number in range(NICKS)}) == NICKS
