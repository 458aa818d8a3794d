"""The wire on the chat screen: the inspector beside the messages, and the receipts under them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.timer import Timer

from chat.language.translation import translate
from tui.commands import Refused
from tui.rows import Row, size
from tui.screens.chat_commands import ChatCommands

if TYPE_CHECKING:
    from lab.wire.totals import RunningCost
    from lab.wire.trace import Trace
    from lab.wire.wiretap import Wiretap
    from tui.wire.inspector import Inspector

SETTLED = 0.5
"""Seconds after which a message has its receipt: acknowledgements come late."""
EVERY = 1.0
"""Seconds between two looks at what the connection costs."""
LEAVE = 1.0
"""Seconds in which a session is connected another way, before the tap is closed."""


class ChatWire(ChatCommands):
    """The part of the chat screen that shows the wire. Nothing is in the way before it is asked for."""

    wiretap: Wiretap | None
    inspect = False
    """Show the wire from the first byte of the connection on."""
    guest = False
    """The screen is shown to a visitor in a web page: nothing of this user's account is theirs."""
    _cost: RunningCost | None = None
    _counted = 0
    _inspector: Inspector | None = None
    _receipts = False
    _ladders = 0
    _counting: Timer | None = None

    # --- the tap -------------------------------------------------------------------------------

    async def _trace(self) -> Trace:
        """Return the trace; be in the way of the session from now on. Raises `Refused`."""
        if self.wiretap is None:
            raise Refused("this screen has no wire of its own to show")
        if not self.wiretap.on:
            try:
                await self.wiretap.start()
            except OSError as error:
                raise Refused(f"the wire can't be shown: {error.strerror}") from None
            self.session.redial()
            self._count_anew()
            self._counting = self._counting or self.set_interval(EVERY, self._count)
        assert self.wiretap.trace is not None
        return self.wiretap.trace

    async def look_at_new_wire(self) -> None:
        """The session goes another way: show what passes there, if the wire was shown."""
        if self.wiretap is None or self.wiretap.trace is None:
            return
        self._count_anew()
        if self._inspector is not None and self._shown:
            self._inspector.open(self.wiretap.trace, self.wiretap.tap)

    async def inspect_from_the_start(self) -> None:
        """Open the inspector, and only then let the session connect."""
        await self.show_wire("")
        self.session.start()

    def _count_anew(self) -> None:
        from lab.wire.totals import RunningCost

        self._cost, self._counted = RunningCost(), 0

    def _count(self) -> None:
        """Show what the connection costs while nobody writes."""
        trace, cost = self.wiretap.trace if self.wiretap else None, self._cost
        if trace is None or cost is None or self.wiretap is None or not self.wiretap.on:
            self.show_cost("")
            return
        trace.update()
        new = trace.since(self._counted)
        if new:
            self._counted = new[-1].number
            cost.add(new)
        self.show_cost(translate(f"idle {size(sum(cost.sizes_per_minute()))}/min"))

    def show_cost(self, text: str) -> None:
        """Show in the status bar what being connected costs."""
        raise NotImplementedError

    def _leave_tap(self) -> None:
        """Nobody looks any more: connect directly again."""
        if self.wiretap is None or self._receipts or self._shown or self._ladders or self.faults_on:
            return
        self.wiretap.leave()
        self.session.redial()
        self.set_timer(LEAVE, self.wiretap.close)

    @property
    def faults_on(self) -> bool:
        """Whether something goes wrong on purpose, so that the tap is needed."""
        return False

    @property
    def _shown(self) -> bool:
        return self._inspector is not None and self._inspector.has_class("-on")

    # --- the inspector -------------------------------------------------------------------------

    async def show_wire(self, argument: str) -> None:
        number = argument.removeprefix("#")
        if argument and not (number.isascii() and number.isdigit()):
            raise Refused("write /wire, or /wire #ID for the frames of a message (/ids shows the numbers)")
        if not argument and self._inspector is not None and self._inspector.has_focus_within:
            await self._close_wire()
            return
        opens = not self._shown
        trace = await self._trace()
        inspector = await self._opened(trace)
        if opens and not argument:  # nothing has passed yet: first somebody must write
            self.hint("write a line, and see what passes")
            return
        if argument:
            trace.update()
            frames = trace.of_message(int(number))
            if not frames:
                raise Refused(
                    f"no frame of #{number} was seen: the wire is shown from {self._since(trace)} on"
                )
            inspector.look()
            inspector.show_message(frames)
        inspector.focus()

    async def show_wire_whole(self) -> None:
        inspector = await self._opened(await self._trace())
        whole = not inspector.has_class("-whole")
        inspector.set_class(whole, "-whole")
        self.set_class(whole, "-wire-whole")
        inspector.focus()

    async def _opened(self, trace: Trace) -> Inspector:
        from tui.wire.inspector import Inspector  # not needed for the first paint

        if self._inspector is None:
            self._inspector = Inspector()
            centre = self.query_one("#centre", Vertical)
            await centre.mount(self._inspector, before="#completion")
        self._inspector.add_class("-on")
        self._inspector.open(trace, self.wiretap.tap if self.wiretap else None)
        return self._inspector

    async def _close_wire(self) -> None:
        assert self._inspector is not None
        await self._inspector.shut()
        self._inspector.remove_class("-on")
        self._inspector.remove_class("-whole")
        self.remove_class("-wire-whole")
        self.composer.focus()
        self._leave_tap()

    @staticmethod
    def _since(trace: Trace) -> str:
        return translate(f"frame {trace.frames[0].number}" if trace.frames else "now")

    def on_inspector_left(self) -> None:
        self.composer.focus()

    def on_inspector_jumped(self, event: Inspector.Jumped) -> None:
        if not self.view.to_message(event.seqs):
            self.hint("that message is not in the list: /history loads older ones", failed=True)

    def on_inspector_told(self, event: Inspector.Told) -> None:
        self.hint(event.text, failed=event.failed)

    async def compare(self, argument: str) -> None:
        from lab.wire.compare import Sample
        from lab.wire.receipt import receipt
        from tui.wire.compare_screen import CompareScreen

        number, _, name = argument.rpartition(" ")
        trace = await self._trace()
        trace.update()
        row = self._compared(number.strip().removeprefix("#"), trace)
        mine = receipt(trace, row.text, row.id, row.n)
        tap = self.wiretap
        if mine is None:
            raise Refused(f"no frame of #{row.id} was seen: send it again while the wire is shown")
        if tap is None or tap.take_sample is None:
            raise Refused("there is no other technique to compare with")
        self.hint(f"the same text goes over {name}, in a room of its own ...")
        other = await tap.take_sample(name, row.text)
        frames = tuple(frame for frame in trace.frames if frame.number in mine.numbers)
        self.app.push_screen(CompareScreen(Sample(tap.technique.name, frames, mine), other))

    def _compared(self, number: str, trace: Trace) -> Row:
        """Return the message with a number; without one, the newest of which there are frames."""
        if number and not (number.isascii() and number.isdigit()):
            raise Refused("write /compare NAME, or /compare #ID NAME")
        for row in reversed(self.view.rows):
            if row.id and (row.id == int(number) if number else trace.of_message(row.id, row.n)):
                return row
        raise Refused(
            f"there is no message #{number} here"
            if number
            else "no message has passed yet: write one, then compare"
        )

    async def show_ladder(self) -> None:
        from tui.wire.ladder_screen import LadderScreen

        trace = await self._trace()
        assert self.wiretap is not None
        self._ladders += 1

        def closed(_: None) -> None:
            self._ladders -= 1
            self._leave_tap()

        server = "broker" if self.wiretap.technique.server is None else "server"
        self.app.push_screen(LadderScreen(trace, server), closed)

    async def export_wire(self, path: str) -> None:
        from lab.wire.export import check_format, export

        if self.guest:
            raise Refused("in a browser nothing is written: the file would be on the server's machine")
        check_format(path)
        if self.wiretap is None or self.wiretap.trace is None:
            raise Refused("nothing was recorded yet: /wire shows what passes, and records it")
        self.wiretap.trace.update(seconds=1.0)
        self.hint(await asyncio.to_thread(export, self.wiretap.trace, path, self.wiretap.technique))

    # --- receipts ------------------------------------------------------------------------------

    async def toggle_receipts(self) -> None:
        from lab.wire.receipt import DEFINITION

        if self._receipts:
            self._receipts = False
            with self.view.changing():
                for row in self.view.rows:
                    if row.receipt:
                        self.view.put(replace(row, receipt=""))
            self._leave_tap()
            return
        await self._trace()
        self._receipts = True
        self.timeline.note(
            f"from now on each message shows what it cost between you and the server. {DEFINITION}"
        )

    def note_receipt(self, seq: int) -> None:
        """A message has come: show its receipt as soon as it is complete."""
        if self._receipts:
            self.set_timer(SETTLED, lambda: self._add_receipt(seq))

    def _add_receipt(self, seq: int) -> None:
        from lab.wire.receipt import receipt

        trace = self.wiretap.trace if self.wiretap else None
        row = self._message(seq)
        if trace is None or row is None or not self._receipts:
            return
        trace.update()
        found = receipt(trace, row.text, seq, row.n)
        if found is not None:
            self.view.put(replace(row, receipt=f"⌁ {found}"))

    def _message(self, seq: int) -> Row | None:
        return next((row for row in reversed(self.view.rows) if row.id == seq), None)
