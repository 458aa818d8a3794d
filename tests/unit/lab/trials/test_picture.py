"""The picture of the page is drawn from histories that were recorded, and shows what is in them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from chat.domain.model import Event
from lab.check.history import Down, Entered, Fault, Indefinite, Invoke, Line, Ok, read_lines
from lab.check.judge import judge
from lab.trials.picture import FILE, HISTORIES, SCENARIO, Dot, NotTried, draw, drawn, lane
from lab.trials.scenarios import BY_NAME

DOCS = Path(__file__).parents[4] / "docs"
KEPT = sorted((DOCS / HISTORIES).glob("*.jsonl"))


def entry(seq: int, text: str) -> Event:
    return Event("sent", seq, seq - 1, 0, author="p0", seat="A", n=seq, id=seq, text=text)


LINES: list[Line] = [
    Entered(client="p0", at=0.0, room="lab", seat="A", head=1),
    Invoke(client="p0", at=9.0, op=1, text="one"),
    Ok(client="p0", at=9.5, op=1, seq=2),
    Down(client="p0", at=10.25),
    Invoke(client="p0", at=10.5, op=2, text="two"),
    Indefinite(client="p0", at=13.5, op=2),
    Invoke(client="p0", at=11.0, op=3, text="three"),
    Indefinite(client="p0", at=14.0, op=3),
    Fault(name=SCENARIO, at=10.0, until=14.0, fired=1),
    entry(2, "one"),
    entry(3, "three"),
]


def test_a_message_is_ok_lost_or_unknown_and_the_log_decides() -> None:
    found = lane("tcp", LINES)
    assert found.dots == (Dot(-1.0, "ok", -0.5), Dot(0.5, "lost", None), Dot(1.0, "unknown", None))
    assert (found.back, found.noticed) == (4.0, 0.25)


def test_a_dot_has_a_shape_and_a_colour_for_each_state() -> None:
    root = ElementTree.fromstring(draw([lane("tcp", LINES), NotTried("rabbitmq", "a broker")], "a kill"))
    text = " ".join(root.itertext())
    assert all(
        word in text for word in ("tcp", "rabbitmq", "not tried: a broker", "ok:", "lost:", "unknown:")
    )
    drawn_as = [one.tag.split("}")[1] + one.get("fill", "") + one.get("stroke", "") for one in root]
    legend = 1
    assert drawn_as.count("circle#0072b2#ffffff") == 1 + legend
    assert drawn_as.count("pathnone#d55e00") == 1 + legend
    assert drawn_as.count("path#e69f00#1a1a1a") == 1 + legend


def test_the_picture_is_what_the_kept_histories_show() -> None:
    """`make docs` draws it anew; `chat lab faults --write` records the histories anew, too."""
    assert (DOCS / FILE).read_text(encoding="utf-8") == drawn(DOCS)


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_the_checker_judges_what_is_drawn(file: Path) -> None:
    with file.open("rb") as opened:
        lines = list(read_lines(opened, file.name))
    assert judge(lines).state == "valid"
    (fault,) = [line for line, _ in lines if isinstance(line, Fault)]
    assert fault.name == BY_NAME[SCENARIO].trouble
