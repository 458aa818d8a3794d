"""`chat board`: a room on a projector. It reads without a seat: it is in nobody's list, and can't write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static
from textual.worker import Worker

from chat.domain.errors import ChatError, NoSuchRoom
from chat.interfaces.watcher import Watcher
from chat.language import N_
from tui import themes
from tui.app import terminal_driver
from tui.board import Board
from tui.failures import failure
from tui.terminal.compositor import OwnScreen

Connect = Callable[[], Awaitable[Watcher]]
"""Returns a watcher; asked again after a connection was lost. Raises `ChatError`."""
COUNT_EVERY = 2.0
"""Seconds between two looks who lags."""
AGAIN = 1.0
"""Seconds until the next try."""


class BoardScreen(OwnScreen):
    """The room as it is now.

    Args:
        board: empty yet.
        connect: see `Connect`.
        now: returns the seconds since the epoch.
    """

    def __init__(self, board: Board, connect: Connect, now: Callable[[], float]) -> None:
        super().__init__()
        self.board = board
        self._connect, self._now = connect, now
        self._shown = Static("", id="board", markup=False)

    def compose(self) -> ComposeResult:
        yield self._shown

    def on_mount(self) -> None:
        self.run_worker(self._watch(), exit_on_error=False)
        self.set_interval(1.0, self._tick)

    def on_resize(self) -> None:
        self.draw()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if why := failure(event):
            self.board.trouble = why
            self.draw()

    def draw(self) -> None:
        """Show the board as it is now."""
        self._shown.update(self.board.content(self.size.width, self.size.height, int(self._now() * 1000)))

    def _tick(self) -> None:
        if self.board.classroom.fault:  # it counts down
            self.draw()

    async def _watch(self) -> None:
        while True:
            try:
                watcher = await self._connect()
                try:
                    await self._read(watcher)
                finally:
                    await watcher.close()
            except NoSuchRoom:
                self.board.trouble = N_("nobody has been in this room yet")
            except ChatError as error:
                self.board.trouble = str(error)
            self.draw()
            await asyncio.sleep(AGAIN)

    async def _read(self, watcher: Watcher) -> None:
        """Follow the room until the connection is lost, which raises."""
        self.board.look_at(await watcher.epoch())
        events = await watcher.newest() if not self.board.head else await watcher.after(self.board.head)
        self.board.take(events)
        await self._count(watcher)
        counting = asyncio.create_task(self._keep_counting(watcher))
        try:
            while True:
                self.board.trouble = ""
                self.draw()
                if self.board.take(await watcher.after(self.board.head)):
                    await self._count(watcher)
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)

    async def _count(self, watcher: Watcher) -> None:
        """Ask who is here, and who lags."""
        self.board.members, self.board.behind = await watcher.members()

    async def _keep_counting(self, watcher: Watcher) -> None:
        """Count again and again: who does not read any more causes no event. Ends when that fails."""
        while True:
            await asyncio.sleep(COUNT_EVERY)
            before = self.board.members, self.board.behind
            await self._count(watcher)
            if (self.board.members, self.board.behind) != before:
                self.draw()


class BoardApp(App[None], inherit_bindings=False):
    """The board alone on a terminal; q ends it.

    Args:
        board: see `BoardScreen`.
        connect: see `BoardScreen`.
        theme: one of `tui.themes.NAMES`; None: high contrast.
        now: returns the seconds since the epoch.

    Raises:
        ChatError: there is no such theme.
    """

    TITLE = "chat board"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q,ctrl+c,q", "quit", show=False)]

    def __init__(
        self, board: Board, connect: Connect, theme: str | None = None, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(driver_class=terminal_driver())
        if theme is not None and theme not in themes.NAMES:
            raise ChatError(f"there is no theme {theme!r}: choose {', '.join(themes.NAMES)}")
        for known in themes.THEMES:
            self.register_theme(known)
        self.theme = theme or "high-contrast"
        self._board, self._connect, self._now = board, connect, now

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.FALLBACK

    def get_default_screen(self) -> BoardScreen:
        return BoardScreen(self._board, self._connect, self._now)
