"""The recording of the pages: what is written, what a terminal makes of it, and the picture that moves."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.terminal import Terminal
from tests.support import tmux
from tests.support.browser import chromium
from tests.tui.recording.__main__ import CAST, PICTURE, picture
from tests.tui.recording.asciicast import Happened, Recorder, read
from tests.tui.recording.drawing import HEIGHT, WIDTH, pictures
from tests.tui.recording.screen import Screen

LARGEST = 1_000_000
"""Bytes of a picture that a page shows at once."""


def recorder(file: io.StringIO, *times: float) -> Recorder:
    """A recorder whose events happen at these times."""
    clock: Iterator[float] = iter(times)
    return Recorder(file, 80, 24, clock=lambda: next(clock), title="a title")


# --- the file ----------------------------------------------------------------------------------


def test_what_is_written_is_read_again() -> None:
    file = io.StringIO()
    written = recorder(file, 100.0, 100.25, 101.0, 103.5, 103.5)
    written.output(b"\x1b[1mhello\r\n")
    written.marker("a chapter")
    written.resize(90, 30)
    written.output("日本".encode())
    written.exit(0)
    header, *lines = map(json.loads, file.getvalue().splitlines())
    assert header == {
        "version": 3,
        "term": {"cols": 80, "rows": 24, "type": "xterm-256color"},
        "title": "a title",
    }
    assert lines == [
        [0.0, "o", "\x1b[1mhello\r\n"],
        [0.25, "m", "a chapter"],
        [0.75, "r", "90x30"],
        [2.5, "o", "日本"],
        [0.0, "x", "0"],
    ]
    assert read(file.getvalue()).events == (
        Happened(0, "o", "\x1b[1mhello\r\n"),
        Happened(250, "m", "a chapter"),
        Happened(1000, "r", "90x30"),
        Happened(3500, "o", "日本"),
        Happened(3500, "x", "0"),
    )


def test_intervals_that_are_rounded_add_up_to_the_whole_time() -> None:
    file = io.StringIO()
    written = recorder(file, *(number * 0.0004 for number in range(1001)))
    for _ in range(1001):
        written.output(b".")
    assert read(file.getvalue()).events[-1].at == 400


def test_a_character_that_is_split_between_two_reads_comes_with_the_second() -> None:
    file = io.StringIO()
    written = recorder(file, 0.0, 1.0, 2.0)
    data = "né🚀".encode()
    for begin, end in ((0, 2), (2, 5), (5, 6), (6, 7)):
        written.output(data[begin:end])
    events = read(file.getvalue()).events
    assert [event.data for event in events] == ["n", "é", "🚀"]


def test_half_a_character_at_the_end_is_not_dropped() -> None:
    file = io.StringIO()
    written = recorder(file, 0.0, 0.0, 0.0)
    written.output("n🚀".encode()[:-1])
    written.exit(1)
    assert [event.data for event in read(file.getvalue()).events] == ["n", "\N{REPLACEMENT CHARACTER}", "1"]


def test_comments_are_passed_over_and_another_version_is_refused() -> None:
    head = {"version": 3, "term": {"cols": 80, "rows": 24}}
    text = json.dumps(head) + '\n# said by hand\n[0.5, "o", "x"]\n'
    assert read(text).events == (Happened(500, "o", "x"),)
    with pytest.raises(ValueError, match="v2, not v3"):
        read(json.dumps({**head, "version": 2}))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal, and Windows has none for it")
def test_what_is_typed_is_not_in_the_recording() -> None:
    file = io.StringIO()
    written = recorder(file, *map(float, range(100)))
    command = "stty -echo; printf ready; read -r word; printf '%s letters' ${#word}"
    with Terminal(["sh", "-c", command], dict(os.environ), size=(24, 80), watch=written.output) as terminal:
        terminal.shows(b"ready")
        terminal.press(b"secret\r")
        written.exit(terminal.ends())
    events = read(file.getvalue()).events
    assert "".join(event.data for event in events if event.code == "o") == "ready6 letters"
    assert "secret" not in file.getvalue()
    assert events[-1].code == "x"


def test_the_kept_recording_tells_of_one_terminal_and_ends_well() -> None:
    text = CAST.read_text(encoding="utf-8")
    assert set(json.loads(text.partition("\n")[0])) == {"version", "term", "title"}, "no time, no environment"
    recording = read(text)
    assert (recording.cols, recording.rows) == (80, 24)
    assert (recording.events[-1].code, recording.events[-1].data) == ("x", "0")
    assert 30_000 < recording.events[-1].at < 90_000


# --- the terminal ------------------------------------------------------------------------------


def shown(text: str) -> list[str]:
    screen = Screen(20, 3)
    screen.write(text)
    return screen.lines


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("one\r\ntwo", ["one", "two", ""]),
        ("1\r\n2\r\n3\r\n4", ["2", "3", "4"]),
        ("one\x1b[1;2HN", ["oNe", "", ""]),
        ("日本\x1b[1;3Hx", ["日x", "", ""]),
        ("e\u0301", ["e\u0301", "", ""]),
        ("usual\x1b[?1049hother\x1b[?1049l!", ["usual!", "", ""]),
        ("one\r\ntwo\x1b[H\x1b[J", ["", "", ""]),
        ("\x1b]2;a title\x07\x1b[?2004h\x1b[>1uone", ["one", "", ""]),
    ],
)
def test_a_screen_shows_what_was_written(written: str, lines: list[str]) -> None:
    assert shown(written) == lines


@pytest.mark.parametrize("written", ["\x1b[3L", "\x1b[31m", "\x1b(0", "\t"])
def test_what_is_not_known_is_an_error(written: str) -> None:
    with pytest.raises(ValueError, match="not known"):
        shown(written)


def test_a_sequence_may_be_split_anywhere() -> None:
    text = "".join(event.data for event in read(CAST.read_text(encoding="utf-8")).events if event.code == "o")
    whole, pieces = Screen(80, 24), Screen(80, 24)
    text = text[: len(text) // 4]
    whole.write(text)
    for at in range(0, len(text), 3):
        pieces.write(text[at : at + 3])
    assert pieces.picture == whole.picture


@pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING)
def test_a_real_terminal_shows_the_same_at_the_end_of_each_chapter(tmp_path: Path) -> None:
    recording = read(CAST.read_text(encoding="utf-8"))
    screen, written = Screen(recording.cols, recording.rows), tmp_path / "written"
    text = ""
    with tmux.shell(tmp_path) as pane:
        for event in recording.events:
            if event.code == "m" and text:
                written.write_text(text, encoding="utf-8")
                pane.line(f"cat {written}; read -rs; printf '\\033[?1049l'; clear")
                pane.until(lambda there: there.rstrip("\n").split("\n") == screen.text.rstrip().split("\n"))
                pane.keys("Enter")
                pane.until(lambda there: there.strip() == "$")
            elif event.code == "o":
                text += event.data
                screen.write(event.data)


# --- the picture -------------------------------------------------------------------------------


def test_the_picture_is_that_of_the_recording() -> None:
    assert picture(CAST.read_text(encoding="utf-8")) == PICTURE.read_text(encoding="utf-8"), "run: make docs"


def test_the_picture_needs_nothing_else_and_is_small() -> None:
    drawn = PICTURE.read_text(encoding="utf-8")
    assert len(drawn.encode()) < LARGEST
    assert "<script" not in drawn
    assert drawn.count("://") == 1, "the name of the format"
    assert "url(" not in drawn


ROWS_SHOWN = f"""[...document.querySelectorAll('svg svg')].slice(1).map(hole => {{
    const strip = hole.firstElementChild;
    const index = Math.round(-new DOMMatrix(getComputedStyle(strip).transform).m42 / {HEIGHT});
    const line = document.querySelector(strip.children[index].getAttribute('href'));
    return [...line.querySelectorAll('text')].map(text => [+text.getAttribute('x'), text.textContent]);
}})"""


async def test_a_browser_plays_it_and_shows_at_each_time_what_the_terminal_showed(tmp_path: Path) -> None:
    recording = read(CAST.read_text(encoding="utf-8"))
    wanted = pictures(recording)
    async with chromium(tmp_path) as browser:
        page = await browser.page(width=720, height=480)
        await page.open(PICTURE.as_uri())
        assert await page.value("document.getAnimations().every(one => one.playState === 'running')")
        for one in wanted[:: len(wanted) // 40]:
            await page.value(
                f"document.getAnimations().forEach(one => {{ one.pause(); one.currentTime = {one.at + 1}; }})"
            )
            rows = await page.value(ROWS_SHOWN)
            assert [line(row) for row in rows] == [
                "".join(cell.text for cell in row).rstrip() for row in one.rows
            ]
        assert page.problems == []
        assert page.requests == [PICTURE.as_uri()]
        await page.close()


def line(texts: list[tuple[float, str]]) -> str:
    """Put the texts of a line where they stand."""
    whole = ""
    for x, text in texts:
        whole = whole.ljust(round(x / WIDTH)) + text.replace("\N{NO-BREAK SPACE}", " ")
    return whole.rstrip()
