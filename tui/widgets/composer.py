"""The composer: Enter sends, Ctrl+J starts a new line, Up and Down recall sent texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from tui.widgets.completion import Candidate, Completion, candidates, last_word

PASTE_LINES = 3
"""If more lines than this are pasted, the user is asked what to do with them."""
REMEMBERED = 200
"""Sent texts that Up can recall."""


class Composer(TextArea):
    """A text area that posts `Submitted`. If the text is refused, `give_back` restores it."""

    @dataclass
    class Submitted(Message):
        """The user pressed Enter."""

        text: str

    @dataclass
    class Pasted(Message):
        """More than `PASTE_LINES` lines were pasted, and not inserted."""

        text: str

    def __init__(self, completion: Completion, *, placeholder: str) -> None:
        super().__init__(
            id="composer",
            placeholder=placeholder,
            compact=True,
            highlight_cursor_line=False,
        )
        self.nicks: list[str] = []
        """The names that can be completed."""
        self._completion = completion
        self._sent: list[str] = []
        self._back = 0  # how many sent texts Up has gone back
        self._draft = ""  # the text before Up was pressed
        self._edit = ""  # the beginning of the text while it is an edit
        self._keys: dict[str, Callable[[], None]] = {
            "enter": self._send,
            "ctrl+j": self._new_line,
            "alt+enter": self._new_line,
            "shift+enter": self._new_line,
            "tab": self._complete,
            "up": self._up,
            "down": self._down,
        }

    def load(self, text: str) -> None:
        """Replace the text and put the cursor at its end."""
        self._edit = ""
        self.text = text
        self.move_cursor(self.document.end)

    def load_edit(self, id: int, text: str) -> None:
        """Put a message into the composer, to be changed; `cancel_edit` removes it."""
        self.load(f"/edit #{id} {text}")
        self._edit = f"/edit #{id} "

    def cancel_edit(self) -> bool:
        """Remove an edit that `load_edit` began; return whether there was one."""
        editing = bool(self._edit) and self.text.startswith(self._edit)
        if editing:
            self.load("")
        return editing

    def give_back(self, text: str) -> None:
        """Put a refused text before whatever has been written since."""
        self._put(f"{text}\n{self.text}" if self.text else text)

    @property
    def before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)

    # --- keys ----------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Handle the keys that have another meaning here than in other text areas.

        These are no priority bindings, because those overtake letters that are still in this widget's queue.
        """
        if (act := self._keys.get(event.key)) is not None:
            event.prevent_default()
            event.stop()
            act()

    def submit(self) -> None:
        """Post the text and empty the composer.

        The composer is emptied at once, because the next letters may come before the message is handled.
        """
        self._completion.offer([])
        text = self.text.strip()
        if not text:
            return
        if not self._sent or self._sent[-1] != text:
            self._sent.append(text)
            del self._sent[:-REMEMBERED]
        self._back = 0
        self.load("")
        self.post_message(self.Submitted(text))

    def _send(self) -> None:
        chosen = self._completion.chosen
        if chosen is not None and not self._is_candidate():
            self._accept(chosen)
        else:
            self.submit()

    def _is_candidate(self) -> bool:
        """Return whether the word before the cursor is complete."""
        word = last_word(self.before_cursor)
        return any(candidate.word == word for candidate in self._completion.offered)

    def _new_line(self) -> None:
        self.insert("\n")

    def _complete(self) -> None:
        if self._completion.open:
            if self._completion.chosen is not None:
                self._accept(self._completion.chosen)
            return
        offered = candidates(self.before_cursor, self.nicks, asked=True)
        if len(offered) == 1:
            self._accept(offered[0])
        else:
            self._completion.offer(offered)

    def _up(self) -> None:
        if self._completion.open:
            self._completion.move(-1)
        elif self.cursor_location[0] > 0:
            self.action_cursor_up()
        elif self._back < len(self._sent):
            if self._back == 0:
                self._draft = self.text
            self._back += 1
            self._put(self._sent[-self._back])

    def _down(self) -> None:
        if self._completion.open:
            self._completion.move(1)
        elif self.cursor_location[0] < self.document.line_count - 1:
            self.action_cursor_down()
        elif self._back:
            self._back -= 1
            self._put(self._sent[-self._back] if self._back else self._draft)

    def _put(self, text: str) -> None:
        with self.prevent(TextArea.Changed):  # not typed: offer no completion, keep the hint
            self.load(text)

    def _accept(self, candidate: Candidate) -> None:
        row, column = self.cursor_location
        start = column - len(last_word(self.before_cursor))
        self.replace(candidate.word + " ", (row, start), (row, column))
        self.move_cursor((row, start + len(candidate.word) + 1))
        self._completion.offer([])

    def on_text_area_changed(self) -> None:
        if not self.text:
            self._back = 0
        self._completion.offer(candidates(self.before_cursor, self.nicks))

    # --- pasting -------------------------------------------------------------------------------

    def on_paste(self, event: events.Paste) -> None:
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        event.prevent_default()
        event.stop()
        if len(text.strip("\n").split("\n")) > PASTE_LINES:
            self.post_message(self.Pasted(text.strip("\n")))
        else:
            self.insert(text)
