"""Who has this user's messages, on the chat screen: the newest one, and the one under the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chat.domain.errors import ChatError
from chat.language.translation import translate
from tui import seen
from tui.rows import Place, Row
from tui.screens.chat_unread import ChatUnread
from tui.widgets.newest import Newest


class ChatSeen(ChatUnread):
    """The part of the chat screen that shows it.

    The list of members tells it. It is asked for with a measurement of the connection, and only while such a
    message is visible.
    """

    newest: Newest
    _asked: Mapping[str, seen.Place] | None = None
    """The last answer, by seat; None: there is none."""
    _asked_of = -1
    """The number of the log that the answer is about, see `tui.rows.Place`."""
    _under_way = False
    _marked: frozenset[Place] = frozenset()
    """The rows that show who has them."""

    def __init__(self) -> None:
        super().__init__()
        self._asking = seen.Asking()

    def look_who_has_it(self) -> None:
        """Ask who has the own messages that are visible, if it is worth asking now."""
        self.show_who_has_it()
        about = [row for row in self._about() if self._visible(row)]
        ids = [row.id for row in about]
        members = self.session.members
        if not ids or not 1 < len(members) <= seen.MOST or not self.is_current or self._under_way:
            return
        others = self._others()
        answered = all(seen.all_have(id, others) for id in ids)
        if self._asking.due((*ids, *members), answered=answered):
            self._under_way = True
            self.run_worker(self._ask_members(about[0].place.log), group="seen", exit_on_error=False)

    async def _ask_members(self, log: int) -> None:
        try:
            self._asked, self._asked_of = await self.session.seen(), log
        except ChatError:  # not connected: the next measurement comes when it is again
            return
        finally:
            self._under_way = False
        self.show_who_has_it()

    def show_who_has_it(self) -> None:
        """Show what the last answer tells, and take it away from other rows."""
        if self._asked is None:
            return
        others = self._others()
        about = [row for row in self._about() if row.place.log == self._asked_of]
        texts = {row.place: translate(seen.seen_by(row.id, others)) for row in about}
        for place in self._marked | texts.keys():
            row, text = self.view.row(place), texts.get(place, "")
            if row is not None and row.seen != text:
                self.view.put(replace(row, seen=text))
                self.newest.refresh()
        self._marked = frozenset(place for place, text in texts.items() if text)

    def _show_keys(self) -> None:
        super()._show_keys()
        self.show_who_has_it()  # the cursor has moved

    def _others(self) -> list[seen.Place]:
        """Return how far each of the others has read who is there now."""
        asked = self._asked or {}
        return [asked.get(seat) for seat in self.session.members if seat != self.session.seat]

    def _about(self) -> list[Row]:
        """Return the newest own message, and the one under the cursor if it is an own one."""
        newest, chosen = self.timeline.own_message(None), self.view.chosen
        if newest is None:
            return []
        if chosen is None or chosen.place == newest.place or not chosen.own or not chosen.id:
            return [newest]
        return [newest] if chosen.deleted or chosen.place.log != newest.place.log else [chosen, newest]

    def _visible(self, row: Row) -> bool:
        """Whether the last line of a row is on the screen, where it says who has it."""
        lines, top = self.view.lines, self.view.scroll_offset.y
        if (index := lines.index(row.place)) is None:
            return False
        end, below = lines.ends[index], self.newest.content_size.height if self.has_class("-split") else 0
        return top < end <= top + self.view.size.height or end > lines.total - below
