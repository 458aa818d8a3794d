"""Talking: messages, edits and deletes reach everybody, and every refusal comes back as the model's error."""

from __future__ import annotations

import asyncio
import time
from unicodedata import normalize

import pytest

from chat.domain.errors import BadRequest, BadText, DraftConflict, NoSuchMessage, NotYours, TooFast
from chat.domain.model import Ack, Event, Limits, Say
from chat.interfaces.technique import Technique
from tests.support.people import Enter, Person


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


# --- what is said --------------------------------------------------------------------------------


async def test_a_message_is_acknowledged_with_its_place_in_the_room(ann: Person, bob: Person) -> None:
    ack = await ann.say("hello")
    event = (await bob.knows(ack.seq))[-1]
    assert ack == Ack(1, event.seq)
    assert event.text == "hello"


async def test_a_message_carries_who_said_it_where_and_when(ann: Person, technique: Technique) -> None:
    before = int(time.time() * 1000)
    event = (await ann.knows((await ann.say("hello", n=5)).seq))[-1]
    assert event == Event(
        "sent",
        seq=event.id,
        prev=ann.welcome.head,
        at=event.at,
        author="ann",
        seat=ann.welcome.seat,
        technique=technique.name,
        n=5,
        id=event.seq,
        text="hello",
    )
    assert before <= event.at <= time.time() * 1000


async def test_everybody_sees_the_same_event(ann: Person, bob: Person) -> None:
    ack = await ann.say("hello")
    assert (await ann.knows(ack.seq))[-1] == (await bob.knows(ack.seq))[-1]


async def test_an_edit_reaches_everybody(ann: Person, bob: Person) -> None:
    message = await ann.say("tpyo")
    ack = await ann.edit(message.seq, "typo")
    event = (await bob.knows(ack.seq))[-1]
    assert (event.kind, event.id, event.text, event.author) == ("edited", message.seq, "typo", "ann")


async def test_a_delete_reaches_everybody_and_carries_no_text(ann: Person, bob: Person) -> None:
    message = await ann.say("oops")
    ack = await ann.delete(message.seq)
    event = (await bob.knows(ack.seq))[-1]
    assert (event.kind, event.id, event.text) == ("deleted", message.seq, "")


async def test_what_is_under_way_together_keeps_its_order(ann: Person) -> None:
    acks = await asyncio.gather(*(ann.say(f"m{i}") for i in range(100)))
    assert [ack.seq for ack in acks] == sorted(ack.seq for ack in acks)
    assert [ack.n for ack in acks] == list(range(1, 101))


async def test_many_who_talk_at_once_are_seen_by_all_in_one_order(
    ann: Person, enter: Enter, technique: Technique
) -> None:
    people = [ann, *[await enter(f"p{i}") for i in range(7)]]
    acks = await asyncio.gather(*(person.say(f"{person.nick} {i}") for i in range(20) for person in people))
    assert len({ack.seq for ack in acks}) == 160
    last = max(ack.seq for ack in acks)
    for person in people:
        seen = [event for event in await person.knows(last) if event.kind == "sent"]
        assert len({event.seq for event in seen}) == len(seen), "nothing comes twice"
        if technique.traits.lossless:
            assert {event.seq for event in seen} == {ack.seq for ack in acks}
        if technique.traits.ordered:
            assert person.seqs == sorted(person.seqs)


# --- drafts --------------------------------------------------------------------------------------


async def test_a_draft_that_comes_twice_is_said_once(ann: Person, bob: Person) -> None:
    first = await ann.say("once", n=7)
    assert await ann.say("once", n=7) == first
    last = await ann.say("last", n=8)
    assert [event.text for event in await bob.knows(last.seq) if event.kind == "sent"] == ["once", "last"]


async def test_a_draft_that_comes_again_over_a_new_connection_is_said_once(bob: Person, enter: Enter) -> None:
    first = await bob.say("once", n=7)
    edit = await bob.edit(first.seq, "twice", n=8)
    await bob.client.close(leave=False)
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    assert await again.say("once", n=7) == first
    assert await again.edit(first.seq, "twice", n=8) == edit


async def test_a_draft_that_was_composed_is_the_same_draft(ann: Person) -> None:
    first = await ann.say("Zoe\u0308", n=1)
    assert await ann.say("Zo\u00eb", n=1) == first


async def test_the_same_number_with_another_text_is_refused(ann: Person) -> None:
    await ann.say("one", n=7)
    with pytest.raises(DraftConflict) as refused:
        await ann.say("two", n=7)
    assert refused.value.n == 7


async def test_numbers_may_leave_gaps_and_come_late(ann: Person) -> None:
    assert (await ann.say("late", n=1000)).n == 1000
    assert (await ann.say("early", n=2)).n == 2
    assert (await ann.say("far", n=2**53 - 1)).n == 2**53 - 1


async def test_a_draft_without_a_number_is_refused(ann: Person) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(BadRequest):
            await ann.client.send(Say("which of them?"))


# --- refusals ------------------------------------------------------------------------------------


async def test_nobody_changes_what_somebody_else_said(ann: Person, bob: Person) -> None:
    message = await ann.say("mine")
    for attempt in (bob.edit(message.seq, "yours", n=3), bob.delete(message.seq, n=3)):
        with pytest.raises(NotYours) as refused:
            await attempt
        assert refused.value.n == 3


async def test_what_is_no_message_cannot_be_changed(ann: Person) -> None:
    for id in (0, 1, 10**6):
        for attempt in (ann.edit(id, "x"), ann.delete(id)):
            with pytest.raises(NoSuchMessage):
                await attempt


async def test_what_was_deleted_stays_deleted(ann: Person) -> None:
    message = await ann.say("oops")
    await ann.delete(message.seq)
    for attempt in (ann.edit(message.seq, "x"), ann.delete(message.seq)):
        with pytest.raises(NoSuchMessage):
            await attempt


async def test_a_refusal_is_seen_by_nobody_and_its_number_stays_free(ann: Person, bob: Person) -> None:
    with pytest.raises(NoSuchMessage):
        await ann.edit(10**6, "x", n=1)
    ack = await ann.say("hello", n=1)
    assert (await bob.knows(ack.seq))[-1].prev == bob.welcome.head


@pytest.mark.parametrize("limits", [Limits(burst=3, rate=0.5)], ids=[""])
async def test_who_is_too_fast_is_told_when_to_go_on(ann: Person, bob: Person) -> None:
    for i in range(3):
        await ann.say(f"m{i}")
    with pytest.raises(TooFast) as refused:
        await ann.say("too fast", n=9)
    assert refused.value.n == 9
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 2
    await bob.say("I am not")


# --- texts ---------------------------------------------------------------------------------------

GOOD = {
    "ASCII": " !\"#$%&'()*+,-./0123456789:;<=>?@ABC[\\]^_`abc{|}~",
    "newline and tab": "one\ntwo\n\n\tthree",
    "blanks around": "  as it was  ",
    "one character": "x",
    "4-byte characters": "😀🦜𝔘𠜎",
    "emoji joined": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 1️⃣",
    "right to left": "שלום مرحبا (abc) 123",
    "marks and joiners": "\u200e\u200f a\u200bb c\u200dd e\u2060f \ufeff",
    "Indic": "क्षत्रिय ക്ഷ தமிழ்",
    "stacked marks": "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f",
    "Hangul": "한국어",
    "private use and unassigned": "\ue000\uf8ff\U000f0000\u0378",
    "JSON": '{"kind":"leave"}\\n"\\u0000',
    "XML": "</text> <![CDATA[ ]]> &lt; &#0; <?xml?>",
    "a terminal's, written out": "\\x1b[2J %s %n {0} $HOME `id`",
    "Textual markup": "[bold red]not bold[/] [link='x'](y)",
    "a command": "/quit",
    "as long as can be, 1 byte": "x" * 4000,
    "as long as can be, 2 bytes": "é" * 2000,
    "as long as can be, 3 bytes": "語" * 1333 + "x",
    "as long as can be, 4 bytes": "😀" * 1000,
    "as long as can be, all escaped": '"' * 4000,
    "lines only": "x" + "\n" * 3998 + "x",
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_text_arrives_as_it_was(ann: Person, bob: Person, name: str) -> None:
    ack = await ann.say(GOOD[name])
    assert (await bob.knows(ack.seq))[-1].text == normalize("NFC", GOOD[name])


async def test_a_text_is_composed_when_it_comes_in(ann: Person, bob: Person) -> None:
    ack = await ann.say("e\u0301 \u1100\u1161 \u212b")
    assert (await bob.knows(ack.seq))[-1].text == "\u00e9 \uac00 \u00c5"


BAD = (
    *(0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9B, 0x9F),
    *(0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069, 0xFFFE, 0xFFFF, 0xD800, 0xDFFF),
)


@pytest.mark.parametrize("code", BAD, ids=lambda code: f"U+{code:04X}")
async def test_a_character_that_could_act_is_refused_by_its_name(ann: Person, code: int) -> None:
    with pytest.raises(BadText) as refused:
        await ann.say(f"ok {chr(code)} ok", n=3)
    assert f"U+{code:04X}" in str(refused.value)
    await ann.say("and on we go", n=3)


@pytest.mark.parametrize("text", ["", " ", "\n\t\n", "\u3000\u2003"])
async def test_a_text_without_a_character_is_refused(ann: Person, text: str) -> None:
    with pytest.raises(BadText):
        await ann.say(text)


@pytest.mark.parametrize("text", ["x" * 4001, "é" * 2001, "😀" * 1001, "x" * 60_000])
async def test_a_text_that_is_too_long_is_refused_with_its_size(ann: Person, text: str) -> None:
    with pytest.raises(BadText, match=str(len(text.encode()))):
        await ann.say(text)


@pytest.mark.parametrize("text", ["", "\0", "x" * 4001])
async def test_an_edit_keeps_to_the_same_rules(ann: Person, text: str) -> None:
    message = await ann.say("fine")
    with pytest.raises(BadText):
        await ann.edit(message.seq, text)


async def test_a_refused_text_does_not_stop_the_others_under_way(ann: Person) -> None:
    texts = ("one", "bell \a", "three")
    outcomes = await asyncio.gather(*map(ann.say, texts), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Ack, BadText, Ack]
