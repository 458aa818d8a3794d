"""The session of the chat screen: opened again, moved to another technique, and closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from textual.worker import Worker, WorkerError, WorkerState

from chat.client.session_events import State
from chat.domain.errors import ChatError, StaleCursor
from chat.interfaces.address import own_address, parse_address
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate
from tui.commands import Refused
from tui.failures import failure
from tui.opening import Choice, Opened, Opener, settle
from tui.screens.chat_faults import ChatFaults


def technique_named(name: str) -> Technique:
    """Return a technique. Raises `Refused`, with the names that are meant maybe."""
    import backends  # late: only who changes the technique needs the labels

    try:
        return backends.technique(name)
    except ValueError as error:
        raise Refused(str(error)) from None


def listed(current: str) -> str:
    """Return all techniques, a line each, with a mark at the one of now."""
    import backends

    lines = [translate("/backend NAME goes on over another technique, in the same seat")]
    for label in backends.techniques():
        mark, what = ("●" if label.name == current else " "), translate(label.summary)
        lines.append(f"{mark} {label.name:9} {translate(f'not here: {what}') if label.missing() else what}")
    return "\n".join(lines)


def promise(technique: Technique) -> str:
    """Return what is not promised over a technique, but is over most; "": nothing."""
    traits = technique.traits
    parts = []
    if not traits.lossless:
        parts.append(N_("it may lose what others write, and then says so"))
    if not traits.ordered:
        parts.append(N_("it may show a line late"))
    if not traits.resend:
        parts.append(N_('a line of yours without an answer is marked "unconfirmed", and not sent again'))
    if traits.stores == "broker":
        parts.append(N_("the broker keeps the room: no server is asked"))
    repairs = [f"--{one.name}" for one in technique.settings if one.name == "repair"]
    if repairs and parts:
        parts.append(N_(f"with {repairs[0]} it mends that"))
    return "; ".join(parts)


class ChatSession(ChatFaults):
    """The part of the chat screen that has the session."""

    choice: Choice
    opener: Opener
    leaving = False
    """Whether the session is being closed because the user leaves."""
    _switching = False
    _reopening = False

    def attach(self, opened: Opened) -> None:
        """Show this session: the first one, or its successor after it had ended."""
        raise NotImplementedError

    def show_state(self, state: State) -> None:
        """Show the state of the connection."""
        raise NotImplementedError

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show that a task of this program has failed. There is no traceback, and the program continues."""
        why = failure(event)
        if event.worker.group == "pump":
            ended = event.state is WorkerState.SUCCESS and self.session.outcome is None and not self.leaving
            if why or ended:
                self.show_state(State("down", self.session.state.address, why or N_("chat has failed")))
        elif why:
            self.hint(why, failed=True)

    # --- another session -----------------------------------------------------------------------

    def reopen(self, nick: str = "", technique: str = "") -> None:
        """Open a new session that begins where the last one ended."""
        if not self._reopening:  # once, however often and fast the user asks
            self._reopening = True
            self.run_worker(self._reopen_once(nick, technique), group="submit", exit_on_error=False)

    async def _reopen_once(self, nick: str, technique: str) -> None:
        try:
            await self._reopen(nick, technique)
        finally:
            self._reopening = False

    async def _reopen(self, nick: str, technique: str) -> None:
        same = technique in ("", self.choice.technique)
        choice = replace(
            self.choice,
            nick=nick or self.choice.nick,
            technique=technique or self.choice.technique,
        )
        try:
            opened = self.opener.open(
                replace(choice, cursor=self.session.cursor), self.wiretap if same else None
            )
        except ChatError as error:
            self.hint(str(error), failed=True)
            return
        await self._close()
        self.choice = choice
        if not same:
            await self._follow(opened)
            self.mark_technique(choice.technique)
        opened.session.start()
        self.attach(opened)

    async def show_card(self) -> None:
        """Show the card of the technique of now; from there the sequence of what passed can be seen."""
        from tui.screens.card import CardScreen  # not needed for the first paint

        label = await asyncio.to_thread(technique_named, self.choice.technique)
        shown = self.session.state.address
        address = own_address(parse_address(shown, label.port)) if shown else None

        def closed(wanted: str | None) -> None:
            if wanted == "ladder":
                self.action_command("ladder")

        self.app.push_screen(CardScreen(label, address, self.composer), closed)

    # --- another technique ---------------------------------------------------------------------

    async def switch(self, name: str) -> None:
        """Go on over another technique; without a name, list them. Raises `Refused`."""
        if not name:
            self.timeline.note(await asyncio.to_thread(listed, self.choice.technique))
            return
        technique = await asyncio.to_thread(technique_named, name)  # the first time it reads files
        old = self.choice.technique
        if technique.name == old:
            raise Refused(f"you are over {old} already; /backend alone lists the techniques")
        if self._switching:
            raise Refused("the technique is being changed: wait a moment")
        if self.down:
            self.reopen(technique=technique.name)
            return
        self._switching = True
        try:
            await self._switch(technique)
        except StaleCursor:
            raise Refused(
                f"still over {old}: this room has another history over {technique.name}, or none "
                "(with chat serve --broker all techniques have one)"
            ) from None
        except (ChatError, OSError) as error:
            raise Refused(f"still over {old}: {error}") from None
        finally:
            self._switching = False

    async def _switch(self, technique: Technique) -> None:
        self.hint(f"connecting over {technique.name}; until then {self.choice.technique} serves ...")
        choice = replace(self.choice, technique=technique.name)
        opened = await asyncio.to_thread(self.opener.open, replace(choice, cursor=self.session.cursor))
        if self.wiretap is not None and self.wiretap.on and opened.wiretap is not None:
            await opened.wiretap.start()
        try:
            await self.session.switch(opened.session.way)
        except BaseException:  # also if the room is left meanwhile
            if opened.wiretap is not None:
                await opened.wiretap.stop()
            raise
        self.choice = choice
        await self._follow(opened)

    async def _follow(self, opened: Opened) -> None:
        """Look at the wire of the new connection, if somebody looks, and at the old one no longer."""
        await self.end_faults()
        old, self.wiretap = self.wiretap, opened.wiretap
        await self.look_at_new_wire()
        if old is not None and old is not opened.wiretap:
            await old.let_pass()
            await old.stop()

    def switched(self, name: str) -> None:
        """The session goes on over another technique from here on."""
        self.mark_technique(name)
        self.hint("")

    def mark_technique(self, name: str) -> None:
        """Mark in the list where another technique begins, and what it promises less."""
        self.timeline.rule(N_(f"now over {name}"))
        if less := promise(technique_named(name)):
            self.timeline.note(f"{name}: {less}")

    # --- the end -------------------------------------------------------------------------------

    async def leave(self, linger: float) -> None:
        """Leave the room. Lines that are on their way get a moment, in seconds, to be acknowledged."""
        await settle(self.session, self.wiretap, linger)
        await self._close()
        if self.wiretap is not None:
            await self.wiretap.stop()

    async def _close(self) -> None:
        self.leaving = True
        # The pump ends with the session. Waiting for it shows the last updates, and leaves no task.
        pumps = [one for one in self.app.workers if one.group == "pump" and one.node is self]
        with suppress(TimeoutError, WorkerError):
            async with asyncio.timeout(2):
                await self.session.close()
                for worker in pumps:
                    await worker.wait()
