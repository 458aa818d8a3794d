"""Reading on the chat screen: a cursor in the list, and what keys do with the message under it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from chat.domain.errors import ChatError
from chat.interfaces.address import own_address, parse_address
from chat.language.translation import translate
from tui.commands import Refused
from tui.opening import Choice
from tui.rows import Row, quoted
from tui.screens.chat_faults import ChatFaults
from tui.widgets.key_line import KeyLine

PAGE = 5
"""Messages that Page Up and Page Down go over."""


class ChatReading(ChatFaults):
    """The part of the chat screen that reads. The composer keeps the focus: no key overtakes another."""

    choice: Choice
    key_line: KeyLine
    reading = False
    """Whether keys choose messages and write nothing."""

    def unhint(self) -> None:
        """Take the line above the composer away."""
        raise NotImplementedError

    def say(self, *texts: str) -> None:
        """Send messages. Raises `BadText` and `Refused`."""
        raise NotImplementedError

    def find_next(self, step: int) -> None:
        """Go to another hit of the search. Raises `Refused`."""
        raise NotImplementedError

    def to_new(self) -> None:
        """Go to the first message that is new. Raises `Refused`."""
        raise NotImplementedError

    def run_later(self, done: Awaitable[None], refused: Callable[[Exception], None]) -> None:
        """Wait in a task, and tell ``refused`` what was refused."""
        raise NotImplementedError

    def start_reading(self) -> None:
        """Put the cursor on the lowest message that is visible; if there is one, go up from it."""
        if self.reading:
            self._step(-1)
            return
        newest = self.view.newest_visible
        if newest is None:
            raise Refused("there is no message to read")
        self.reading = True
        self.add_class("-reading")
        self.composer.read_keys = self._reading_keys()
        self.view.choose(self.view.chosen.place if self.view.chosen else newest)  # a hit of a search
        self._show_keys()

    def stop_reading(self) -> None:
        """Write again; the list stays where it is."""
        if self.reading:
            self.reading = False
            self.remove_class("-reading")
            self.composer.read_keys = None
            self.view.choose(None)
            self._show_keys()

    def _reading_keys(self) -> dict[str, Callable[[], None]]:
        """Return what each key does while this user reads."""
        step, go = self._step, self._go_to_end
        moves: dict[str, Callable[[], None]] = {
            "up k": partial(step, -1),
            "down j": partial(step, 1),
            "pageup": partial(step, -PAGE),
            "pagedown space": partial(step, PAGE),
            "home g": partial(go, -1),
            "end G": partial(go, 1),
            "m": partial(self._to_mention, -1),
            "M": partial(self._to_mention, 1),
            "escape q": self.stop_reading,
        }
        does: dict[str, Callable[[], Awaitable[None] | None]] = {
            "enter e": self._edit,
            "d": self._delete,
            "r": self._reply,
            "c y": self._copy,
            "u": self.to_new,
            "n": partial(self.find_next, -1),
            "N": partial(self.find_next, 1),
            "Y": self._copy_command,
            "i": self._inspect,
            "R": self._again,
        }
        keys = {key: move for names, move in moves.items() for key in names.split()}
        return keys | {key: partial(self._do, what) for names, what in does.items() for key in names.split()}

    def _do(self, what: Callable[[], Awaitable[None] | None]) -> None:
        """Do something with the chosen message, and say why it can't be done."""
        self.unhint()

        def refused(error: Exception) -> None:
            self.hint(str(error), failed=True)

        try:
            done = what()
        except (Refused, ChatError) as error:
            refused(error)
        else:
            if done is not None:
                self.run_later(done, refused)
        self._show_keys()

    # --- moving --------------------------------------------------------------------------------

    def _step(self, messages: int) -> None:
        """Go on by so many messages, and ask for older ones at the top."""
        self.unhint()
        for _ in range(abs(messages)):
            chosen = self.view.chosen
            next_one = self.view.lines.neighbour(chosen.place, messages) if chosen else None
            if next_one is None:
                if messages < 0:
                    self.view.to_top()
                else:
                    self.view.to_end()
                break
            self.view.choose(next_one)
        self._show_keys()

    def _go_to_end(self, step: int) -> None:
        rows = self.view.rows
        self.view.choose(self.view.lines.message(len(rows) - 1 if step > 0 else 0, -step))
        self._step(step)  # there is none: it shows the very end

    def _to_mention(self, step: int) -> None:
        """Go to the next message that mentions this user: an older one (-1) or a newer one (1)."""
        self.unhint()
        place = self.view.chosen.place if self.view.chosen else None
        while place is not None and (place := self.view.lines.neighbour(place, step)) is not None:
            row = self.view.row(place)
            if row is not None and row.mention:
                self.view.choose(place)
                self._show_keys()
                return
        self.hint(f"no {'older' if step < 0 else 'newer'} message here mentions you")

    def _show_keys(self) -> None:
        self.key_line.show(self.view.chosen if self.reading else None, searching=bool(self.view.found))

    # --- what the keys do ----------------------------------------------------------------------

    def _chosen(self) -> Row:
        if (row := self.view.chosen) is None:
            raise Refused("no message is chosen: Up and Down choose one")
        return row

    def _stored(self) -> Row:
        row = self._chosen()
        if row.deleted or not row.id:
            raise Refused("this message was deleted" if row.deleted else "this message is not stored")
        return row

    def _own(self) -> Row:
        row = self._stored()
        if self.timeline.own_message(row.id) is None:
            raise Refused(
                "this message is in a log that is gone"
                if row.own
                else f"only {row.nick} can change this message"
            )
        return row

    def _edit(self) -> None:
        row = self._own()
        self.stop_reading()
        self.edit_in_composer(row.id, row.text)

    def edit_last(self) -> bool:
        """Put the last own message into the composer, to be changed; return whether there is one."""
        row = self.timeline.own_message(None) if not self.session.pending else None
        if row is not None:
            self.edit_in_composer(row.id, row.text)
            self.hint("Enter changes your last message, Esc does not; Up again: what you wrote before")
        return row is not None

    def _delete(self) -> None:
        row = self._own()
        self.stop_reading()
        self.composer.load_command(f"/delete #{row.id}")
        self.hint("Enter deletes this message for everybody, Esc keeps it")

    def _reply(self) -> None:
        row = self._stored()
        self.stop_reading()
        self.composer.quote(quoted(row.nick, row.text))

    def _copy(self) -> None:
        self.copy_message(self._stored())

    async def _copy_command(self) -> None:
        """Copy the command that would send the message over this technique without our client."""
        import backends  # late: only who wants this needs the labels

        text = self._stored().text
        label = backends.technique(self.choice.technique)
        command = await asyncio.to_thread(label.load_by_hand)  # the first time it reads files
        address = own_address(parse_address(self.session.state.address, label.port))
        self.app.copy_to_clipboard(command(address.host, address.port, self.session.room, text))
        needs = translate(" (add the access token)") if self.session.way.access else ""
        self.hint(translate("copied as a command for a shell") + needs + translate(self._how_far()))

    def _inspect(self) -> Awaitable[None]:
        return self.show_wire(f"#{self._stored().id}")

    def _again(self) -> None:
        row = self._chosen()
        if not row.said or row.mark not in ("failed", "unconfirmed"):
            raise Refused("only a message of yours that was not sent can be sent again")
        self.say(row.said)
        self.view.drop(row.place)
