"""Every text colour of every theme can be read on its ground."""

from __future__ import annotations

import itertools
import math
import re
from importlib.resources import files
from typing import get_args, get_type_hints

import pytest
from textual.color import Color
from textual.theme import Theme

from chat.cli.theme_option import THEMES
from chat.client.session_events import State
from tests.support.desk import Desk, chat, chatting, lines, styles, text, until, write
from tui.themes import BUILT_IN, NICKS, NickColours
from tui.widgets.status_bar import SIGNS


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


@pytest.mark.parametrize("theme", BUILT_IN, ids=lambda theme: theme.name)
def test_every_text_colour_has_enough_contrast(theme: Theme) -> None:
    wanted = 7.0 if theme.name in ("high-contrast", "projector") else 4.5
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


EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red (protanopia)": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green (deuteranopia)": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue (tritanopia)": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""What an eye makes of linear red, green and blue: Machado, Oliveira and Fernandes (2009), severity 1."""
APART = 20.0
"""The least distance of two colours of states, in units of CIE 1976 L*a*b*. About 2 can just be seen."""


def seen(colour: str, eye: str) -> tuple[float, float, float]:
    """Return a colour as an eye sees it, in CIE 1976 L*a*b* (white point D65)."""
    parts = [part / 255 for part in Color.parse(colour).rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, linear, strict=True))))
        for row in EYES[eye]
    )
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", BUILT_IN, ids=lambda theme: theme.name)
def test_the_colours_of_states_differ_for_every_eye(theme: Theme, eye: str) -> None:
    colours = {name: getattr(theme, name) for name in ("success", "warning", "error")}
    apart = {
        (one, other): math.dist(seen(colours[one], eye), seen(colours[other], eye))
        for one, other in itertools.combinations(colours, 2)
    }
    assert {pair: distance for pair, distance in apart.items() if distance < APART} == {}


def test_every_state_has_a_sign_a_word_and_a_colour() -> None:
    assert set(SIGNS) == set(get_args(get_type_hints(State)["name"]))
    assert len({sign for sign, _, _ in SIGNS.values()}) == len(SIGNS)
    assert len({word for _, word, _ in SIGNS.values()}) == len(SIGNS)
    assert {colour for _, _, colour in SIGNS.values()} <= {"$success", "$warning", "$error"}


def test_nothing_on_a_projector_is_dim() -> None:
    (theme,) = (theme for theme in BUILT_IN if theme.name == "projector")
    assert contrast(theme.variables["quiet"], theme.background or "") >= 12
    styles = (files("tui") / "chat.tcss").read_text(encoding="utf-8")
    assert not re.search(r"text-style:[^;]*\bdim\b|text-opacity", styles)


def test_the_command_line_names_the_themes_without_loading_them() -> None:
    assert tuple(theme.name for theme in BUILT_IN) == THEMES


@pytest.mark.parametrize("theme", [theme.name for theme in BUILT_IN])
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
