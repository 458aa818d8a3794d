"""What a benchmark has found, ready to be shown: on a terminal, to a program, on `docs/performance.md`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from chat.domain.errors import ChatError
from lab.bench.goals import Verdict
from lab.bench.machine import Machine

TITLE = "# Performance\n"


@dataclass(frozen=True)
class Section:
    name: str
    """Of the section on the page."""
    text: str
    """For a terminal."""
    page: str
    """In Markdown."""
    json: str
    verdicts: list[Verdict]
    """What came of its goals."""
    left_out: list[str] = field(default_factory=list)
    """What was not measured, and why."""
    pictures: dict[str, str] = field(default_factory=dict)
    """SVG by file name, for the folder `pictures` beside the page."""

    def show(self, *, as_json: bool, write: str | None) -> None:
        """Print it, and write the page if there is one. Raises `ChatError`."""
        sys.stdout.write((self.json if as_json else self.text) + "\n")
        if write:
            self.write(Path(write))

    def write(self, page: Path, *, first: bool = False) -> None:
        """Write it to the page; ``first``: if it is new, above the others. Raises `ChatError`."""
        write_section(page, self.name, self.page, first=first)
        try:
            for name, picture in self.pictures.items():
                (page.parent / "pictures").mkdir(exist_ok=True)
                (page.parent / "pictures" / name).write_text(picture, encoding="utf-8", newline="\n")
        except OSError as error:
            raise ChatError(f"cannot write the pictures beside {page}: {error.strerror}") from None


def about(machine: Machine) -> list[str]:
    """Return the lines about the machine for the page."""
    return [
        f"- machine: {machine.cpu}, {machine.cores} cores, load {machine.load} at the start",
        f"- system: {machine.system}",
        f"- software: {machine.python}, {machine.libraries}",
    ]


def aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table for a terminal; all columns but the first are right-aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in (head, *rows)
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def write_section(path: Path, name: str, text: str, *, first: bool = False) -> None:
    """Replace the page's section with this name, or append it.

    Args:
        path: the page.
        name: of the section.
        text: of the section.
        first: if it is not there, insert it above the others.

    Raises:
        ChatError: the page can't be written.
    """
    begin, end = f"<!-- {name}: written by chat bench -->\n", f"<!-- {name} ends -->\n"
    try:
        page = path.read_text(encoding="utf-8") if path.exists() else TITLE
        before, found, rest = page.partition(begin)
        after = rest.partition(end)[2]
        if not found and first:
            before, title, after = page.partition(TITLE)
            before += title
        gap = "" if found else "\n"
        path.write_text(before + gap + begin + text + end + after, encoding="utf-8")
    except OSError as error:
        raise ChatError(f"cannot write {path}: {error.strerror}") from None
