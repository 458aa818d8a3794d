"""Searching on the chat screen: in the list first, then back through the room's whole history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import tzinfo
from functools import partial

from textual.worker import Worker

from chat.domain.errors import ChatError
from chat.domain.model import Event
from chat.language.translation import translate
from tui.commands import TABLE, Refused
from tui.rows import clock_and_day
from tui.screens.chat_commands import PATIENCE
from tui.screens.chat_reading import ChatReading
from tui.search import Search
from tui.widgets.message_view import KEEP

PAGES = 25
"""Pages of the history that one step asks for; a page has `Limits.page` events."""


class ChatSearch(ChatReading):
    """The part of the chat screen that searches. A step stops at a hit, after `PAGES`, and on Escape."""

    search: Search
    zone: tzinfo | None
    _step_back: Worker[None] | None = None

    @property
    def search_keys(self) -> dict[str, Callable[[], None]]:
        """What keys of the composer do. Shift+F3 has the name of a key of its own in xterm."""
        newer = partial(self._next_hit, 1)
        return {"f3": self._f3, "shift+f3": newer, "f15": newer}

    def _f3(self) -> None:
        """Go to the next hit while something is searched; else run the command that has the key."""
        if self.search.text:
            self._next_hit(-1)
            return
        for command in TABLE.values():
            if command.key == "f3":
                self.action_command(command.name)

    def _next_hit(self, step: int) -> None:
        try:
            self.find_next(step)
        except Refused as error:
            self.hint(str(error), failed=True)

    def find(self, text: str) -> None:
        """Search a text, or go on to the next older hit if it is searched already; "": end the search."""
        if text != self.search.text:
            self.end_search()
            self.search.begin(text)
            self._show_keys()
        if text:
            self.find_next(-1)

    def end_search(self) -> None:
        """Remove the marks, and what was found beyond the list."""
        self.stop_searching()
        if self.search.text:
            chosen = self.view.chosen
            self.search.begin("")
            with self.view.changing():
                self.timeline.forget_found()
            if self.reading and chosen is not None:
                self.view.choose(self.view.lines.nearest(chosen.place))
            self._show_keys()

    def stop_searching(self) -> bool:
        """End the step that is under way; return whether there was one."""
        step, self._step_back = self._step_back, None
        if step is None or step.is_finished:
            return False
        step.cancel()
        self.hint(f"the search for {self.search.text!r} was stopped. {self._so_far()}")
        return True

    def find_next(self, step: int) -> None:
        """Go to the next older hit (-1), if need be further back in the history, or to a newer one (1)."""
        if not self.search.text:
            raise Refused("nothing is searched: /find TEXT")
        if self._go_to_hit(step):
            return
        if step > 0:
            raise Refused("no newer message holds this text")
        if self._step_back is None or self._step_back.is_finished:
            self._step_back = self.run_worker(self._search_back(), group="search", exit_on_error=False)

    def _go_to_hit(self, step: int) -> bool:
        found = self.search.go(step)
        if found is not None:
            self.hint(f"{found[0]} of {found[1]}: F3 goes to an older one, Shift+F3 to a newer one, Esc ends")
            self._show_keys()
        return found is not None

    # --- back through the history --------------------------------------------------------------

    async def _search_back(self) -> None:
        """Ask for pages until one has a hit."""
        search = self.search
        if self._loading:
            return
        self._loading = True
        try:
            for _ in range(PAGES):
                before = min(search.back_to or self.timeline.oldest, self.timeline.oldest)
                if before <= max(self.timeline.first, 1) or not await self._search_page(before):
                    self.hint(f"no older message holds {search.text!r}. {self._so_far()}", failed=True)
                    return
                if self._go_to_hit(-1):
                    return
                self.hint(f"searching, Esc stops. {self._so_far()}")
            self.hint(f"F3 goes on. {self._so_far()}")
        except TimeoutError:
            self.hint("the server did not send older messages: F3 tries again", failed=True)
        except (ChatError, Refused) as error:
            self.hint(f"older messages: {error}", failed=True)
        finally:
            self._loading = False

    async def _search_page(self, before: int) -> bool:
        """Search one page; return whether there was any."""
        limit = self.session.limits.page
        async with asyncio.timeout(PATIENCE):
            events = await self.session.history(before=before, limit=limit)
        if not events:
            return False
        with self.app.batch_update(), self.view.changing():
            if before == self.timeline.oldest and len(self.view.rows) + limit <= KEEP:
                self.timeline.add_older(events)
            else:
                room = KEEP - len(self.view.rows)
                if room < 2:
                    raise Refused(f"the screen keeps {KEEP} lines: chat tail --after 0 shows all")
                self.timeline.add_found(events, self.search.text, room)
        self._searched(events)
        return True

    def _searched(self, events: list[Event]) -> None:
        self.search.back_to = events[0].seq
        self._back_at = events[0].at

    _back_at = 0

    def _so_far(self) -> str:
        """Say how far the search has come."""
        if not self.search.back_to:
            return translate("Searched: what is in the list")
        clock, day = clock_and_day(self._back_at // 60_000, self.zone)
        hits = len(self.search.hits)
        return translate(f"Searched back to #{self.search.back_to}, {day} {clock}; {hits} found")
