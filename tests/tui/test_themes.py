"""Every text colour of every theme can be read on its ground."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from tui.themes import NICKS, THEMES, NickColours


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


def test_a_nick_keeps_its_colour_however_it_is_written() -> None:
    colours = NickColours()
    assert colours.number("Ann") == colours.number("ANN")


def test_as_many_nicks_as_colours_have_one_each() -> None:
    colours = NickColours()
    assert len({colours.number(f"nick {number}") for number in range(NICKS)}) == NICKS
