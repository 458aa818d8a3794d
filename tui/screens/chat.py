"""The chat screen: messages, members, composer and status bar of one session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from chat.client.session_events import (
    Arrived,
    DraftMoved,
    Hindered,
    Measured,
    StartedOver,
    State,
    StateChanged,
    Switched,
    Update,
)
from chat.domain.classroom import Classroom
from chat.domain.errors import ChatError, NickTaken
from chat.domain.validation import clean_text
from chat.language import N_
from chat.language.translation import translate
from tui.attention import Attention
from tui.commands import TABLE, Command, Refused, in_words, key_name, parse
from tui.opening import Opened, Opener
from tui.pump import pump
from tui.rows import one_line
from tui.screens.chat_class import ChatClass
from tui.screens.chat_commands import LEAST, TOO_SMALL
from tui.screens.chat_lanes import ChatLanes
from tui.screens.chat_paste import ChatPaste
from tui.screens.chat_rooms import JOIN
from tui.screens.chat_seen import ChatSeen
from tui.screens.chat_split import ChatSplit
from tui.search import Search
from tui.sent_texts import SentTexts
from tui.timeline import Timeline
from tui.widgets.completion import Completion
from tui.widgets.composer import Composer
from tui.widgets.key_line import KeyLine
from tui.widgets.members import Members
from tui.widgets.message_view import MessageView
from tui.widgets.newest import Newest
from tui.widgets.plain import Plain, PlainHorizontal, PlainVertical
from tui.widgets.status_bar import StatusBar

WIDTHS = [(0, "-slim"), (LEAST[0], "-narrow"), (100, "-wide")]
HEIGHTS = [(0, "-flat"), (LEAST[1], "-short"), (22, "-tall")]


class ChatScreen(Plain, ChatSeen, ChatLanes, ChatClass, ChatSplit, ChatPaste):
    """One person in one room.

    Args:
        opened: the session; it is started already, or is when the inspector shows its wire.
        opener: opens further ones.
        zone: the time zone of the times; None: the local one.
        now: returns the seconds since the epoch.
    """

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    # The composer handles these keys itself while it has the focus, so that none overtakes a letter.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"room('{key}')", show=False) for key in sorted(ChatLanes.ANSWERS)),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("escape", "close_all", show=False),
    ]

    def __init__(
        self,
        opened: Opened,
        opener: Opener,
        *,
        zone: tzinfo | None,
        now: Callable[[], float],
        attention: Attention,
        sent: SentTexts | None = None,
    ) -> None:
        super().__init__()
        bound = [command for command in TABLE.values() if command.key]  # this user may have chosen the keys
        for command in bound:
            self._bindings.bind(command.key, f"command('{command.name}')", show=False)
        reads = in_words(key_name(TABLE["read"].key)) or "/read"
        self.opener, self.attention = opener, attention
        self.zone, self.now = zone, now
        self.choice, self.wiretap = opened.choice, opened.wiretap
        self.session = session = opened.session
        self.view = MessageView(id="messages")
        self.newest = Newest(self.view)
        self.search = Search(self.view)
        self.timeline = Timeline(self.view, nick=session.nick, zone=zone, now=now)
        self.composer = Composer(
            completion := Completion(),
            placeholder=translate(f"Message #{session.room}   / commands · Tab completes · {reads} reads"),
            keys={
                **{command.key: partial(self._pressed, command) for command in bound},
                **self.search_keys,
                **self.room_keys(),
                "pageup": partial(self.action_page, -1),
                "pagedown": partial(self.action_page, 1),
                "escape": self.action_close_all,
                "ctrl+z": self._suspend,
                "ctrl+c": self.copy_selected,
            },
            sent=sent,
        )
        self.composer.edit_last = self.edit_last
        self.composer.rooms = lambda: self.rooms.names
        self._completion = completion
        self._members = Members()
        self._status = StatusBar(opened.choice.technique, session.room)
        self._banner = Static("", id="banner", markup=False)
        self.fault_banner = Static("", id="faults", markup=False)
        self.newer = Static("", id="newer", markup=False)
        self._hint = Static("", id="hint", markup=False)
        self.key_line = KeyLine()
        self._said: dict[int, str] = {}  # the drafts of this session that are on their way
        self._joins = False  # a room is being named
        self._hinted = ""  # what the composer held when the hint was shown
        self._first = opened

    def compose(self) -> ComposeResult:
        yield self.room_strip
        with PlainHorizontal(id="body"):
            yield self.room_list
            with PlainVertical(id="centre"):
                yield Static(translate(TOO_SMALL), id="too-small")
                yield self.fault_banner
                yield self._banner
                yield self.view
                yield self.newest
                yield self.newer
                yield self._completion
                yield self._hint
                yield self.composer
            yield self._members
        yield self.key_line
        yield self._status

    @property
    def down(self) -> bool:
        return self._status.state.name == "down"

    def on_mount(self) -> None:
        self.composer.focus()
        self.watch_focus()
        self.attach(self._first)
        self.show_rooms()
        if self.inspect:
            self.run_worker(self.inspect_from_the_start(), group="submit", exit_on_error=False)

    def attach(self, opened: Opened) -> None:
        self.session, self.leaving = session, _ = opened.session, False
        self._said.clear()
        self.show_state(session.state)
        self.run_worker(
            pump(session, self.app, self.apply), group="pump", exclusive=True, exit_on_error=False
        )

    # --- from the session ----------------------------------------------------------------------

    def apply(self, batch: list[Update]) -> None:
        """Show a batch of updates."""
        self.look_for_focus()
        with self.view.changing():
            for update in batch:
                match update:
                    case StateChanged(state):
                        self.show_state(state)
                    case Hindered():
                        self._banner.set_class(False, "-on")
                        self.show_state(self.session.state)
                        self.timeline.apply(update)
                    case Switched(technique):
                        self.switched(technique)
                    case Measured(rtt, activity):
                        self._status.measured(rtt)
                        self._status.activity = activity
                        waiting = set(self.session.unanswered())
                        self._said = {draft: text for draft, text in self._said.items() if draft in waiting}
                    case _:
                        self.timeline.apply(update)
                        if isinstance(update, Arrived):
                            self.take_class_event(update.event)
                        elif isinstance(update, StartedOver):
                            self.classroom = Classroom()
                        elif isinstance(update, DraftMoved) and update.phase in ("failed", "unconfirmed"):
                            self.teaching.failed(update.draft)
                        if isinstance(update, Arrived) and update.event.kind == "sent":
                            self.note_receipt(update.event.seq)
                            self.count_unread(update.event.seq)
        if any(isinstance(update, Measured) for update in batch):
            self.look_who_has_it()
        self.newest.refresh()
        self.tell_unread()
        self._status.pending = self.session.pending
        self._status.nick = self.session.nick
        if self.timeline.new_members:
            self.timeline.new_members = False
            self._members.show(self.session.members.values(), self.session.seat, self.timeline.colours)
            self.composer.nicks = [one_line(member.nick) for member in self.session.members.values()]

    def mark_technique(self, name: str) -> None:
        super().mark_technique(name)
        self._status.technique = name

    def show_cost(self, text: str) -> None:
        self._status.cost = text

    def show_state(self, state: State) -> None:
        self._status.state = state
        self.rooms.changed()
        reason = one_line(state.reason).rstrip(".?!")
        if state.name == "retrying":
            kept = translate(
                f"▲ {reason}. What you write is kept and sent later. /retry tries now, /quit leaves."
            )
            self._banner.update(Content(kept))
        elif state.name == "down":
            taken = isinstance(self.session.outcome, NickTaken)
            advice = N_("/retry NAME does so") if taken else N_("/retry tries again")
            self._banner.update(Content(translate(f"✖ {reason}. {advice}, /quit leaves.")))
            self.timeline.ended(reason)
        elif self.session.hindered:
            self._banner.update(Content(f"▲ {translate(one_line(self.session.hindered))}"))
            self._banner.set_class(True, "-on")
            self._banner.set_class(False, "-down")
            return
        if state.name != "connecting":  # while connecting, the reason of the last failure stays
            self._banner.set_class(state.name != "up", "-on")
            self._banner.set_class(state.name == "down", "-down")

    # --- from the user -------------------------------------------------------------------------

    def on_composer_submitted(self, event: Composer.Submitted) -> None:
        def refused(error: Exception) -> None:
            self.composer.give_back(event.text, event.draft)
            self.hint(str(error), failed=True)

        self.composer.unhandled -= 1
        try:
            asked = parse(event.text)
            if isinstance(asked, str):
                self.say(asked)
            else:
                self._run(*asked, refused)
        except (Refused, ChatError) as error:
            refused(error)

    def _run(self, command: Command, argument: str, refused: Callable[[Exception], None]) -> None:
        """Run a command at once, so that commands and messages stay in order; only its waiting is a task."""
        done = command.run(self, argument)
        if done is not None:
            self.run_later(done, refused)

    def run_later(self, done: Awaitable[None], refused: Callable[[Exception], None]) -> None:
        async def finish() -> None:
            try:
                await done
            except (Refused, ChatError) as error:
                refused(error)

        self.run_worker(finish(), group="submit", exit_on_error=False)

    def say(self, *texts: str) -> None:
        """Send all of these messages, or none. Raises `BadText` and `Refused`."""
        if self.down:
            raise Refused(N_("not sent, the connection is down: /retry tries again"))
        texts = tuple(clean_text(text, self.session.limits.text_bytes) for text in texts)
        phase = N_("sending" if self._status.state.name == "up" else "waiting")
        with self.view.changing():
            for text in texts:
                self._said[draft := self.session.say(text)] = text
                self.timeline.said(draft, text, phase)
        self._status.pending = self.session.pending
        if self.split:
            self.newest.refresh()
        else:
            self.view.to_end()

    @property
    def unacknowledged(self) -> list[str]:
        """The messages and changes that the room has not answered, oldest first."""
        return [
            self._said.get(draft, translate("an edit or a deletion")) for draft in self.session.unanswered()
        ]

    @property
    def drafts(self) -> list[str]:
        """What was written or pasted, and neither sent nor thrown away."""
        return [*self.composer.drafts, *self.pasted]

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        joins = self.composer.text.startswith(JOIN)
        if joins and not self._joins:
            self.ask_rooms()
        self._joins = joins
        if self.composer.text and self.composer.text != self._hinted:
            self.unhint()

    def unhint(self) -> None:
        self._hint.remove_class("-on")

    def hint(self, text: str, *, failed: bool = False) -> None:
        """Show a line above the composer until the user types again."""
        text = translate(one_line(text))
        self._hint.update(Content(f"✖ {text}" if failed else text))
        self._hint.set_class(failed, "-failed")
        self._hint.add_class("-on")
        self._hinted = self.composer.text

    # --- keys ----------------------------------------------------------------------------------

    @dataclass
    class Pressed(Message):
        """The key of a command was pressed in the composer."""

        name: str

    def _pressed(self, command: Command) -> None:
        """Handle the key of a command, in the order of what was typed.

        What writes into the composer does so now, before the next letter; the rest follows what was sent.
        """
        if command.writes:
            self.action_command(command.name)
        else:
            self.composer.post_message(self.Pressed(command.name))

    def on_chat_screen_pressed(self, event: Pressed) -> None:
        self.action_command(event.name)

    def _suspend(self) -> None:
        self.app.action_suspend_process()

    def action_command(self, name: str) -> None:
        """Run a command for a key or the palette."""
        if TABLE[name].ask:
            self.stop_reading()
            self.composer.load_command(f"/{name} ")
        else:
            self.run_command(name)

    def run_command(self, name: str, argument: str = "") -> None:
        """Run a command that nobody has typed."""

        def refused(error: Exception) -> None:
            self.hint(str(error), failed=True)

        try:
            self._run(TABLE[name], argument, refused)
        except (Refused, ChatError) as error:
            refused(error)

    def action_page(self, pages: int) -> None:
        self.view.page(pages)

    def action_close_all(self) -> None:
        self.escaped()
        self.unhint()
        self.clear_selection()
        if self._completion.open:
            self._completion.offer([])
        elif not self.stop_searching() and not self.composer.cancel():
            self.end_search()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self.newer:
            self.view.to_end()

    # --- the list ------------------------------------------------------------------------------

    def on_message_view_near_top(self) -> None:
        if self.timeline.reaches_back:
            self.load_history(asked=False)
