"""Faults on the chat screen: what goes wrong on purpose on one's own wire, and a banner while it does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from chat.language import N_
from chat.language.translation import translate
from tui.commands import Refused, in_columns, in_words
from tui.screens.chat_wire import ChatWire

if TYPE_CHECKING:
    from lab.faults.fault import Fault
    from lab.faults.plan import FaultPlan
    from tui.wire.stopping import Stopping

EVERY = 0.5
"""Seconds between two looks at how often the faults have hit."""
PATIENCE = 3.0
"""Seconds for which a fault waits until the session is connected through the tap."""
ANNOUNCING = 1.0
"""Seconds for which a fault for everybody waits until all know of it."""
TWICE = 1.0
"""Seconds within which Escape twice ends all faults."""


class ChatFaults(ChatWire):
    """The part of the chat screen that lets things go wrong."""

    fault_banner: Static
    _plan: FaultPlan | None = None
    _showing: Timer | None = None
    _escaped = 0.0
    _waiting: int | None = None  # frames at a stopped wire; None: it is not stopped

    async def set_fault(self, argument: str) -> None:
        """Begin a fault, end all (``off``), or name those that there are."""
        from lab.faults.registry import faults, parse_fault

        known = await asyncio.to_thread(faults)  # the first call reads files
        if not argument:
            shown = {f"{one.name} {in_words(one.usage)}": translate(one.summary) for one in known.values()}
            head = translate("faults of your own wire; /fault off ends them")
            self.timeline.note("\n".join([head, *in_columns(shown, self.view.look.body)]))
        elif argument == "off":
            await self.end_faults()
        elif argument.split()[0] == "all":
            await self._for_all(argument.removeprefix("all").strip())
        elif self.wiretap is None or self.wiretap.interference is None:
            raise Refused("this screen has no wire of its own that could fail")
        else:
            await self._begin(parse_fault(argument, self.wiretap.transport))

    async def _for_all(self, text: str) -> None:
        """Let the wire fail for everybody, if this user's server was started for that."""
        from chat.background.state_folder import state_dir
        from lab.faults.for_all import MAY, ask, split

        if self.guest:
            raise Refused("a fault for everybody begins in a terminal of the one who runs the server")
        self.hint("asking your server ...")
        if text != "off":  # everybody is told first: then the wire may let nothing through
            await asyncio.to_thread(lambda: ask(state_dir(), MAY + text))
            fault, lasts = split(text)
            if await self.announce_fault(lasts, fault):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.session.settled(), ANNOUNCING)
                await asyncio.sleep(ANNOUNCING)  # who polls has it then, too
        done = await asyncio.to_thread(lambda: ask(state_dir(), text))
        self.hint("")
        self.timeline.note(f"for everybody: {done}")
        if text == "off":
            await self.announce_fault(0.0, "off")

    async def announce_fault(self, lasts: float, what: str) -> bool:
        """Tell everybody of a fault that all suffer for so many seconds; return whether that is possible."""
        raise NotImplementedError

    async def _begin(self, fault: Fault) -> None:
        from lab.faults.plan import FaultPlan

        await self._trace()
        until = monotonic() + PATIENCE  # the fault shall hit what is said, not the way to the tap
        while monotonic() < until and not self.session.connected:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
        tap = self.wiretap
        assert tap is not None
        assert tap.tap is not None
        assert isinstance(tap.interference, FaultPlan)
        self._plan = tap.interference
        await asyncio.to_thread(self._plan.add, fault, tap.tap)
        if fault.reads:
            self.session.redial()
        if self._showing is None:
            self._showing = self.set_interval(EVERY, self._show_faults)
        self._show_faults()

    async def end_faults(self) -> None:
        """End all faults, and connect directly again if nobody looks at the wire."""
        plan, tap = self._plan, self.wiretap
        if self._waiting is not None and self._inspector is not None:
            await self._inspector.stop_wire(False)
        if plan is None or tap is None or not plan.on:
            return
        told = str(plan)
        await asyncio.to_thread(plan.clear, tap.tap)
        self.timeline.note(f"no fault any more: {told}")
        self._show_faults()
        self._leave_tap()

    def _show_faults(self) -> None:
        on = self.faults_on
        self.fault_banner.set_class(on, "-on")
        if on:
            plan = self._plan
            told = [translate(f"FAULT {plan}")] if plan is not None and plan.on else []
            if self._waiting is not None:
                n = self._waiting
                frames = N_(
                    f"THE WIRE IS STOPPED, {n} frame{'s' if n != 1 else ''} waiting (s in the inspector)"
                )
                told.insert(0, translate(frames))
            self.fault_banner.update(
                Content(translate(f"✖ {'; '.join(told)}. /fault off or Esc Esc ends it."))
            )

    @property
    def faults_on(self) -> bool:
        return self._waiting is not None or (self._plan is not None and self._plan.on)

    def on_stopping_changed(self, event: Stopping.Changed) -> None:
        self._waiting = event.waiting if event.stopped else None
        self._show_faults()

    def on_inspector_left(self) -> None:
        super().on_inspector_left()
        self.escaped()

    def escaped(self) -> None:
        """Escape was pressed: twice within a second it ends all faults."""
        now = monotonic()
        if self.faults_on and now - self._escaped < TWICE:
            self.run_worker(self.end_faults(), group="submit", exit_on_error=False)
        self._escaped = now
