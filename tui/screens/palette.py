"""The list of all commands, on Ctrl+P: Textual's, which runs what matches the whole text that was typed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.command import Command, CommandInput, CommandList, CommandPalette
from textual.widgets import Input
from textual.worker import WorkerError, WorkerState

from tui.screens.ordered import Answered, Asking
from tui.widgets.own_keys import own_binding


class SearchField(CommandInput):
    """Where the command is typed."""

    async def on_key(self, event: events.Key) -> None:
        await own_binding(self, event)


class Palette(CommandPalette, Asking):
    """Textual 8.2.8 runs on Enter what its list shows, and the list may be older than the text."""

    ANSWERS: ClassVar[set[str]] = {"enter", "escape"}

    def compose(self) -> ComposeResult:
        for widget in super().compose():
            yield (
                SearchField(placeholder=self._placeholder, select_on_focus=False)
                if isinstance(widget, CommandInput)
                else widget
            )

    async def on_key(self, event: events.Key) -> None:
        await own_binding(self, event)

    @on(Input.Submitted)
    async def _run_what_matches(self, event: Input.Submitted) -> None:
        event.prevent_default()
        event.stop()
        for worker in list(self.workers):
            # A worker has no event for its start.
            while worker.node is self and worker.state is WorkerState.PENDING:  # noqa: ASYNC110
                await asyncio.sleep(0)
            if worker.node is self and not worker.is_finished:
                with suppress(WorkerError):
                    await worker.wait()
        commands = self.query_one(CommandList)
        number = commands.highlighted or 0
        chosen = commands.get_option_at_index(number) if commands.option_count else None
        if isinstance(chosen, Command):
            self.app.post_message(CommandPalette.Closed(option_selected=True))
            self.dismiss()
            self.app.call_later(chosen.hit.command)
        self.app.post_message(Answered())

    def _action_escape(self) -> None:
        super()._action_escape()
        self.app.post_message(Answered())
