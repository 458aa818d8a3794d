"""The inspector: the list of frames, and the chosen one at one of five levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from chat.domain.errors import BadRequest
from chat.interfaces.frames import Frame
from chat.language import N_
from chat.language.translation import translate
from lab.wire.levels import LEVELS, NAMES, WHAT, Line, lines, rows, sizes
from lab.wire.masking import shown_bytes, walk
from lab.wire.table import Row, parse_filter
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from tui.widgets.lines import TextLine
from tui.wire.details import WIDE_DUMP, Dump, Fields
from tui.wire.frame_list import FrameList
from tui.wire.stopping import STOPPED_KEYS, Stopping

EVERY = 0.1
"""Seconds between two looks at the trace."""
MIN_FIELDS = 40
"""Columns that the fields need beside a dump of 16 bytes a line."""
KEYS = (
    ("+-", N_("zoom")),
    ("←→", N_("field")),
    ("/", N_("filter")),
    ("s", N_("stop wire")),
    ("F3", N_("whole")),
    ("Esc", N_("write")),
    ("Space", N_("pause")),
    ("j", N_("to chat")),
    ("m n", N_("mark")),
    ("c", N_("control")),
)
"""What the keys do while the inspector has the focus; the last ones are left out first."""
ENTER = (("F2", N_("choose a frame, zoom to its bytes; F2 again closes")),)
"""What the keys do while it has not."""


class Inspector(Stopping, can_focus=True):
    """Shows a trace. `open` and `shut` begin and end it; nothing is done while it is shut."""

    @dataclass
    class Left(Message):
        """The user wants to write again."""

    @dataclass
    class Jumped(Message):
        """The user wants to see these events in the chat."""

        seqs: set[int]

    @dataclass
    class Told(Message):
        """Something to show above the composer."""

        text: str
        failed: bool = False

    def __init__(self) -> None:
        super().__init__("inspector")
        self.frames = FrameList()
        self.level = 1
        """Index in `LEVELS`."""
        self._fields, self._dump = Fields(), Dump()
        self._head, self._foot = TextLine("wire-head"), TextLine("wire-foot")
        self._filter = Input(placeholder=translate('filter, e.g. dir:in role:poll "hello"'), id="wire-filter")
        self._trace: Trace | None = None
        self._lines: list[Line] = []
        self._selected = -1
        self._place = (0, 0)  # the bytes that are selected, whatever the level
        self._chosen: Frame | None = None
        self._paused = False
        self._gone = 0
        self._seen = 0  # the number of the newest frame that was shown
        self._keys: dict[str, Callable[[], object]] = {
            "up": lambda: self.frames.move(-1),
            "down": lambda: self.frames.move(1),
            "pageup": lambda: self.frames.page(-1),
            "pagedown": lambda: self.frames.page(1),
            "home": lambda: self.frames.go(0),
            "end": lambda: self.frames.go(len(self.frames.table.rows) - 1),
            "plus": lambda: self.zoom(1),
            "enter": lambda: self.zoom(1),
            "minus": lambda: self.zoom(-1),
            "left": lambda: self._step(-1),
            "right": lambda: self._step(1),
            "space": self._pause,
            "slash": self._ask_filter,
            "m": self._mark,
            "n": self._next_mark,
            "c": self._control,
            "j": self._jump,
            "escape": self._back,
            **self.stop_keys,
        }

    def compose(self) -> ComposeResult:
        yield self.frames
        yield self._head
        with Horizontal(id="wire-details"):
            yield self._fields
            yield self._dump
        yield self._filter
        yield self._foot

    def on_mount(self) -> None:
        self._timer = self.set_interval(EVERY, self.look, pause=True)

    # --- the trace -----------------------------------------------------------------------------

    def open(self, trace: Trace, tap: Tap | None = None) -> None:
        """Show a trace, and look at it from now on; it can be stopped at its tap."""
        self.tap = tap
        if trace is not self._trace:
            self._trace, self._gone = trace, 0
            self._seen = trace.frames[-1].number if trace.frames else 0
            self.frames.start = None
            self.frames.table.rebuild(trace.frames)
            self.frames.follow = True
        self._timer.resume()
        self.look()
        self._list_changed()

    async def shut(self) -> None:
        """Do nothing any more, and hold nothing."""
        self._timer.pause()
        if self.tap is not None:
            await self.stop_wire(False)

    def look(self) -> None:
        """Take what has passed since the last look."""
        trace = self._trace
        if trace is None:
            return
        trace.update()
        self.look_at_waiting()
        if self._paused:
            return
        new = trace.since(self._seen)
        if new:
            self._seen = new[-1].number
        gone = 0
        if trace.gone != self._gone:
            self._gone = trace.gone
            gone = self.frames.table.forget(trace.frames[0].number if trace.frames else self._seen + 1)
        self.frames.table.add(new)
        if new or gone:
            self._list_changed(gone)

    def show_message(self, frames: list[Frame]) -> None:
        """Put the cursor on the first frame of a message that is shown."""
        for frame in frames:
            if (index := self.frames.table.row_of(frame.number)) is not None:
                self.frames.go(index)
                return

    # --- the chosen frame ----------------------------------------------------------------------

    @property
    def frame(self) -> Frame | None:
        row = self.frames.row
        return row.frame if row else None

    @property
    def selection(self) -> tuple[int, int]:
        """The bytes that are selected, whatever the level."""
        return self._place

    def on_frame_list_chosen(self, event: FrameList.Chosen) -> None:
        event.stop()
        self._show_chosen()

    def _list_changed(self, gone: int = 0) -> None:
        if self.frames.changed(gone):
            self._show_chosen()

    def _show_chosen(self) -> None:
        frame = self.frame
        if frame is not self._chosen:  # else only the list has grown
            self._chosen, self._place = frame, _text_of(frame) if frame else (0, 0)
        self._show()

    def on_focus(self) -> None:
        self.call_after_refresh(lambda: self._say(self.frame))

    def on_blur(self) -> None:
        self.call_after_refresh(lambda: self._say(self.frame))

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def zoom(self, levels: int) -> None:
        """Go so many levels towards the bytes."""
        self.level = max(0, min(len(LEVELS) - 1, self.level + levels))
        self._show()

    def _show(self) -> None:
        frame, trace, level = self.frame, self._trace, LEVELS[self.level]
        dump_alone = level == "bytes"
        wide = self.has_class("-whole") and self.size.width >= 100
        self._fields.display = not dump_alone or wide
        self._dump.display = dump_alone or wide
        room = wide and self.size.width >= WIDE_DUMP + MIN_FIELDS
        self._dump.styles.width = WIDE_DUMP if room else "1fr"
        if frame is None or trace is None:
            self._lines, self._selected = [], -1
            self._fields.show([], -1)
            self._dump.show([], (0, 0))
        else:
            exchange = trace.related(frame) if level == "call" else [frame]
            self._lines = lines(frame, exchange[-20:], "frame" if dump_alone else level)
            self._selected = self._at(self._place)
            self._fields.show(self._lines, self._selected)
            self._show_dump(frame)
        self._say(frame)

    def _show_dump(self, frame: Frame) -> None:
        beside = MIN_FIELDS if self._fields.display else 0
        self._dump.bytes_a_line = 16 if self.size.width >= WIDE_DUMP + beside else 8
        self._dump.show(rows(frame, shown_bytes(frame), self._dump.bytes_a_line), self._place)

    def _say(self, frame: Frame | None) -> None:
        named = [translate(NAMES[level]) for level in LEVELS]
        named[self.level] = f"[{named[self.level]}]"
        if frame is None:
            nothing = N_(
                "nothing has passed yet: write something"
                if self._trace is None or not self._trace.frames
                else "no frame fits the filter: / changes it"
            )
            self._head.show(translate(nothing))
        else:
            of_it = sizes(frame)
            parts = "  ".join(f"{name} {size}" for name, size in of_it.items())
            what = f" {' '.join(named)}   {translate(WHAT[LEVELS[self.level]])}"
            shown = f"{what}   {parts} B" if len(what) + 40 < self.size.width else what
            self._head.show(shown)
        state = translate(f"STOPPED, {len(self.frames.waiting)} wait") + "  " if self.stopped else ""
        foot = f" {state}{translate('PAUSED') + '  ' if self._paused else ''}{self._passed()}"
        keys = STOPPED_KEYS if self.stopped else KEYS
        for key, does in keys if self.has_focus_within else ENTER:
            foot_and_key = f"{foot}  {key} {translate(does)}"
            if len(foot_and_key) < self.size.width:
                foot = foot_and_key
        self._foot.show(foot)

    def _passed(self) -> str:
        """Return how much is shown, and what is not kept or not decoded yet."""
        trace, table = self._trace, self.frames.table
        if trace is None:
            return ""
        shown = table.shown
        of_all = len(trace.frames)
        parts = [translate(f"{shown} of {of_all}" if shown != of_all else f"{shown} frames")]
        if trace.gone:
            parts.append(translate(f"{trace.gone} not kept"))
        if trace.behind:
            parts.append(translate(f"{trace.behind} behind"))
        return ", ".join(parts)

    def _at(self, place: tuple[int, int]) -> int:
        """Return the line that is nearest to these bytes: the smallest that holds their first one."""
        best, size = -1, 1 << 60
        for index, line in enumerate(self._lines):
            if line.span is not None and line.span[0] <= place[0] < max(line.span[1], line.span[0] + 1):
                width = line.span[1] - line.span[0]
                exact = line.span == place
                if exact or width < size:
                    best, size = index, -1 if exact else width
        return best if best >= 0 else 0 if self._lines else -1

    def _step(self, lines: int) -> None:
        """Select another field."""
        index = self._selected
        while 0 <= (index := index + lines) < len(self._lines):
            if self._lines[index].span is not None:
                self._choose(index)
                return

    def _choose(self, index: int) -> None:
        span = self._lines[index].span
        if span is not None:
            self._place = span
        self._selected = index
        self._fields.show(self._lines, index)
        frame = self.frame
        if frame is not None:
            self._show_dump(frame)

    def on_fields_chosen(self, event: Fields.Chosen) -> None:
        event.stop()
        self._choose(event.index)

    def on_dump_chosen(self, event: Dump.Chosen) -> None:
        event.stop()
        self._place = (event.place, event.place + 1)
        index = self._at(self._place)
        if index >= 0 and (span := self._lines[index].span) is not None:
            self._place = span
        self._show()

    # --- keys ----------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        if self._filter.has_focus:
            if event.key == "escape":
                event.stop()
                self._close_filter()
            return
        if (action := self._keys.get(event.key)) is not None:
            event.stop()
            event.prevent_default()
            action()

    def tell(self, text: str, failed: bool = False) -> None:
        self.post_message(self.Told(text, failed))

    def on_stopping_changed(self) -> None:
        self._say(self.frame)

    def _back(self) -> None:
        self.post_message(self.Left())

    def _pause(self) -> None:
        self._paused = not self._paused
        self._say(self.frame)

    def _mark(self) -> None:
        row = self.frames.row
        if row is not None:
            row.marked = not row.marked
            self.frames.refresh()

    def _next_mark(self) -> None:
        marked = [index for index, row in enumerate(self.frames.table.rows) if row.marked]
        after = [index for index in marked if index > self.frames.cursor]
        if marked:
            self.frames.go((after or marked)[0])
        else:
            self.post_message(self.Told("nothing is marked: m marks a frame"))

    def _control(self) -> None:
        table = self.frames.table
        table.control = not table.control
        self._rebuild()
        self.post_message(self.Told(f"control frames are {'shown' if table.control else 'hidden'}"))

    def _jump(self) -> None:
        frame = self.frame
        if frame is None or not frame.seqs:
            self.post_message(self.Told("this frame carries no event of the room", failed=True))
        else:
            self.post_message(self.Jumped(frame.seqs))

    # --- the filter ----------------------------------------------------------------------------

    def _ask_filter(self) -> None:
        self._filter.display = True
        self._filter.focus()

    def _close_filter(self) -> None:
        self._filter.display = False
        self.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self.frames.table.match = parse_filter(event.value)
        except BadRequest as error:
            self.post_message(self.Told(str(error), failed=True))
            return
        self._close_filter()
        self._rebuild()

    def _rebuild(self) -> None:
        chosen: Row | None = self.frames.row
        if self._trace is not None:
            self.frames.table.rebuild(self._trace.frames)
        if chosen is not None and (index := self.frames.table.row_of(chosen.frame.number)) is not None:
            self.frames.cursor = index
        self._list_changed()


def _text_of(frame: Frame) -> tuple[int, int]:
    """Return the bytes of the first text in a frame: of all its fields people look for that one."""
    payload = (field.span for field in walk(frame.root) if field.part == "payload" and not field.fields)
    return next((span for span in payload if span is not None), (0, 0))
