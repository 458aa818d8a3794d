"""Two techniques side by side: what does not fit into a column is folded."""

from __future__ import annotations

from rich.cells import cell_len

from tui.wire.compare_screen import folded


def test_words_stay_whole_where_they_can() -> None:
    text = "5 B text · 25 B up / 81 B down · 2 frames · 0 extra round trips"
    lines = folded(text, 36)
    assert [line.strip() for line in lines] == [
        "5 B text · 25 B up / 81 B down · 2",
        "frames · 0 extra round trips",
    ]


def test_what_has_no_blank_is_cut_and_nothing_is_lost() -> None:
    text = "  xmlns:soap-env  http://www.w3.org/2003/05/soap-envelope"
    for column in (10, 20, 36, 80):
        lines = folded(text, column)
        assert all(cell_len(line) <= column for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_wide_characters_are_counted_as_two_cells() -> None:
    lines = folded("  日本語日本語日本語日本語", 12)
    assert all(cell_len(line) <= 12 for line in lines)
    assert "".join(line.strip() for line in lines) == "日本語日本語日本語日本語"
