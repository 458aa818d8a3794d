"""What is unread on the chat screen: the line above it, the bar below it, and what the terminal tells."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.widgets import Static

from chat.language.translation import translate
from tui.attention import Attention
from tui.commands import Refused
from tui.screens.chat_search import ChatSearch
from tui.widgets.message_view import MessageView


class ChatUnread(ChatSearch):
    """The part of the chat screen that knows what this user has not read."""

    attention: Attention
    newer: Static

    def watch_focus(self) -> None:
        """From now on, look at whether the terminal has the focus."""
        self.watch(self.app, "app_focus", self.look_for_focus)

    def look_for_focus(self) -> None:
        """This room is read only while it is in front, and the terminal has the focus."""
        self.timeline.unread.focus(self.app.app_focus and self in self.app.screen_stack)
        self.tell_unread()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.look_for_focus()

    def on_unmount(self) -> None:
        self.attention.forget(self.session.room)

    def tell_unread(self) -> None:
        """Show outside the screen what is unread."""
        unread, room = self.timeline.unread, self.session.room
        self.attention.show(room, unread.count, unread.mentions)
        if unread.called is not None:
            self.attention.mentioned(room, unread.called)
            unread.called = None

    def on_message_view_behind(self, event: MessageView.Behind) -> None:
        self.timeline.unread.look()
        self.tell_unread()
        self.newer.update(Content(translate(f"▼ {event.new} new · Ctrl+End")))
        self.newer.set_class(bool(event.new), "-on")

    def to_new(self) -> None:
        """Show the line above what is new at the top; while reading, choose the message below it."""
        line = self.timeline.unread.line
        index = self.view.lines.index(line) if line is not None else None
        if line is None or index is None:
            raise Refused("nothing is new since you looked last")
        self.view.scroll_to(y=self.view.lines.start(index), animate=False)
        if self.reading and (first := self.view.lines.neighbour(line, 1)) is not None:
            self.view.choose(first)
