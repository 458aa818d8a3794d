"""What a terminal sends, however it is cut into reads: pastes, Alt+Enter, Kitty's keys, unknown sequences."""

from __future__ import annotations

import pytest
from textual import events
from textual.message import Message

from tui.terminal.keyboard import Keyboard


class Line:
    """A keyboard on a line whose clock the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.keyboard = Keyboard(clock=lambda: self.now)
        self.heard: list[Message] = []

    def send(self, *reads: str) -> list[str]:
        """Return what was heard: keys by name, what they type, and pastes in quotes."""
        for read in reads:
            self.heard += [*self.keyboard.feed(read), *self.keyboard.tick()]
        return self.told()

    def wait(self) -> list[str]:
        self.now += 1
        self.heard += self.keyboard.tick()
        return self.told()

    def told(self) -> list[str]:
        return [
            repr(event.text) if isinstance(event, events.Paste) else event.key
            for event in self.heard
            if isinstance(event, events.Paste | events.Key)
        ]


def every_cut(text: str) -> list[tuple[str, ...]]:
    return [(text,), tuple(text), *((text[:at], text[at:]) for at in range(1, len(text)))]


PASTES = ["plain", "an \x1b in it\rand lines\r", "\x1b", "\x1b[A\x1b[200~\x1b[201", "x" * 5000, "\x1b\x1b\r"]


@pytest.mark.parametrize("text", PASTES, ids=range(len(PASTES)))
def test_everything_between_the_marks_of_a_paste_is_text(text: str) -> None:
    whole = f"a\x1b[200~{text}\x1b[201~b"
    cuts = every_cut(whole) if len(whole) < 100 else [(whole,), tuple(whole)]
    for reads in cuts:
        assert Line().send(*reads) == ["a", repr(text), "b"], reads


def test_two_pastes_stay_two() -> None:
    assert Line().send("\x1b[200~a\x1b[201~\x1b[200~b\x1b[201~") == ["'a'", "'b'"]


def test_alt_enter_is_not_enter() -> None:
    for reads in every_cut("a\x1b\rb\r"):
        assert Line().send(*reads) == ["a", "alt+enter", "b", "enter"]


def test_alt_with_a_digit_is_a_key_of_its_own() -> None:
    for reads in every_cut("a\x1b1b\x1b9\x1b[1;3B"):
        assert Line().send(*reads) == ["a", "alt+1", "b", "alt+9", "alt+down"]


def test_escape_is_a_key_once_nothing_follows_it() -> None:
    line = Line()
    assert line.send("\x1b") == []
    assert line.wait() == ["escape"]
    assert line.send("\r") == ["escape", "enter"]


def test_escape_in_a_burst_takes_no_letter_with_it() -> None:
    letters = "hello this is more than thirty-two letters"
    told = Line().send("\x1b" + letters + "\r")
    assert told[0] == "alt+h"
    assert len(told) == len(letters) + 1
    assert told[-1] == "enter"


@pytest.mark.parametrize(
    ("sequence", "key"),
    [
        ("\x1b[109;5u", "enter"),
        ("\x1b[105;5u", "tab"),
        ("\x1b[91;5u", "escape"),
        ("\x1b[104;5u", "backspace"),
        ("\x1b[13;3u", "alt+enter"),
        ("\x1b[13;2u", "shift+enter"),
        ("\x1b[27;2;13~", "shift+enter"),
        ("\x1b[27;5;109~", "enter"),
        ("\x1b[1;5A", "ctrl+up"),
        ("\x1bOP", "f1"),
        ("\x1bf", "ctrl+right"),
    ],
)
def test_a_key_is_the_same_under_every_protocol(sequence: str, key: str) -> None:
    for reads in every_cut(sequence):
        assert Line().send(*reads) == [key], reads


@pytest.mark.parametrize("sequence", ["\x1b[?62;22c", "\x1b[99;99;99y", "\x1b[>1;95;0c", "\x1b[1;2;3;4;5;6z"])
def test_a_sequence_that_nobody_knows_types_nothing_and_takes_nothing_with_it(sequence: str) -> None:
    for reads in every_cut(f"a{sequence}b\r"):
        line = Line()
        line.send(*reads)
        assert line.wait() == ["a", "b", "enter"], reads
