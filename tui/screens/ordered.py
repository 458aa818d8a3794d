"""Keys and pastes in the order in which they were typed, also while one screen takes the place of another."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.message import Message
from textual.screen import Screen

from tui.terminal.compositor import OwnScreen


class Answered(Message):
    """A screen has done what one of its `Asking.ANSWERS` asked for; what was typed behind it may go on."""


class Asking(OwnScreen):
    """A screen that some keys may replace by another one. It posts `Answered` to the app after each."""

    ANSWERS: ClassVar[set[str]] = {"enter"}

    def asks(self, key: str) -> bool:
        """Whether this key may replace the screen now."""
        return key in self.ANSWERS and self.focused is not None


class OrderedApp(App[None], inherit_bindings=False):
    """Keeps back what is typed while a screen opens, and behind a key that may replace the screen.

    Textual gives a key to the widget that has the focus when the key comes. In a burst that is the widget
    that is about to go, or none, because the new screen has no focus yet; and the key is lost.
    """

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._opening: Screen[Any] | None = None
        self._asked: Screen[Any] | None = None
        self._held: deque[events.Key | events.Paste] = deque()

    @property
    def _waits(self) -> bool:
        # A screen that has gone for another reason is waited for no longer.
        return self.screen in (self._opening, self._asked)

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._held.append(event)
        await self._go_on()

    async def _go_on(self) -> None:
        while self._held and not self._waits:
            event = self._held.popleft()
            screen = self.screen
            if isinstance(event, events.Key) and isinstance(screen, Asking) and screen.asks(event.key):
                self._asked = screen
            await super().on_event(event)

    def open(self, screen: Screen[Any], *, instead: bool = False) -> None:
        """Show a screen, and give it what is typed from now on; ``instead``: in the place of this one."""
        self._opening = screen
        if instead:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)
        # Not before its first picture: by then it has a focus.
        screen.call_after_refresh(lambda: self.call_later(self.opened))

    async def opened(self) -> None:
        """Go on with what was typed while the screen opened."""
        self._opening = None
        await self._go_on()

    async def on_answered(self) -> None:
        self._asked = None
        await self._go_on()
