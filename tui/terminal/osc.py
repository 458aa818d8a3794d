"""What is told to the terminal itself, and not drawn: its title, a notice on the desktop, a bell.

Others choose names and texts. So each is one line without control characters, and has a bounded length:
none of them ends a sequence early or begins another one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tui.rows import one_line

BELL = "\a"
PUSH_TITLE, POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"
"""Keep the terminal's title, and take it back (xterm's window operations 22 and 23)."""
LENGTH = 120
"""The most characters of a title and of a notice; marks that stand on a letter count, too."""


def plain(text: str) -> str:
    """Return a text of somebody else as it may stand in a sequence."""
    return one_line(text[: 4 * LENGTH])[:LENGTH]


def title(text: str) -> str:
    """Return what sets the title of the window (OSC 2)."""
    return f"\x1b]2;{plain(text)}{BELL}"


def notice(heading: str, text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return what shows a notice on the desktop.

    That is OSC 777 in terminals that know it, and OSC 9 in all others; most ignore what they do not know.
    OSC 9 begins with the heading: a number there would be a command of another kind (ConEmu's progress).

    Args:
        heading: ours; it begins with a letter or ``#``.
        text: may be of somebody else.
        environment: says which terminal this is, and whether tmux is in between.
    """
    term = environment.get("TERM", "")
    if "VTE_VERSION" in environment or term.startswith(("foot", "rxvt")):
        fields = ";".join(plain(part).replace(";", ",") for part in (heading, text))
        sequence = f"\x1b]777;notify;{fields}{BELL}"
    else:
        sequence = f"\x1b]9;{plain(f'{heading}: {text}')}{BELL}"
    if "TMUX" in environment:  # it passes this on only after: tmux set -g allow-passthrough on
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return sequence
