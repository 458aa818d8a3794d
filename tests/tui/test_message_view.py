"""The list as a widget: its geometry, following the end, and selecting with the mouse."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import hypothesis.strategies as st
from hypothesis import given, settings
from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.scrollbar import ScrollBarRender
from textual.selection import Selection

from chat.domain.errors import ConnectionLost
from tests.support.desk import Desk, Running, caught_up, chat, chatting, lines, text, until
from tui.rows import Look, Place, Row, lay_out
from tui.themes import FALLBACK
from tui.widgets.lines import thumb
from tui.widgets.message_view import KEEP, MessageView

# --- geometry ----------------------------------------------------------------------------------


class OneList(App[None]):
    CSS = "MessageView { height: 1fr; }"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return FALLBACK

    def compose(self) -> ComposeResult:
        yield MessageView()


def naive_heights(view: MessageView) -> list[int]:
    heights, day = [], ""
    for row in view.rows:
        heights.append(len(lay_out(row, view.look).lines) + (1 if row.day and row.day != day else 0))
        day = row.day
    return heights


words = st.lists(
    st.sampled_from(["a", "word", "漢字", "🚀", "👩‍💻", "e\u0301", "x" * 90, "\n", "https://example.org/a"]),
    min_size=1,
    max_size=30,
).map(" ".join)
rows = st.builds(
    Row,
    place=st.integers(1, 60).map(lambda seq: Place(0, seq)),
    kind=st.sampled_from(["message", "notice", "rule"]),
    text=words,
    day=st.sampled_from(["", "Mon 23 November 2026", "Tue 24 November 2026"]),
    took=st.none() | st.floats(0, 100),
    reason=st.just("") | words,
)
starts = st.lists(rows, min_size=5, max_size=30)
steps = st.lists(
    st.tuples(st.just("put"), rows)
    | st.tuples(st.just("put"), rows)
    | st.tuples(st.just("drop"), st.integers(1, 60))
    | st.tuples(st.just("width"), st.integers(20, 130))
    | st.tuples(st.just("scroll"), st.integers(0, 200))
    | st.tuples(st.just("slice"), st.none())
    | st.tuples(st.just("clear"), st.none()),
    max_size=25,
)


def take(view: MessageView, step: tuple[str, object]) -> None:
    match step:
        case "put", Row() as row:
            view.put(row)
        case "drop", int(seq):
            view.drop(Place(0, seq))
        case "width", int(width):
            view.restyle(replace(view.look, width=width))
        case "scroll", int(line):
            view.scroll_to(y=line, animate=False)
        case "clear", _:
            view.clear()
        case "slice", _:
            view.wrap_slice()


async def test_heights_and_their_sums_are_those_of_a_recount() -> None:
    async with OneList().run_test() as pilot:
        view = pilot.app.query_one(MessageView)

        @settings(max_examples=150)
        @given(starts, steps)
        def check(start: list[Row], script: list[tuple[str, object]]) -> None:
            view.clear()
            view.restyle(Look(79))
            with view.changing():
                for row in start:
                    view.put(row)
            for step in script:
                take(view, step)
                places = [row.place for row in view.rows]
                assert places == sorted(set(places))
                assert view.lines.ends == list(accumulate(view.lines.heights))
                assert view.virtual_size.height == sum(view.lines.heights)
                if not view.unsure:
                    assert view.lines.heights == naive_heights(view)
            while view.unsure:
                view.wrap_slice()
            assert view.lines.heights == naive_heights(view)

        check()


async def test_what_is_on_the_screen_is_wrapped_at_once_after_a_new_width() -> None:
    async with OneList().run_test(size=(80, 20)) as pilot:
        view = pilot.app.query_one(MessageView)
        with view.changing():
            for seq in range(1, 3000):
                view.put(Row(Place(0, seq), "message", f"message {seq} " + "word " * 30))
        view.restyle(Look(50))
        visible = range(len(view.rows) - 5, len(view.rows))
        assert view.unsure
        assert [view.lines.heights[index] for index in visible] == [
            naive_heights(view)[index] for index in visible
        ]


async def test_the_list_keeps_the_newest_rows_and_no_more_than_it_promises() -> None:
    async with OneList().run_test() as pilot:
        view = pilot.app.query_one(MessageView)
        for start in range(0, 2 * KEEP, 500):
            with view.changing():
                for seq in range(start, start + 500):
                    view.put(Row(Place(0, seq), "message", f"message {seq}"))
            assert len(view.rows) <= KEEP
        assert view.rows[-1].text == f"message {2 * KEEP - 1}"


# --- following the end -------------------------------------------------------------------------


def long_room() -> Desk:
    desk = Desk()
    for number in range(100):
        desk.says("bob", f"message {number}.")
    return desk


def last_row(pilot: Running) -> str:
    """The lowest line of the list."""
    return lines(pilot)[chat(pilot).view.size.height - 1]


async def test_the_end_stays_in_sight_when_messages_come() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        desk.says("bob", "the newest")
        await caught_up(pilot, desk)
        assert "the newest" in last_row(pilot)


async def test_who_scrolled_up_keeps_the_place_and_is_told_of_new_messages() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        await pilot.press("pageup")
        before = lines(pilot)[:10]
        desk.says("bob", "the newest")
        desk.says("bob", "the very newest")
        await caught_up(pilot, desk)
        assert lines(pilot)[:10] == before
        assert "▼ 2 new · Ctrl+End" in last_row(pilot)


async def test_ctrl_end_goes_to_the_newest_and_takes_the_bar_away() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        await pilot.press("pageup")
        desk.says("bob", "the newest")
        await caught_up(pilot, desk)
        await pilot.press("ctrl+end")
        await pilot.pause()
        assert "the newest" in last_row(pilot)
        assert "▼" not in text(pilot)


async def test_a_click_on_the_bar_goes_to_the_newest() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        await pilot.press("pageup")
        desk.says("bob", "the newest")
        await caught_up(pilot, desk)
        await pilot.click("#newer")
        await pilot.pause()
        assert "the newest" in last_row(pilot)


async def test_a_smaller_window_still_shows_the_end() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        await pilot.resize_terminal(60, 16)
        await pilot.pause()
        assert "message 99." in last_row(pilot)
        desk.says("bob", "the newest")
        await caught_up(pilot, desk)
        assert "the newest" in last_row(pilot)


async def test_a_banner_does_not_end_the_following() -> None:
    desk = long_room()
    async with chatting(desk) as pilot:
        desk.away = ConnectionLost("the cable is gone", retry_after=600.0)  # so that the banner stays
        desk.breaks("the cable is gone")
        await until(pilot, lambda: "the cable is gone" in text(pilot))
        view = chat(pilot).view
        await until(pilot, lambda: view.size.height and view.follow)
        assert view.scroll_offset.y == view.max_scroll_y


# --- selecting ---------------------------------------------------------------------------------


async def selected(pilot: Running, start: Offset | None, end: Offset | None) -> str:
    found = chat(pilot).view.get_selection(Selection(start, end))
    assert found is not None
    return found[0]


async def test_a_selected_address_is_whole_although_it_was_wrapped() -> None:
    desk = Desk()
    address = "https://example.org/" + "a" * 60
    desk.says("bob", address)
    async with chatting(desk) as pilot:
        left = chat(pilot).view.look.left
        assert await selected(pilot, Offset(left, 1), Offset(79, 3)) == address


async def test_selected_words_that_were_wrapped_have_a_space_between_them() -> None:
    desk = Desk()
    sentence = "a sentence of so many words that one line can by no means hold them all"
    desk.says("bob", sentence)
    async with chatting(desk) as pilot:
        left = chat(pilot).view.look.left
        assert await selected(pilot, Offset(left, 1), Offset(79, 3)) == sentence


async def test_selecting_whole_rows_copies_time_and_nick_and_no_badges() -> None:
    desk = Desk()
    desk.says("bob", "one")
    desk.says("bob", "two\nlines")
    async with chatting(desk) as pilot:
        assert await selected(pilot, None, None) == (
            "Mon 23 November 2026\n12:55 bob one\n12:55 bob two\nlines"
        )


async def test_dragging_and_ctrl_c_copy_to_the_clipboard() -> None:
    desk = Desk()
    desk.says("bob", "copy this please")
    async with chatting(desk) as pilot:
        view, left = chat(pilot).view, chat(pilot).view.look.left
        await pilot.mouse_down(view, offset=(left + 5, 1))
        await pilot.hover(view, offset=(left + 9, 1))
        await pilot.mouse_up(view, offset=(left + 9, 1))
        await pilot.press("ctrl+c")
        assert pilot.app.clipboard.strip() == "this"


def test_a_scroll_bar_that_looks_different_has_another_thumb() -> None:
    drawn = dict[tuple[int, ...], object]()
    for height in (3, 25):
        for total in (1, height, height + 1, 40, 333, 5000):
            for top in range(0, max(1, total - height + 1), 1 + total // 300):
                window = height if height < total else 0  # as `ScrollBar` does
                bar = ScrollBarRender.render_bar(height, total, window, top).segments
                assert drawn.setdefault((height, *thumb(total, top, height)), bar) == bar
