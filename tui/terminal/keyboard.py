"""What a terminal sends, where Textual 8.2.8 takes it for something else.

- A paste that holds an ESC: Textual makes keys of what follows it, and an Enter among them sends.
- Alt+Enter is ESC CR, and Textual tells ``enter`` for it.
- Keys that only Kitty's protocol tells apart, e.g. Ctrl+M from Enter, mean what they mean elsewhere.
- xterm's modifyOtherKeys: Textual makes two keys of ``CSI 27;2;13~``, Shift+Enter.
- A sequence that it does not know is typed into the text, and takes the next letters with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator

from textual import constants, events
from textual._xterm_parser import XTermParser  # private in 8.2.8: there is no other way to its input
from textual.message import Message

PASTE, PASTED = "\x1b[200~", "\x1b[201~"
# ESC, and what could become of it with the next bytes.
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*)?\Z")
_SPECIAL = re.compile(
    r"(?P<paste>\x1b\[200~)"
    r"|\x1b\[27;(?P<modifiers>\d{1,3});(?P<code>\d{1,7})~"
    r"|(?P<csi>\x1b\[(?:M[\s\S]{3}|[0-?]*[ -/]*[@-LN-~]|[0-?]+M))"  # ECMA-48, 5.4; a mouse of X10
    r"|(?P<enter>\x1b\r)"
    r"|(?P<escape>\x1b(?=\x1b))"
    r"|\x1b(?P<alt>[^\x00-\x1f\x7f\[OPX\]^_bf0§=-])"  # Textual knows the other ones
)
ALIASES = {
    "ctrl+h": ("backspace", "\x7f"),
    "ctrl+i": ("tab", "\t"),
    "ctrl+m": ("enter", "\r"),
    "ctrl+left_square_bracket": ("escape", "\x1b"),
}
"""Keys under Kitty's protocol, and the ones that they are on every other terminal."""


class Keyboard:
    """Takes the place of Textual's parser: ``feed`` and ``tick`` yield its messages.

    Args:
        debug: passed on to Textual's parser.
        clock: returns seconds.
    """

    def __init__(self, debug: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._debug = debug
        self._clock = clock
        self._parser = XTermParser(debug)
        self._held = ""  # the beginning of a sequence whose end has not come yet
        self._held_since = 0.0
        self._pasted: list[str] | None = None  # the pieces of a paste that has not ended

    def feed(self, data: str) -> Iterator[Message]:
        """Yield what the text from the terminal means; an empty one is the end of the input."""
        if not data:
            yield from self._release()
            yield from self._parser.feed("")
            return
        data, self._held = self._held + data, ""
        while data:
            data = yield from (self._typed(data) if self._pasted is None else self._paste(data))
        self._held_since = self._clock()

    def tick(self) -> Iterator[Message]:
        """Yield what is certain now, because nothing has followed for a while."""
        if self._pasted is None and self._held and self._clock() - self._held_since >= constants.ESCAPE_DELAY:
            yield from self._release()
        yield from map(_named, self._parser.tick())

    def _release(self) -> Iterator[Message]:
        held, self._held = self._held, ""
        if held == "\x1b":
            yield events.Key("escape", "\x1b")
        elif held == "\x1b[":
            yield events.Key("alt+left_square_bracket", "[")
        # Anything else is half a sequence that nobody typed.

    def _paste(self, data: str) -> Generator[Message, None, str]:
        """Collect a paste; return what follows it. Everything up to the end mark is text."""
        assert self._pasted is not None
        text, mark, rest = data.partition(PASTED)
        if mark:
            text = "".join([*self._pasted, text])
            self._pasted = None
            yield events.Paste(text.replace("\x00", ""))
            return rest
        keep = next((n for n in range(len(PASTED) - 1, 0, -1) if data.endswith(PASTED[:n])), 0)
        self._pasted.append(data[: len(data) - keep])
        self._held = data[len(data) - keep :]
        return ""

    def _typed(self, data: str) -> Generator[Message, None, str]:
        """Read keys up to a paste; return what follows its mark."""
        at = 0
        for match in _SPECIAL.finditer(data):
            yield from self._parse(data[at : match.start()])
            at = match.end()
            if match["paste"]:
                self._pasted = []
                return data[at:]
            if match["code"]:
                yield from self._parse(f"\x1b[{match['code']};{match['modifiers']}u")
            elif match["enter"]:
                yield events.Key("alt+enter", "\r")
            elif match["escape"]:
                yield events.Key("escape", "\x1b")
            elif letter := match["alt"]:
                if letter.isalnum():
                    yield events.Key(f"alt+{letter}", letter)
                else:
                    yield from self._parse(letter)
            else:
                yield from self._parse(match["csi"])
                self._forget_unknown()
        rest = data[at:]
        begun = _BEGUN.search(rest)
        if begun:
            self._held, rest = begun[0], rest[: begun.start()]
        yield from self._parse(rest)
        return ""

    def _parse(self, text: str) -> Iterator[Message]:
        if text:
            yield from map(_named, self._parser.feed(text))

    def _forget_unknown(self) -> None:
        """Drop a sequence that is complete and that the parser does not know: it waits for more of it."""
        if self._parser._timeout_time is not None:  # private in 8.2.8: set while a sequence is open
            self._parser = XTermParser(self._debug)


def _named(message: Message) -> Message:
    if isinstance(message, events.Key) and message.key in ALIASES:
        return events.Key(*ALIASES[message.key])
    return message
