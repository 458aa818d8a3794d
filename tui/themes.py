"""The themes, and the colours of nicks in each.

The hues are those of Okabe and Ito, which colour-blind people can distinguish. They are made lighter on a
dark background and darker on a light one, until each has a contrast of 4.5 to 1 (7 to 1 in high contrast
and on a projector). The colours of states differ for every kind of eye by 20 units of CIE 1976 L*a*b*, as
a simulation of colour blindness shows (Machado, Oliveira and Fernandes 2009, severity 1). Tests measure both.
"""

from __future__ import annotations

import zlib
from collections import Counter

from textual.theme import Theme

DEFAULT = "dark"
NICKS = 8
"""The number of colours for nicks; every theme defines them as nick-0, nick-1, ..."""


def _nicks(*colours: str) -> dict[str, str]:
    return {f"nick-{number}": colour for number, colour in enumerate(colours)}


BUILT_IN = (
    Theme(
        name="dark",
        dark=True,
        primary="#5aa9e6",
        secondary="#7a8ba3",
        accent="#f2b134",
        foreground="#e4e8ee",
        background="#12161c",
        surface="#12161c",
        panel="#1d242e",
        success="#40ddb3",
        warning="#f2b134",
        error="#ff7b66",
        variables={
            "quiet": "#93a0b0",
            "faint": "#3a4656",
            "mention": "#2f2a17",
            "border": "#5aa9e6",
            "block-cursor-background": "#2b3d52",
            "block-cursor-foreground": "#ffffff",
            "scrollbar": "#3a4656",
            "scrollbar-background": "#12161c",
            **_nicks("#56b4e9", "#e69f00", "#2fc39a", "#f0e442", "#e08cc0", "#ff8652", "#a3b8ff", "#c8c8c8"),
        },
    ),
    Theme(
        name="light",
        dark=False,
        primary="#0060a8",
        secondary="#5a6472",
        accent="#8a5a00",
        foreground="#1c2128",
        background="#fbfbf9",
        surface="#fbfbf9",
        panel="#e9ecef",
        success="#00704f",
        warning="#8a5a00",
        error="#8a0f1f",
        variables={
            "quiet": "#59636f",
            "faint": "#c3cad2",
            "mention": "#fdf0c8",
            "border": "#0060a8",
            "block-cursor-background": "#cfe3f5",
            "block-cursor-foreground": "#000000",
            "scrollbar": "#b4bdc7",
            "scrollbar-background": "#fbfbf9",
            **_nicks("#0068a8", "#8a5a00", "#00735c", "#6b6100", "#a2407d", "#b03f00", "#4652b0", "#505050"),
        },
    ),
    Theme(
        name="high-contrast",
        dark=True,
        primary="#7fd0ff",
        secondary="#ffffff",
        accent="#ffd84d",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#202020",
        success="#4dffc3",
        warning="#ffd84d",
        error="#ff907a",
        variables={
            "quiet": "#d0d0d0",
            "faint": "#909090",
            "mention": "#2b2400",
            "border": "#ffffff",
            "block-cursor-background": "#00304f",
            "block-cursor-foreground": "#ffffff",
            "scrollbar": "#ffffff",
            "scrollbar-background": "#303030",
            **_nicks("#7fd0ff", "#ffb733", "#4dffc3", "#fff566", "#ffa6d9", "#ffa173", "#c2d1ff", "#ffffff"),
        },
    ),
    # For a room that is not dark: a projector makes everything paler, so nothing here is pale or dim.
    Theme(
        name="projector",
        dark=False,
        primary="#004f80",
        secondary="#1a1a1a",
        accent="#5a3c00",
        foreground="#000000",
        background="#ffffff",
        surface="#ffffff",
        panel="#f0f0f0",
        success="#004f75",
        warning="#6b4a00",
        error="#6b0020",
        variables={
            "quiet": "#1f1f1f",
            "faint": "#707070",
            "mention": "#fff4c2",
            "border": "#000000",
            "block-cursor-background": "#b8dcff",
            "block-cursor-foreground": "#000000",
            "scrollbar": "#000000",
            "scrollbar-background": "#d0d0d0",
            **_nicks("#004f80", "#5f3d00", "#00503f", "#4a4400", "#7a1a5a", "#702600", "#333d8f", "#333333"),
        },
    ),
)

THEMES = list(BUILT_IN)
"""What can be chosen; those that the user has written are added before the app starts."""
NAMES = [theme.name for theme in THEMES]

FALLBACK = dict(BUILT_IN[0].variables)
"""Values of our variables for a theme of Textual."""


def add(theme: Theme) -> None:
    """Add a theme to those that can be chosen."""
    THEMES.append(theme)
    NAMES.append(theme.name)


class NickColours:
    """Assigns colours to nicks.

    A nick gets the same colour in every session if possible, and one of its own as long as there are any.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._used = Counter(dict.fromkeys(range(NICKS), 0))

    def number(self, nick: str) -> int:
        """Return the number of the nick's colour."""
        nick = nick.casefold()
        if nick not in self._numbers:
            wish = zlib.crc32(nick.encode(errors="replace"))
            number = min(range(NICKS), key=lambda number: (self._used[number], (number - wish) % NICKS))
            self._used[number] += 1
            self._numbers[nick] = number
        return self._numbers[nick]
