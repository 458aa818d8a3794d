"""Two techniques side by side."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, chop_cells
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chat.language.translation import translate
from lab.wire.compare import Pair, Sample, compare
from tui.rows import fit

STYLES = {None: "bold $accent", "framing": "$quiet", "envelope": "$nick-0", "payload": "bold $success"}


class CompareScreen(ModalScreen[None]):
    """Shows a message over one technique beside the same one over another."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
    ]

    def __init__(self, left: Sample, right: Sample) -> None:
        super().__init__()
        self._pairs = compare(left, right)
        self._text = Static("", markup=False)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="compare") as scroll:
            scroll.border_title = translate("the same message, side by side")
            scroll.border_subtitle = translate("framing · envelope · payload · Esc closes")
            yield self._text

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#compare", VerticalScroll).scroll_relative(y=lines, animate=False)

    def _draw(self) -> None:
        column = max(10, (self._text.size.width - 3) // 2)
        self._text.update(Content("\n").join(drawn(pair, column) for pair in self._pairs))


def drawn(pair: Pair, column: int) -> Content:
    """Return both sides of a line, each wrapped into a column."""
    left, right = folded(pair.left, column), folded(pair.right, column)
    count = max(len(left), len(right))
    left += [""] * (count - len(left))
    right += [""] * (count - len(right))
    style = STYLES[pair.part]
    return Content("\n").join(
        Content.assemble((fit(one, column), style), (" │ ", "$quiet"), (two, style))
        for one, two in zip(left, right, strict=True)
    )


def folded(text: str, column: int) -> list[str]:
    """Return the lines of a text, broken at blanks where there are any; those that go on are indented."""
    lines = []
    indent = len(text) - len(text.lstrip()) + 2
    while cell_len(text) > column:
        first = chop_cells(text, column)[0]
        blank = first.rfind(" ", column // 2)
        cut = blank if blank > indent else len(first)
        lines.append(text[:cut].rstrip())
        text = " " * indent + text[cut:].lstrip()
    return [*lines, text]
