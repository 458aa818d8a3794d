"""What one seat says stays in order when something is refused for now, on every technique."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.domain.errors import ChatError, NotStored, TooFast
from chat.domain.model import Limits, Say
from chat.interfaces.technique import Technique
from chat.server import held_draft
from chat.server.hub import Hub
from tests.support.people import Enter, Person


@pytest.fixture
def hub_technique(technique: Technique) -> Technique:
    if technique.server is None:
        pytest.skip("a broker is the server: it refuses nothing for now")
    return technique


async def say_again_until_accepted(ann: Person, drafts: list[Say]) -> None:
    """Send the drafts as a session does: what was refused for now is sent again, in order."""
    while drafts:
        outcomes = await asyncio.gather(
            *(ann.say(draft.text, n=draft.n) for draft in drafts), return_exceptions=True
        )
        assert all(isinstance(one, ChatError) or not isinstance(one, BaseException) for one in outcomes)
        refused = [isinstance(one, ChatError) for one in outcomes]
        assert refused == sorted(refused), "none is accepted behind one that was refused"
        drafts = [draft for draft, again in zip(drafts, refused, strict=True) if again]


async def test_drafts_under_way_do_not_pass_one_that_could_not_be_stored(
    hub_technique: Technique, enter: Enter, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await enter("ann")
    append = hub.log.append

    def full(room: str, body: Any, pending: Any) -> None:
        monkeypatch.setattr(hub.log, "append", append)  # there is room again
        pending.failed(NotStored("the disk is full"))

    monkeypatch.setattr(hub.log, "append", full)
    await say_again_until_accepted(ann, [Say(f"m{n}", n) for n in range(1, 6)])
    said = await ann.client.history(before=None, limit=5)
    assert [event.text for event in said] == [f"m{n}" for n in range(1, 6)]


@pytest.mark.parametrize("limits", [Limits(burst=3, rate=50.0)], ids=["burst of 3"])
async def test_drafts_under_way_do_not_pass_one_that_was_too_fast(
    hub_technique: Technique, enter: Enter
) -> None:
    ann = await enter("ann")
    await say_again_until_accepted(ann, [Say(f"m{n}", n) for n in range(1, 13)])
    said = await ann.client.history(before=None, limit=12)
    assert [event.text for event in said] == [f"m{n}" for n in range(1, 13)]


async def test_an_author_who_gives_a_refused_draft_up_may_go_on(
    hub_technique: Technique, enter: Enter, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await enter("ann")
    monkeypatch.setattr(held_draft, "HOLD", 0.05)
    append = hub.log.append

    def full(room: str, body: Any, pending: Any) -> None:
        pending.failed(NotStored("the disk is full"))

    monkeypatch.setattr(hub.log, "append", full)
    with pytest.raises(NotStored):
        await ann.say("given up", n=1)
    monkeypatch.setattr(hub.log, "append", append)
    for _ in range(100):
        try:
            await ann.say("next", n=2)
            break
        except (NotStored, TooFast) as held:
            await asyncio.sleep(held.retry_after or 0)
    (said,) = await ann.client.history(before=None, limit=1)
    assert said.text == "next"
