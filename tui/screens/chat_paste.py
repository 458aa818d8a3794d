"""Pastes of several lines on the chat screen: the user is asked what becomes of each."""

from __future__ import annotations

from chat.domain.errors import ChatError
from tui.commands import Refused
from tui.screens.chat_commands import ChatCommands
from tui.widgets.composer import Composer


class ChatPaste(ChatCommands):
    """The part of the chat screen that asks about pastes, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._pastes: list[Composer.Pasted] = []  # those about which the user is asked, the oldest first

    @property
    def pasted(self) -> list[str]:
        """What was pasted, and is neither sent nor thrown away yet."""
        return [paste.text for paste in self._pastes]

    def say(self, *texts: str) -> None:
        """Send messages. Raises `BadText` and `Refused`."""
        raise NotImplementedError

    def on_composer_pasted(self, event: Composer.Pasted) -> None:
        self._pastes.append(event)
        if len(self._pastes) == 1:
            self._ask()

    def _ask(self) -> None:
        """Ask about the oldest of the pastes that wait."""
        from tui.screens.paste import Answer, PasteScreen  # not needed for the first paint

        paste = self._pastes[0]

        def answered(answer: Answer | None) -> None:
            del self._pastes[0]
            try:
                if answer == "one":
                    self.composer.submit_paste(paste)
                elif answer == "insert":
                    self.composer.insert_paste(paste)
                elif answer == "lines":
                    self.say(*(line for line in paste.text.split("\n") if line.strip()))
            except (Refused, ChatError) as error:
                self.hint(f"nothing was sent: {error}", failed=True)
            if self._pastes:
                self._ask()

        self.app.push_screen(PasteScreen(paste.text, self.composer), answered)

    def on_composer_not_pasted(self, event: Composer.NotPasted) -> None:
        self.hint(f"nothing was pasted: {event.reason}", failed=True)
