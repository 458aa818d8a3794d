"""The lanes of one room: what is written goes to all of them, or to one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import tzinfo

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker

from chat.domain.errors import ChatError
from chat.domain.validation import clean_text
from chat.language import N_
from chat.language.translation import translate
from tui.failures import failure
from tui.lanes.lane import Lane
from tui.opening import Opened, finish
from tui.pump import pump
from tui.rows import one_line
from tui.screens.chat import HEIGHTS, WIDTHS
from tui.terminal.compositor import OwnScreen
from tui.widgets.completion import Completion
from tui.widgets.composer import Composer

MOST = 4
"""Lanes that are open at once: each is a seat of its own in the room."""
WIDTH = 30
"""Cells that a lane needs; on a narrower screen only those around the chosen one are shown."""
EVERY = 1.0
"""Seconds between two looks at the bytes that have passed."""
HELP = N_("Tab, Shift+Tab choose a lane; PgUp, PgDn scroll; //x sends /x as text")


class LaneComposer(Composer):
    """A composer whose Tab chooses a lane."""

    class NextLane(Message):
        """Tab was pressed."""

    def _complete(self) -> None:
        self.post_message(self.NextLane())


class LanesScreen(OwnScreen):
    """Shows the lanes until Escape.

    Args:
        opened: a session for each lane, not started yet.
        zone: the time zone of the times; None: the local one.
        now: returns the seconds since the epoch.
        when_left: called with what was not acknowledged and what was begun, when the lanes were left.
    """

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(
        self,
        opened: Sequence[Opened],
        *,
        zone: tzinfo | None,
        now: Callable[[], float],
        when_left: Callable[[list[str], list[str]], None],
    ) -> None:
        super().__init__()
        self.lanes = [Lane(one, zone=zone, now=now) for one in opened]
        self.linger = 1.0
        """Seconds for which the lanes wait for acknowledgements when they are left."""
        self._when_left = when_left
        self._leaving: asyncio.Task[None] | None = None
        self._chosen: int | None = None  # the lane that what is written goes to; None: all
        self._completion = Completion()
        self._hint = Static("", id="hint", markup=False)
        self._keys = Static("", id="lane-keys", markup=False)
        self.composer = LaneComposer(
            self._completion,
            placeholder=translate("Message to the lanes"),
            keys={
                "escape": self._close,
                "shift+tab": lambda: self._choose(-1),
                "pageup": lambda: self._page(-1),
                "pagedown": lambda: self._page(1),
                "f1": lambda: self.hint(HELP),
                "f2": self._show_bytes,
                "f8": self._close,
                "ctrl+z": lambda: self.app.action_suspend_process(),
            },
        )

    def compose(self) -> ComposeResult:
        with Horizontal(id="lanes"):
            yield from self.lanes
        with Vertical(id="lanes-foot"):
            yield self._completion
            yield self._hint
            yield self.composer
            yield self._keys

    def on_mount(self) -> None:
        self.composer.focus()
        for number, lane in enumerate(self.lanes):
            lane.session.start()
            work = pump(lane.session, self.app, lane.apply)
            self.run_worker(work, group=f"lane {number}", exit_on_error=False)
        self.set_interval(EVERY, self._look)
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _look(self) -> None:
        for lane in self.lanes:
            lane.look()

    # --- which lane ----------------------------------------------------------------------------

    def on_lane_composer_next_lane(self) -> None:
        self._choose(1)

    def _choose(self, by: int) -> None:
        """Go round: all lanes, the first, the second ..."""
        now = 0 if self._chosen is None else self._chosen + 1
        to = (now + by) % (len(self.lanes) + 1)
        self._chosen = to - 1 if to else None
        self._show()

    def _show(self) -> None:
        """Show as many lanes as fit, the chosen one among them, and where a line goes."""
        fits = max(1, self.size.width // WIDTH)
        first = min(max(0, (self._chosen or 0) - fits + 1), max(0, len(self.lanes) - fits))
        for number, lane in enumerate(self.lanes):
            lane.display = first <= number < first + fits
            lane.head.chosen = number == self._chosen
            lane.head.refresh()
        hidden = len(self.lanes) - min(fits, len(self.lanes))
        if self._chosen is None:
            to = translate(f"to all {len(self.lanes)} lanes")
        else:
            to = translate(f"only to {self.lanes[self._chosen].technique}")
        more = f"  {translate(f'{hidden} hidden')}" if hidden else ""
        keys = translate("Tab lane  F2 bytes  Esc close  bars: 0.1 ms to 2 s")
        self._keys.update(Content.assemble((f" {to}{more}", "bold $accent"), (f"  {keys}", "")))

    def _targets(self) -> list[Lane]:
        return self.lanes if self._chosen is None else [self.lanes[self._chosen]]

    def _page(self, pages: int) -> None:
        for lane in self._targets():
            lane.view.page(pages)

    # --- writing -------------------------------------------------------------------------------

    async def on_composer_submitted(self, event: Composer.Submitted) -> None:
        text = event.text
        if text in ("/lanes", "/leave"):
            self._close()
        elif text == "/quit":
            await self.app.action_quit()
        elif text.startswith("/") and not text.startswith("//"):
            self.composer.give_back(text, event.draft)
            self.hint("lanes take no commands but /lanes and /quit: Esc goes back to the room", failed=True)
        else:
            self._send(event, text[1:] if text.startswith("//") else text)

    def _send(self, event: Composer.Submitted, text: str) -> None:
        lanes = [lane for lane in self._targets() if lane.head.state.name != "down"]
        try:
            limit = min(lane.session.limits.text_bytes for lane in self.lanes)
            text = clean_text(text, limit)
            if not lanes:
                raise ChatError("not sent: the connection is down")
        except ChatError as error:
            self.composer.give_back(event.text, event.draft)
            self.hint(str(error), failed=True)
            return
        for lane in lanes:
            lane.say(text)

    def on_composer_pasted(self, event: Composer.Pasted) -> None:
        self.composer.submit_paste(event)

    def on_composer_not_pasted(self, event: Composer.NotPasted) -> None:
        self.hint(f"nothing was pasted: {event.reason}", failed=True)

    def hint(self, text: str, *, failed: bool = False) -> None:
        """Show a line above the composer until the user types again."""
        shown = translate(one_line(text))
        self._hint.update(Content(f"✖ {shown}" if failed else shown))
        self._hint.set_class(failed, "-failed")
        self._hint.set_class(bool(text), "-on")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if why := failure(event):
            self.hint(why, failed=True)

    def on_key(self, event: events.Key) -> None:
        if event.is_printable:
            self.composer.focus()

    def on_text_area_changed(self) -> None:
        if self.composer.text:
            self._hint.remove_class("-on")

    # --- the wire ------------------------------------------------------------------------------

    def _show_bytes(self) -> None:
        self.run_worker(self._tap(), group="tap", exclusive=True, exit_on_error=False)

    async def _tap(self) -> None:
        """Be in the way of every lane and count what passes, or be no longer."""
        wires = [(lane, lane.wiretap) for lane in self.lanes if lane.wiretap is not None]
        if not wires:
            self.hint("these lanes have no wire of their own to show", failed=True)
        on = any(wire.on for _, wire in wires)
        for lane, wire in wires:
            if on:
                wire.leave()
            else:
                try:
                    await wire.start()
                except OSError as error:
                    self.hint(N_(f"the wire can't be shown: {error.strerror}"), failed=True)
                    continue
            lane.session.redial()
            lane.look()
        if on:
            await asyncio.sleep(EVERY)
            for _, wire in wires:
                await wire.close()

    # --- the end -------------------------------------------------------------------------------

    def _close(self) -> None:
        self.hint("leaving the lanes ...")
        self.app.run_worker(self._leave_and_pop(), group="lanes", exit_on_error=False)

    async def _leave_and_pop(self) -> None:
        await self.leave(self.linger)
        if self.app.screen is self:
            self.app.pop_screen()

    async def leave(self, linger: float) -> None:
        """Leave every lane; the seats end, and what was not acknowledged is handed over. Once only."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(linger))
        await self._leaving

    async def _leave(self, linger: float) -> None:
        pumps = [worker for worker in self.app.workers if worker.node is self]
        await asyncio.gather(*(finish(lane.session, lane.wiretap, linger) for lane in self.lanes))
        await asyncio.gather(*(worker.wait() for worker in pumps), return_exceptions=True)
        self._when_left([text for lane in self.lanes for text in lane.unacknowledged], self.composer.drafts)
