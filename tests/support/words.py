"""What people may say and be called, and what not: the domain's tests try each, the contract suite sends all.

The rules are in `chat.domain.validation`. Each refused value breaks one of them by as little as it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

TEXTS = {
    "ASCII": " !\"#$%&'()*+,-./0123456789:;<=>?@ABC[\\]^_`abc{|}~",
    "newline and tab": "one\ntwo\n\n\tthree",
    "blanks around": "  as it was  ",
    "one character": "x",
    "4-byte characters": "😀🦜𝔘𠜎",
    "emoji joined": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 1️⃣",
    "right to left": "שלום مرحبا (abc) 123",
    "marks and joiners": "\u200e\u200f a\u200bb c\u200dd e\u2060f \ufeff",
    "Indic": "क्षत्रिय ക്ഷ தமிழ்",
    "stacked marks": "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f",
    "Hangul": "한국어",
    "private use and unassigned": "\ue000\uf8ff\U000f0000\u0378",
    "JSON": '{"kind":"leave"}\\n"\\u0000',
    "XML": "</text> <![CDATA[ ]]> &lt; &#0; <?xml?>",
    "a terminal's, written out": "\\x1b[2J %s %n {0} $HOME `id`",
    "Textual markup": "[bold red]not bold[/] [link='x'](y)",
    "a command": "/quit",
    "as long as can be, 1 byte": "x" * 4000,
    "as long as can be, 2 bytes": "é" * 2000,
    "as long as can be, 3 bytes": "語" * 1333 + "x",
    "as long as can be, 4 bytes": "😀" * 1000,
    "as long as can be, all escaped": '"' * 4000,
    "lines only": "x" + "\n" * 3998 + "x",
}
REFUSED_CHARACTERS = (
    *(0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9B, 0x9F),
    *(0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069, 0xFFFE, 0xFFFF, 0xD800, 0xDFFF),
)
EMPTY_TEXTS = ("", " ", "\n\t\n", "\u3000\u2003")
LONG_TEXTS = ("x" * 4001, "é" * 2001, "😀" * 1001, "x" * 60_000)

NICKS = ("Zoë", "山田太郎", "Ольга", "مريم", "नेहा", "a.b+c'd\"e<f>&", "🦜", "x" * 24, "🦜" * 24)
REFUSED_NICKS = (
    *("", " ", "a b", "a\nb", "\0", "\x1b[1m", "x" * 25, "/x", "@x", "#x"),
    *("a\u200bb", "a\u202eb", "a\u00adb"),
)
REFUSED_ROOMS = ("", "Lab", "-lab", "a b", "../x", "ä", "x" * 33)


@contextmanager
def case(what: object) -> Iterator[None]:
    """Say in the test's report which of several cases it was, should the block fail."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {what!r}")
        raise
