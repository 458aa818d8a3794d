"""The checker on histories written by hand: each kind of violation, and the fewest lines that show it."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from msgspec import structs

from chat.domain.errors import BadRequest
from chat.domain.model import Event
from lab.check.history import Down, End, Entered, Fail, Fault, Indefinite, Invoke, Line, Missing, Ok, Saw
from lab.check.judge import judge
from lab.check.verdict import PROMISES, Kind, Verdict

OPENED = Event("opened", 1, 0, 0, text="epoch")


def said(seq: int, prev: int, text: str, n: int, seat: str = "A") -> Event:
    return Event("sent", seq, prev, 0, author=seat.lower(), seat=seat, n=n, id=seq, text=text)


ONE, TWO = said(2, 1, "one", 1), said(3, 2, "two", 2)


def entered(client: str = "ann", seat: str = "A", head: int = 1) -> Entered:
    return Entered(client=client, at=0.0, room="lab", seat=seat, head=head)


def good() -> list[Line]:
    """Ann says two things, one after the other; bob sees them."""
    return [
        OPENED,
        ONE,
        TWO,
        entered(),
        Invoke(client="ann", at=1.0, op=1, text="one"),
        Saw(client="ann", at=1.1, event=ONE),
        Ok(client="ann", at=1.1, op=1, seq=2),
        Invoke(client="ann", at=2.0, op=2, text="two"),
        Saw(client="ann", at=2.1, event=TWO),
        Ok(client="ann", at=2.1, op=2, seq=3),
        End(client="ann", at=9.0),
        entered("bob", "B"),
        Saw(client="bob", at=1.2, event=ONE),
        Saw(client="bob", at=2.2, event=TWO),
        End(client="bob", at=9.0),
    ]


def verdict(lines: list[Line]) -> Verdict:
    return judge((line, "") for line in lines)


def changed(old: Line, *new: Line, lines: list[Line] | None = None) -> list[Line]:
    """Return the good history, or other lines, with something else, or nothing, in place of one line."""
    return [line for kept in lines or good() for line in (new if kept == old else (kept,))]


def of(client: str, kind: type, which: int = 0) -> Line:
    return [line for line in good() if isinstance(line, kind) and getattr(line, "client", "") == client][
        which
    ]


def swapped() -> list[Line]:
    first, second = said(2, 1, "two", 2), said(3, 2, "one", 1)
    lines: list[Line] = []
    for line in good():
        if isinstance(line, Saw):
            line = structs.replace(line, event=first if line.event == ONE else second)
        elif isinstance(line, Ok):
            line = structs.replace(line, seq=3 if line.op == 1 else 2)
        lines.append({ONE.seq: first, TWO.seq: second}[line.seq] if line in (ONE, TWO) else line)
    return lines


def pipelined(ordered: bool) -> list[Line]:
    """Both messages are asked for before one is answered, and stored the other way round."""
    lines: list[Line] = []
    for line in swapped():
        if isinstance(line, Ok):
            line = structs.replace(line, at=5.0)
        elif isinstance(line, Entered):
            line = structs.replace(line, ordered=ordered)
        lines.append(line)
    return lines


AGAIN = said(4, 3, "one", 1)
AGAIN_WITHOUT_NUMBER = said(4, 3, "one", 0)
EXTRA = said(4, 3, "who said this?", 3)


def seen_by_all(extra: Event) -> list[Line]:
    """One more entry in the log, which everybody has seen."""
    lines = changed(TWO, TWO, extra)
    for client in ("ann", "bob"):
        where = next(i for i, one in enumerate(lines) if isinstance(one, End) and one.client == client)
        lines.insert(where, Saw(client=client, at=3.0, event=extra))
    return lines


VIOLATIONS: list[tuple[Kind, int, list[Line]]] = [
    ("log order", 2, changed(TWO, structs.replace(TWO, prev=1))),
    ("lost", 2, changed(TWO)),
    ("doubled", 2, seen_by_all(AGAIN)),
    ("doubled", 4, seen_by_all(AGAIN_WITHOUT_NUMBER)),
    ("altered", 3, changed(of("ann", Invoke), Invoke(client="ann", at=1.0, op=1, text="önë"))),
    ("made up", 2, seen_by_all(EXTRA)),
    ("refused but stored", 4, changed(of("ann", Ok), Fail(client="ann", at=1.1, op=1))),
    ("stored in another order", 6, swapped()),
    ("stored in another order", 7, pipelined(ordered=True)),
    ("unanswered", 3, [*good(), Invoke(client="ann", at=3.0, op=3, text="hello?")]),
    ("not delivered", 3, changed(of("bob", Saw, 1))),
    ("not delivered", 3, [*changed(of("bob", Saw)), End(client="bob", at=9.0, whole=False)]),
    (
        "not delivered",
        4,
        changed(of("bob", Saw, 1), lines=changed(of("bob", Entered), entered("bob", "B", head=3))),
    ),
    ("delivered twice", 2, changed(of("bob", Saw), of("bob", Saw), of("bob", Saw))),
    (
        "delivered in another order",
        3,
        [*changed(of("bob", Saw), of("bob", Saw, 1))[:-2], of("bob", Saw), of("bob", End)],
    ),
    ("delivered altered", 2, changed(of("bob", Saw), Saw(client="bob", at=1.2, event=said(2, 1, "onе", 1)))),
    (
        "delivered but not stored",
        1,
        changed(of("bob", Saw), of("bob", Saw), Saw(client="bob", at=1.2, event=EXTRA)),
    ),
]


def test_a_history_in_which_all_is_well_is_valid() -> None:
    found = verdict(good())
    assert (found.state, found.violation, found.reasons) == ("valid", None, ())
    assert found.counted == {
        "clients": 2, "operations": 2, "entries": 3, "deliveries": 4, "indefinite": 0, "fault hits": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "size", "lines"), VIOLATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_broken_promise_is_found_and_shown_with_the_fewest_lines(
    kind: Kind, size: int, lines: list[Line]
) -> None:
    found = verdict(lines)
    assert found.state == "invalid"
    (shown,) = (one for one in found.violations if one.kind == kind)
    assert shown.size == size, shown
    assert_shortest(kind, shown.example)
    assert [one.size for one in found.violations] == sorted(one.size for one in found.violations)


def assert_shortest(kind: Kind, example: tuple[Line, ...]) -> None:
    """The lines show it by themselves, and without any of them nothing is shown."""
    assert kind in kinds(list(example))
    for place in range(len(example)):
        assert kind not in kinds([*example[:place], *example[place + 1 :]]), example[place]


def kinds(lines: list[Line]) -> dict[Kind, int]:
    """What a few lines show, before an entry of which nobody speaks: a log must be there."""
    log = sorted((one for one in lines if isinstance(one, Event)), key=lambda entry: entry.seq)
    rest = [one for one in lines if not isinstance(one, Event)]
    first = [] if log and log[0] == OPENED else [OPENED]
    with suppress(BadRequest):  # an outcome without its operation
        return verdict([*first, *log, *rest]).kinds
    return {}


def test_every_violation_is_tried_here_and_names_its_promise() -> None:
    assert {kind for kind, _, _ in VIOLATIONS} == set(PROMISES)


@pytest.mark.parametrize("seed", range(20))
def test_it_does_not_matter_how_the_clients_lines_are_mixed(seed: int) -> None:
    chance = random.Random(seed)
    for kind, size, lines in [(None, 0, good()), *VIOLATIONS]:
        queues: dict[str, list[Line]] = {}
        for line in lines:
            queues.setdefault(getattr(line, "client", ""), []).append(line)
        mixed: list[Line] = []
        while queues:
            name = chance.choice(sorted(queues))
            mixed.append(queues[name].pop(0))
            if not queues[name]:
                del queues[name]
        shown = {one.kind: one.size for one in verdict(mixed).violations}
        assert shown.get(kind) == size if kind else not shown


def test_what_is_indefinite_may_be_stored_or_not() -> None:
    for outcome in ((Indefinite(client="ann", at=4.0, op=2, reason="no answer"),), ()):
        lines = [*changed(of("ann", Ok, 1), *outcome), Fault(name="stall", at=1.5, until=4.0, fired=1)]
        assert verdict(lines).state == "valid"
        assert (
            verdict(
                [one for one in lines if one != TWO and not (isinstance(one, Saw) and one.event == TWO)]
            ).state
            == "valid"
        )


def test_an_answer_without_a_seq_may_be_followed_by_one_with_it() -> None:
    told = of("ann", Ok)
    bare = Ok(client="ann", at=1.05, op=1)
    assert verdict(changed(told, bare, told)).state == "valid"
    assert verdict(changed(told, bare)).state == "valid"
    assert "lost" in verdict([one for one in changed(told, bare) if one != ONE]).kinds


def test_who_reconnected_need_not_have_been_answered() -> None:
    hello = Invoke(client="ann", at=3.0, op=3, text="hello?")
    assert verdict([*good(), hello, Down(client="ann", at=3.5)]).state == "valid"
    assert verdict([*good(), hello, Down(client="ann", at=2.5)]).state == "invalid"


def test_a_technique_without_order_may_deliver_in_any() -> None:
    lines = [one for one in good() if not (isinstance(one, Saw) and one.client == "bob")]
    lines += [of("bob", Saw, 1), of("bob", Saw)]
    assert "delivered in another order" in verdict(lines).kinds
    loose = [structs.replace(one, ordered=False) if isinstance(one, Entered) else one for one in lines]
    assert verdict(loose).state == "valid"
    assert verdict(pipelined(ordered=False)).state == "valid"


def test_a_technique_that_may_lose_events_must_name_them() -> None:
    lossy = [
        structs.replace(one, lossless=False) if isinstance(one, Entered) else one
        for one in changed(of("bob", Saw, 1))
    ]
    found = verdict(lossy)
    assert found.violation is not None
    assert found.violation.text == "bob never saw 3 (sent), and was not told that it is missing"
    assert verdict([*lossy, Missing(client="bob", at=3.0, seqs=(3,))]).state == "valid"
    named = [*changed(of("bob", Saw, 1)), Missing(client="bob", at=3.0, seqs=(3,))]
    assert verdict(named).state == "invalid"  # naming is no excuse where nothing may be lost


def test_who_came_late_need_not_have_seen_what_was_before() -> None:
    late: list[Line] = [entered("bob", "B", head=3), End(client="bob", at=9.0)]
    assert verdict([*(one for one in good() if getattr(one, "client", "") != "bob"), *late]).state == "valid"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([one for one in good() if not isinstance(one, Event)], "the log of the room is not among the files"),
        ([*good(), Fault(name="loss 0.3", at=0, until=5, fired=0)], "the fault loss 0.3 never hit"),
        (
            [*good(), Fault(name="reply-lost", at=0, until=5, fired=1, indefinite=True)],
            "after reply-lost something must be indefinite, and nothing is",
        ),
        ([OPENED, entered(), End(client="ann", at=2)], "nobody asked for anything"),
        ([one for one in good() if not isinstance(one, End)], "no client waited until everything had come"),
    ],
    ids=["no log", "never hit", "nothing indefinite", "nobody asked", "nobody waited"],
)  # fmt: skip
def test_what_could_not_show_a_fault_is_unknown_and_says_why(lines: list[Line], reason: str) -> None:
    found = verdict(lines)
    assert (found.state, found.reasons) == ("unknown", (reason,))


def test_a_broken_promise_counts_even_if_a_fault_never_hit() -> None:
    assert verdict([*changed(TWO), Fault(name="loss 0.3", at=0, until=5, fired=0)]).state == "invalid"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (Invoke(client="ann", at=5, op=1, text="one"), "ann: operation 1 is invoked twice"),
        (Ok(client="ann", at=5, op=1), "ann: operation 1 has two outcomes"),
        (Ok(client="ann", at=5, op=7), "ann: operation 7 has an outcome, and was not invoked"),
        (
            Entered(client="ann", at=5, room="other", seat="A", head=1),
            "these histories are about several rooms, lab, other: one at a time",
        ),
    ],
)
def test_lines_that_contradict_each_other_are_refused(line: Line, says: str) -> None:
    with pytest.raises(BadRequest) as error:
        verdict([*good(), line])
    assert str(error.value) == says


def test_entries_of_other_rooms_in_the_same_log_do_not_count() -> None:
    others = ((said(9, 4, "elsewhere", 9), "other"), (said(2, 1, "elsewhere", 1), "other"))
    assert (
        judge([*((line, "lab" if isinstance(line, Event) else "") for line in good()), *others]).state
        == "valid"
    )
