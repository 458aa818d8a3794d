"""What the commands of the chat screen do: its half that `tui.commands` knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

from chat.client.session import Session
from chat.domain.errors import ChatError
from chat.domain.validation import clean_nick
from chat.language import N_
from chat.language.translation import translate
from tui.commands import Refused
from tui.rows import Row
from tui.screens.ordered import Asking
from tui.timeline import Timeline
from tui.widgets.composer import Composer
from tui.widgets.message_view import KEEP, MessageView

PATIENCE = 10.0
"""Seconds for which a page of older messages is waited for."""
LEAST = (30, 8)
"""Columns and lines below which messages are not shown: a line of text would have hardly a word."""
TOO_SMALL = N_(f"too small: {LEAST[0]}x{LEAST[1]} is the least")


class ChatCommands(Asking):
    """A screen that can do what commands ask for; `ChatScreen` gives it the session and the widgets."""

    session: Session
    view: MessageView
    timeline: Timeline
    composer: Composer
    use_mouse: Callable[[bool], None]
    """Takes the mouse from the terminal, or leaves it to the terminal's own selection."""

    def __init__(self) -> None:
        super().__init__()
        self._loading = False

    @property
    def down(self) -> bool:
        """Whether the session has ended."""
        raise NotImplementedError

    def reopen(self, nick: str = "") -> None:
        """Open a new session, because this one has ended; ``nick``: under another name."""
        raise NotImplementedError

    def hint(self, text: str, *, failed: bool = False) -> None:
        """Show a line above the composer until the user types again."""
        raise NotImplementedError

    def action_command(self, name: str) -> None:
        """Run a command for a key."""
        raise NotImplementedError

    def edit_in_composer(self, id: int, text: str) -> None:
        self.composer.load_command(f"/edit #{id} ", text)

    def set_theme(self, name: str) -> None:
        self.app.theme = name

    def to_top(self) -> None:
        self.view.to_top()

    def to_end(self) -> None:
        self.view.to_end()

    async def quit(self) -> None:
        await self.app.action_quit()

    def show_help(self) -> None:
        from tui.screens.help import HelpScreen  # not needed for the first paint

        self.app.push_screen(HelpScreen(self.composer))

    def copy(self, argument: str) -> None:
        number = argument.removeprefix("#")
        if argument and not (number.isascii() and number.isdigit()):
            raise Refused("write /copy for the newest message, or /copy #ID")
        for row in reversed(self.view.rows):
            if row.id and not row.deleted and (not number or row.id == int(number)):
                self.copy_message(row)
                return
        if argument:
            raise Refused(f"there is no message {argument} here")
        raise Refused("there is no message here")

    def copy_message(self, row: Row) -> None:
        self.app.copy_to_clipboard(row.text)
        self.hint(translate(f"copied the message of {row.nick}") + translate(self._how_far()))

    def copy_selected(self) -> None:
        """Copy what is selected here or in the composer, and say so; Ctrl+C leaves nothing unsaid."""
        text = self.composer.selected_text or self.get_selected_text()
        if not text:
            self.hint("nothing is selected: drag with the mouse and press Ctrl+C; /quit leaves")
            return
        self.app.copy_to_clipboard(text)
        size = N_(f"{len(text)} character{'s' if len(text) != 1 else ''}")
        self.hint(translate(f"copied {size}") + translate(self._how_far()))

    @staticmethod
    def _how_far() -> str:
        """Return what the terminal must allow for a copy: no terminal answers whether it did."""
        if "TMUX" in os.environ:
            return N_(". tmux takes it only after: tmux set -s set-clipboard on")
        return N_(", if the terminal allows it")

    def toggle_times(self) -> None:
        self.view.restyle(replace(self.view.look, times=not self.view.look.times))

    def toggle_ids(self) -> None:
        self.view.restyle(replace(self.view.look, ids=not self.view.look.ids))

    def toggle_bare(self) -> None:
        bare = not self.view.look.bare
        self.set_class(bare, "-bare")
        self.view.restyle(replace(self.view.look, bare=bare))
        self.use_mouse(not bare)
        self.hint("select with the mouse and copy as in any terminal; Alt+L ends this" if bare else "")

    def clear(self) -> None:
        self.view.clear()
        self.timeline.cleared()

    def retry(self, nick: str = "") -> None:
        if self.down:
            self.reopen(clean_nick(nick) if nick else "")
        elif nick:
            raise Refused("the name stays as long as the session: /quit, and start again with --as NAME")
        else:
            self.session.retry_now()

    def load_history(self, *, asked: bool = True) -> None:
        """Load one page of older messages.

        Args:
            asked: the user asked for it, and is told why it is not possible. Otherwise nothing happens then.

        Raises:
            Refused: there are none, or the list is full.
        """
        if self._loading:
            return
        try:
            if self.timeline.complete:
                raise Refused(self.timeline.beginning)
            if len(self.view.rows) + self.session.limits.page > KEEP:
                raise Refused(f"the screen keeps {KEEP} lines: chat tail --after 0 shows all")
        except Refused:
            if asked:
                raise
            return
        self._loading = True
        self.run_worker(self._fetch_history(), group="history", exit_on_error=False)

    async def _fetch_history(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                older = await self.session.history(
                    before=self.timeline.oldest, limit=self.session.limits.page
                )
        except TimeoutError:
            self.hint("the server did not send older messages: scroll up again, or /history", failed=True)
        except ChatError as error:
            self.hint(f"older messages: {error}", failed=True)
        else:
            with self.app.batch_update(), self.view.changing():
                self.timeline.add_older(older)
            self.timeline.exhausted = not older
        finally:
            self._loading = False
