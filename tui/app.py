"""The application: owns the session and shows the picker and the chat screen."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.driver import Driver
from textual.filter import LineFilter
from textual.geometry import Size
from textual.screen import Screen
from textual.worker import Worker

from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language.translation import translate
from tui import themes
from tui.attention import Attention, Notify
from tui.commands import TABLE
from tui.failures import failure
from tui.open_rooms import OpenRooms
from tui.opening import Choice, MakeWiretap, Opened, Opener, OpenSession
from tui.screens.chat import ChatScreen
from tui.screens.ordered import OrderedApp
from tui.sent_texts import SentTexts
from tui.terminal.widths import SteadyWidths

if TYPE_CHECKING:
    from tui.screens.picker import PickerScreen


SMALLEST = Size(24, 4)
"""The least size that is drawn. Below `LEAST`, which is larger, only what is typed is shown."""


def terminal_driver() -> type[Driver] | None:
    """Return the driver of this terminal; None: that of Windows, or what TEXTUAL_DRIVER names."""
    if sys.platform != "win32" and not os.environ.get("TEXTUAL_DRIVER"):
        from tui.terminal.driver import TerminalDriver  # there is no such terminal on Windows

        return TerminalDriver
    return None


def _drawn(size: Size) -> Size:
    """Return the size that is drawn; a smaller terminal cuts off the rest."""
    return Size(max(size.width, SMALLEST.width), max(size.height, SMALLEST.height))


class ChatApp(OrderedApp, inherit_bindings=False):
    """One person at one terminal.

    Args:
        open_session: opens the session for a choice.
        choice: what to show; None: the picker asks.
        room: the room that the picker suggests.
        nick: the name that the picker suggests.
        theme: one of `tui.themes.NAMES`; None: the default.
        techniques: what the picker offers; None: all that the registry knows.
        zone: the time zone of the times; None: the local one.
        now: returns the seconds since the epoch.
        on_first_paint: called when the first frame is on the terminal.
        make_wiretap: None: the wire can't be shown.
        inspect: show the wire from the first byte on.
        lanes: techniques that are shown side by side from the beginning.
        guest: it is shown to a visitor in a web page, who must say a name, and may not write files here.
        technique: the technique that the picker suggests; None: the first.
        notify: how a mention is told while the terminal does not have the focus.
        sent: what this user has sent before, for Up.
        known_rooms: rooms of earlier times: their names are completed.

    Raises:
        ChatError: the session for ``choice`` cannot be opened, or there is no such theme.
    """

    TITLE = "chat"
    CSS_PATH = "chat.tcss"
    ENABLE_COMMAND_PALETTE = True
    # Textual's own has priority: it would overtake what was typed before it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", show=False),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(
        self,
        open_session: OpenSession,
        choice: Choice | None = None,
        *,
        room: str = "lab",
        nick: str | None = None,
        theme: str | None = None,
        techniques: Sequence[Technique] | None = None,
        zone: tzinfo | None = None,
        now: Callable[[], float] = time.time,
        on_first_paint: Callable[[], None] | None = None,
        make_wiretap: MakeWiretap | None = None,
        inspect: bool = False,
        lanes: Sequence[str] = (),
        guest: bool = False,
        technique: str | None = None,
        notify: Notify = "none",
        sent: SentTexts | None = None,
        known_rooms: Sequence[str] = (),
    ) -> None:
        if theme is not None and theme not in themes.NAMES:
            raise ChatError(f"there is no theme {theme!r}: choose {', '.join(themes.NAMES)}")
        super().__init__(driver_class=terminal_driver())
        self._widths = SteadyWidths(joins="TEXTUAL_DRIVER" not in os.environ)
        self.ended_by = 0
        """The signal that has ended the program, 0: none."""
        self.chosen: Choice | None = None
        """Technique, room and name that were in front when the user left; None: none were."""
        self.attention = Attention(self.tell_terminal, notify)
        self.sent = SentTexts() if sent is None else sent
        self._opener = Opener(open_session, make_wiretap)
        self.rooms = OpenRooms(self, self._opener, self._make_screen, known_rooms)
        self._zone, self._now = zone, now
        self._first = self._opener.open(choice) if choice is not None else None
        self._inspect, self._lanes = inspect, lanes
        self._room, self._nick, self._technique = room, nick, technique
        self.guest = guest
        self._on_first_paint = on_first_paint
        self._techniques = techniques
        for known in themes.THEMES:
            self.register_theme(known)
        self.theme = theme or themes.DEFAULT
        if choice is None and techniques is None:
            from backends import techniques as registered  # late: only the picker needs the labels

            self._techniques = registered()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.FALLBACK

    def refresh_css(self, animate: bool = True) -> None:
        if self.screen_stack:
            super().refresh_css(animate)
        else:  # the theme was set before the start: the first screen will read the style sheets, once
            self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> Screen[None]:
        if self._first is not None:
            self._opening = first = self._add(self._first)
            first._push_result_callback(self, None)  # or Textual 8.2.8 can't put another in its place
        else:
            from tui.screens.picker import PickerScreen  # late: it is not always shown

            self._opening = PickerScreen(
                self._techniques or (),
                room=self._room,
                nick=self._nick,
                technique=self._technique,
                ask_name=self.guest,
            )
        return self._opening

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._widths]

    # Textual 8.2.8 can't wrap a text to no cells at all: what is narrower ends it with a ValueError.

    @property
    def size(self) -> Size:
        return _drawn(super().size)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Resize):
            size = _drawn(event.size)
            event = events.Resize(size, size, pixel_size=event.pixel_size)
        await super().on_event(event)

    async def on_ready(self) -> None:
        gc.enable()
        if not self.is_headless:
            gc.freeze()  # what is loaded stays: the collector need not look at it while somebody types
        if self._on_first_paint is not None:
            self._on_first_paint()
        if self._first is not None:  # not before: to connect takes a tenth of the time to the first paint
            self._start(self._first)
        await self.opened()
        if self._lanes and (room := self.rooms.front) is not None:
            room.run_command("lanes", " ".join(self._lanes))

    # --- sessions ------------------------------------------------------------------------------

    def _make_screen(self, opened: Opened) -> ChatScreen:
        screen = ChatScreen(
            opened, self._opener, zone=self._zone, now=self._now, attention=self.attention, sent=self.sent
        )
        screen.guest, screen.use_mouse = self.guest, self.use_mouse
        return screen

    def _add(self, opened: Opened) -> ChatScreen:
        screen = self.rooms.add(opened)
        screen.inspect = self._inspect
        return screen

    def _start(self, opened: Opened) -> None:
        if not self._inspect:
            opened.session.start()

    async def on_picker_screen_chosen(self, event: PickerScreen.Chosen) -> None:
        choice = Choice(event.technique, event.room, event.nick)
        try:
            opened = self._opener.open(choice)
        except ChatError as error:
            event.picker.fail(str(error))
        else:
            self._start(opened)
            self.open(self._add(opened))
        await self.on_answered()

    # --- signals -------------------------------------------------------------------------------

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if (why := failure(event)) and (room := self.rooms.front) is not None:
            room.hint(why, failed=True)

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self._repaint)
        if sys.platform != "win32" and not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
                    loop.add_signal_handler(number, self._told_to_end, number)
            self.set_interval(1, self._look_for_terminal)

    def _told_to_end(self, number: int) -> None:
        """End as on /quit, so that the terminal and the seat are given back."""
        if not self.ended_by:
            self.ended_by = number
            self.run_worker(self.action_quit(), group="quit", exit_on_error=False)

    def _look_for_terminal(self) -> None:
        if sys.platform != "win32" and getattr(self._driver, "gone", False):  # only our driver knows
            self._told_to_end(signal.SIGHUP)

    def tell_terminal(self, sequence: str) -> None:
        """Write a control sequence to the terminal itself; nothing where a web page or a test is one."""
        shown = self._driver is not None and self.return_code is None and not self.is_headless
        if shown and "TEXTUAL_DRIVER" not in os.environ:
            assert self._driver is not None
            self._driver.write(sequence)
            self._driver.flush()

    def use_mouse(self, on: bool) -> None:
        """Take the mouse from the terminal, or leave it to the terminal's own selection."""
        if (use := getattr(self._driver, "use_mouse", None)) is not None:  # only our driver has it
            use(on)

    def _repaint(self, _: object) -> None:
        """Paint everything: after a stop nothing of the screen is left on the terminal."""
        self.attention.again()
        for screen in self.screen_stack:
            screen.refresh(layout=True)
        self.refresh(layout=True)

    def action_suspend_process(self) -> None:
        """Give the terminal back to the shell, on Ctrl+Z."""
        suspend = getattr(self._driver, "suspend_job", None)  # only our driver has it
        if suspend is not None and self._driver is not None and self._driver.can_suspend:
            suspend()
        elif (room := self.rooms.front) is not None:
            room.hint("there is no shell to return to", failed=True)

    async def action_quit(self) -> None:
        """Leave the rooms, then the program. Lines that are on their way get a moment to be acknowledged."""
        if self.rooms.front is not None:
            self.chosen = self.rooms.front.choice
        await self.rooms.leave_all()
        self.exit()

    def _handle_exception(self, error: Exception) -> None:
        """Exit with one sentence instead of Textual's traceback; a test still gets the error."""
        if self.is_headless:
            super()._handle_exception(error)
        else:
            self.exit(return_code=1, message=Text(translate(f"chat has failed because of a bug: {error!r}")))

    # --- the palette ---------------------------------------------------------------------------

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, CommandPalette):
            from tui.screens.palette import Palette  # not needed for the first paint

            self.open(Palette(placeholder=translate("Search for commands…"), id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        if isinstance(screen, ChatScreen):
            for command in TABLE.values():
                run = partial(screen.action_command, command.name)
                yield SystemCommand(f"/{command.name}", translate(command.summary), run)
        else:
            yield SystemCommand("/quit", translate("leave"), self.action_quit)
