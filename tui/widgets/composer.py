"""The composer: Enter sends, Ctrl+J starts a new line, Up and Down recall sent texts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from chat.domain.errors import BadText
from chat.domain.validation import clean_text, printable
from tui.sent_texts import SentTexts
from tui.widgets.completion import Candidate, Completion, candidates, last_word
from tui.widgets.own_keys import own_binding

PASTE_LINES = 3
"""If more lines than this are pasted, the user is asked what to do with them."""


def type_behind(event: events.Key, composer: Composer) -> bool:
    """Pass a letter on that was typed while another screen is shown; return whether it is one."""
    if not event.is_printable:
        return False
    event.stop()
    composer.post_message(events.Key(event.key, event.character))
    return True


class Composer(TextArea):
    """A text area that posts `Submitted`. If the text is refused, `give_back` restores it.

    Args:
        completion: the list above the composer.
        placeholder: shown while there is no text.
        keys: what further keys do. They are handled here, and not by priority bindings of the screen, because
            those overtake letters that are still in this widget's queue.
        sent: what Up recalls.
    """

    _styled: TextAreaTheme | None = None  # the theme that has the styles of now
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+underscore", "undo", "Undo", show=False)  # Ctrl+Z suspends
    ]

    @dataclass
    class Submitted(Message):
        """The user pressed Enter."""

        text: str
        draft: str
        """What the composer holds since: the draft that a command had replaced; else nothing."""

    @dataclass
    class Pasted(Message):
        """More than `PASTE_LINES` lines were pasted, and not inserted."""

        text: str
        before: str
        after: str
        """What stood before and behind the cursor."""

    @dataclass
    class NotPasted(Message):
        """A text was pasted that no message may hold."""

        reason: str

    def __init__(
        self,
        completion: Completion,
        *,
        placeholder: str,
        keys: dict[str, Callable[[], None]],
        sent: SentTexts | None = None,
    ) -> None:
        super().__init__(
            id="composer",
            placeholder=placeholder,
            compact=True,
            highlight_cursor_line=False,
        )
        self.nicks: list[str] = []
        """The names that can be completed."""
        self.rooms: Callable[[], Iterable[str]] = lambda: ()
        """Returns the rooms that can be completed."""
        self.edit_last: Callable[[], bool] = lambda: False
        """Begins an edit of the last message, on Up where nothing was written; says whether it did."""
        self.unhandled = 0
        """How many `Submitted` were posted that nobody has handled yet."""
        self._others = keys
        self._read_keys: dict[str, Callable[[], None]] | None = None
        self._completion = completion
        self._offered_for: tuple[str, tuple[int, int]] | None = (
            None  # the text and cursor that the list is for
        )
        self._sent = SentTexts() if sent is None else sent
        self._back = 0  # how many sent texts Up has gone back
        self._lines: dict[int, str] = {}  # the texts that Up and Down have left; at 0 the one that was begun
        self._command = ""  # what `load_command` wrote before the cursor
        self._kept: list[tuple[str, str]] = []  # texts and commands that `load_command` has replaced
        self._keys: dict[str, Callable[[], None]] = {
            **keys,
            "enter": self._send,
            "ctrl+enter": self._send,  # most terminals can't tell it from Enter
            "ctrl+j": self._new_line,
            "alt+enter": self._new_line,
            "shift+enter": self._new_line,
            "tab": self._complete,
            "up": self._up,
            "down": self._down,
        }

    @property
    def read_keys(self) -> dict[str, Callable[[], None]] | None:
        """What keys do while nothing can be written; None: this user writes."""
        return self._read_keys

    @read_keys.setter
    def read_keys(self, keys: dict[str, Callable[[], None]] | None) -> None:
        self._read_keys = keys
        self.read_only, self.show_cursor = keys is not None, keys is None
        self._offer([])

    def quote(self, line: str) -> None:
        """Put a quotation above what was written."""
        self._put(f"{line}\n{self.text}")

    def load(self, text: str) -> None:
        """Replace the text and put the cursor at its end."""
        self._command = ""
        self.text = text
        self.move_cursor(self.document.end)

    # --- commands that keep the draft ----------------------------------------------------------

    def load_command(self, command: str, argument: str = "") -> None:
        """Put a command into the composer, to be completed. `cancel` and sending it bring the draft back."""
        if self.text.strip() and self.text != self._command:
            self._kept.append((self.text, self._command))
        self.load(command + argument)
        self._command = command

    def cancel(self) -> bool:
        """Remove a command that `load_command` began; return whether there was one."""
        begun = bool(self._command) and (self.text.startswith(self._command) or not self.text.strip())
        if begun:
            self._next()
        return begun

    def _next(self) -> None:
        """Empty the composer, or show what was kept last."""
        text, command = self._kept.pop() if self._kept else ("", "")
        self.load(text)
        self._command = command

    def give_back(self, text: str, draft: str = "") -> None:
        """Put a refused text before whatever has been written since.

        Args:
            text: the refused text.
            draft: the draft that `Submitted` named. If it is still what the composer holds, it is kept again.
        """
        if draft and self.text == draft:
            command, space, argument = text.partition(" ")
            self.load_command(command + space, argument)
        else:
            self._put(f"{text}\n{self.text}" if self.text else text)

    @property
    def drafts(self) -> list[str]:
        """All texts that were written here and not sent, the oldest first."""
        begun = self._lines.get(0, "") if self._back else ""
        texts = [*(text for text, _ in self._kept), begun, "" if self.text == self._command else self.text]
        return [text for text in texts if text.strip()]

    @property
    def before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)

    def notify_style_update(self) -> None:
        self._styled = None
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return visible lines. Textual's own reads all styles of its theme anew, with every key."""
        if self._styled is not None and self._styled is self._theme:  # private in 8.2.8
            return super(TextArea, self).render_lines(crop)
        self._styled = self._theme
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        if not self.text and self.content_size.width < len("Message"):
            return Strip.blank(self.size.width, self.rich_style)  # Textual can't wrap to no cells
        return super().render_line(y)

    # --- keys ----------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """Handle the keys that have another meaning here than in other text areas."""
        if self._read_keys is not None:
            act = self._read_keys.get(event.key) or self._others.get(event.key)
        else:
            act = self._keys.get(event.key)
        if act is not None:
            event.prevent_default()
            event.stop()
            act()
        elif self._read_keys is not None:
            event.prevent_default()
        elif (letter := event.character) and not event.is_printable and printable(letter) == letter:
            # Python calls a wide space or a zero-width joiner not printable: the text area would drop it.
            event.prevent_default()
            event.stop()
            self.replace(letter, *self.selection)
        elif not event.is_printable:
            await own_binding(self, event)

    def action_delete_to_start_of_line(self) -> None:
        """Delete to the start of the line that was written, not of the row that it is wrapped to."""
        row, column = self.cursor_location
        if column:
            self.delete((row, 0), (row, column))
        else:
            super().action_delete_to_start_of_line()

    def action_delete_to_end_of_line(self) -> None:
        """The same to its end."""
        row, column = self.cursor_location
        self.delete((row, column), (row, len(self.document[row])))

    def submit(self) -> None:
        """Post the text and empty the composer.

        The composer is emptied at once, because the next letters may come before the message is handled.
        """
        self._offer([])
        text = self.text.strip()
        begun = self._lines.get(0, "") if self._back else ""
        self._back = 0
        self._lines.clear()
        if text:
            self._sent.add(text)
        if begun and text:
            self.load(begun)
        else:
            self._next()
        if text:
            self.unhandled += 1
            self.post_message(self.Submitted(text, self.text))

    def _send(self) -> None:
        chosen = self._completion.chosen if self._listed else None
        wanted = chosen is not None and (self._completion.moved or not chosen.free)
        if chosen is not None and wanted and not self._is_candidate():
            self._accept(chosen)
        else:
            self.submit()

    def _new_line(self) -> None:
        self.replace("\n", *self.selection)

    def _up(self) -> None:
        if self._listed:
            self._completion.move(-1)
        elif self.cursor_location[0] > 0:
            self.action_cursor_up()
        elif not (self._fresh and self.edit_last()) and self._back < len(self._sent):
            self._recall(self._back + 1)

    @property
    def _fresh(self) -> bool:
        """Whether nothing was written, and all that was sent before was handled."""
        return not (self.text or self._back or self.unhandled)

    def _down(self) -> None:
        if self._listed:
            self._completion.move(1)
        elif self.cursor_location[0] < self.document.line_count - 1:
            self.action_cursor_down()
        elif self._back:
            self._recall(self._back - 1)

    def _recall(self, back: int) -> None:
        """Show the text that was sent ``back`` times ago, 0: the one that was begun; keep what is there."""
        self._lines[self._back] = self.text
        self._back = back
        self._put(self._lines.get(back, self._sent[-back] if back else ""))

    def _put(self, text: str) -> None:
        command = self._command
        with self.prevent(TextArea.Changed):  # not typed: offer no completion, keep the hint
            self.load(text)
        self._command = command

    # --- completion ----------------------------------------------------------------------------

    @property
    def _listed(self) -> bool:
        """Whether the list is open and belongs to what stands here now.

        The list is brought up to date by a message, and in a burst of keys the text is ahead of it.
        """
        return self._completion.open and self._offered_for == (self.text, self.cursor_location)

    def _offer(self, offered: list[Candidate]) -> None:
        self._offered_for = (self.text, self.cursor_location)
        self._completion.offer(offered)

    def _is_candidate(self) -> bool:
        """Return whether the word before the cursor is complete."""
        word = last_word(self.before_cursor)
        return any(candidate.word == word != "" for candidate in self._completion.offered)

    def _complete(self) -> None:
        if self._listed:
            if self._completion.chosen is not None:
                self._accept(self._completion.chosen)
            return
        offered = candidates(self.before_cursor, self.nicks, self.rooms(), asked=True)
        if len(offered) == 1:
            self._accept(offered[0])
        else:
            self._offer(offered)

    def _accept(self, candidate: Candidate) -> None:
        row, column = self.cursor_location
        start = column - len(last_word(self.before_cursor))
        self.replace(candidate.word + " ", (row, start), (row, column))
        self.move_cursor((row, start + len(candidate.word) + 1))
        self._offer([])

    def on_text_area_changed(self) -> None:
        self._offer(candidates(self.before_cursor, self.nicks, self.rooms()))

    def offer_again(self) -> None:
        """More can be completed than before: bring the list up to date, unless the user is choosing."""
        if self._read_keys is None and not self._completion.moved:
            self._offer(candidates(self.before_cursor, self.nicks, self.rooms()))

    def on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        event.stop()  # nothing above asks for it
        if self._offered_for and self._offered_for[0] == self.text and not self._listed:
            self._offer([])  # the cursor was moved

    # --- pasting -------------------------------------------------------------------------------

    def on_paste(self, event: events.Paste) -> None:
        if self._read_keys is not None:
            self._read_keys["escape"]()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        event.prevent_default()
        event.stop()
        try:
            if text.strip():
                clean_text(text, sys.maxsize)  # how long it may be is told when it is sent
        except BadText as error:
            self.post_message(self.NotPasted(str(error)))
            return
        if len(text.strip("\n").split("\n")) > PASTE_LINES:
            before = self.before_cursor
            self.post_message(self.Pasted(text.strip("\n"), before, self.text[len(before) :]))
        else:
            self.replace(text, *self.selection)

    def insert_paste(self, paste: Pasted) -> None:
        """Put a paste where the cursor is now."""
        self.replace(paste.text, *self.selection)

    def submit_paste(self, paste: Pasted) -> None:
        """Post a paste with what stood around the cursor. What was typed since stays in the composer."""
        around = paste.before + paste.after
        fits = self.text.startswith(paste.before) and self.text.endswith(paste.after)
        if not around or self._command or not fits or len(self.text) < len(around):
            self._post(paste.text)
            return
        since = self.text[len(paste.before) : len(self.text) - len(paste.after)]
        self.load(since)
        self._post(paste.before + paste.text + paste.after)

    def _post(self, text: str) -> None:
        self.unhandled += 1
        self.post_message(self.Submitted(text, ""))
