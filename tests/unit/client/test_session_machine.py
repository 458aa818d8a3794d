"""Any sequence of faults and actions: the user sees the room's log, and each own draft becomes one event.

The server is scripted (`tests.support.scripted_room`), with the real rules of a room. It takes requests, and
lets answers and events arrive, when a rule says so; lines break with all of that under way. The model is what
the script has let arrive.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chat.client.measure import PING_EVERY, PING_TIMEOUT
from chat.client.session import ENTERING, Session
from chat.client.way import Way
from chat.domain.errors import (
    AccessDenied,
    BadText,
    ChatError,
    Closing,
    ConnectionLost,
    Full,
    NotStored,
    SeatTaken,
    TooFast,
)
from chat.domain.model import Delete, Draft, Edit, Hello, Limits, Say, Welcome
from chat.interfaces.client import ChatClient
from tests.support.scripted_room import GRACE, Line, ScriptedRoom
from tests.support.session_judge import SessionJudge, Wish
from tests.support.stepped_loop import SteppedLoop

RUNS = int(os.environ.get("MACHINES", "100"))
STEPS = 40
FEW = st.integers(1, 4)
BREAKS = st.sampled_from([ConnectionLost("the cable is out"), Closing("going down", retry_after=2.0)])
TRAFFIC: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]), st.lists(st.sampled_from(["take", "bring", "answer", "all"]), min_size=3, max_size=9)
)
"""What is carried after a step, if anything is."""
RETURNS = st.sampled_from(["at once", "later", "slowly", "after a lost welcome", "after refusals"])
"""How the session gets its next connection, after the last one has ended."""
DRAFT_REFUSALS = st.sampled_from(
    [TooFast("slower", retry_after=0.7), NotStored("the disk is full"), BadText("too long")]
)


class SecondLine(Line):
    """Takes the seat over from the line that stands, as a server lets it; ``lost``: and breaks then."""

    def __init__(self, room: ScriptedRoom, lost: bool) -> None:
        super().__init__(room)
        self._lost = lost

    async def connect(self, hello: Hello) -> Welcome:
        if (older := self.room.line) is not None:
            older.end(SeatTaken("another connection has taken this seat over"))
        if self._lost:
            raise ConnectionLost("the welcome got lost")
        self.room.cut_off.clear()  # all is sent again, whatever the technique
        return await super().connect(hello)


class SessionMachine(RuleBasedStateMachine):
    """Plays the user and the server, and checks what the session says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SteppedLoop()
        self.sound = True  # what has happened so far was checked
        self.begun = False

    @initialize(
        push=st.booleans(),
        resend=st.booleans(),
        burst=st.sampled_from([0, 3]),
        replay=st.sampled_from([2, 200]),
        heals=st.booleans(),
    )
    def begin(self, push: bool, resend: bool, burst: int, replay: int, heals: bool) -> None:
        self.resend, self.heals = resend, heals

        async def begin() -> None:
            self.room = ScriptedRoom(push, Limits(burst=burst, rate=2.0, replay=replay), self.loop.time)
            self.session = Session(
                self._dial,
                Hello("lab", "ann"),
                resend=resend,
                clock=self.loop.time,
                jitter=lambda: 0.5,
            )
            self.judge = SessionJudge(self.room, self.session, resend=resend)
            self.reader = asyncio.create_task(self._read())
            self.session.start()
            self.begun = True

        self.loop.run(begin())

    async def _dial(self) -> ChatClient:
        return self.room.dial()

    async def _read(self) -> None:
        async for batch in self.session.updates():
            self.judge.updates += batch

    def _go(self, seconds: float = 0.0) -> None:
        self.sound = False
        self.loop.advance(seconds)

    def _traffic(self, steps: list[str]) -> None:
        """The session is back; the room takes requests; answers and events arrive."""
        self._go()
        if steps and self.room.slow is not None:
            self.room.slow.set()
            self.room.slow = None
        for _ in range(4 if steps and self.room.line is None else 0):
            self._go()
            self.session.retry_now()
        self._go()
        for step in steps:
            if (line := self.room.line) is None:
                return
            if step == "take":
                for _ in range(min(2, len(line.up))):
                    line.take()
            elif step == "answer" and line.answers:
                line.answer()
            elif step == "bring" and line.coming:
                line.bring(line.coming[:3])
            elif step == "all":
                self._serve()
            self._go()

    # --- what the user does ----------------------------------------------------------------------

    def _wish(self, draft: Draft) -> None:
        match draft:
            case Say():
                token = self.session.say(draft.text)
            case Edit():
                token = self.session.edit(draft.id, draft.text)
            case Delete():
                token = self.session.delete(draft.id)
        assert token not in self.judge.wishes
        self.judge.wishes[token] = Wish(draft)

    @rule(count=FEW, steps=TRAFFIC)
    def say(self, count: int, steps: list[str]) -> None:
        for _ in range(count):
            self._wish(Say(f"t{len(self.judge.wishes) + 1}"))
        self._traffic(steps)

    @rule(back=st.integers(0, 3), delete=st.booleans(), steps=TRAFFIC)
    def change(self, back: int, delete: bool, steps: list[str]) -> None:
        """Change a message that the user sees, often an own one."""
        ids = [event.seq for event in self.judge.seen if event.kind == "sent"]
        if ids:
            id = ids[-1 - back % len(ids)]
            self._wish(Delete(id) if delete else Edit(id, f"t{len(self.judge.wishes) + 1}"))
        self._traffic(steps)

    @rule(anew=st.booleans())
    def does_not_wait(self, anew: bool) -> None:
        """The user connects now, or anew."""
        if anew:
            self.session.redial()
        else:
            self.session.retry_now()
        self._go()

    @precondition(lambda self: self.room.line is not None and self.room.slow is None)
    @rule(lost=st.booleans(), then=RETURNS)
    def goes_another_way(self, lost: bool, then: str) -> None:
        """The user changes the technique; the new connection breaks perhaps when it has the seat."""

        async def dial() -> ChatClient:
            self.room.lines.append(SecondLine(self.room, lost))
            return self.room.lines[-1]

        async def switch() -> None:
            with suppress(ChatError):
                await self.session.switch(Way(dial, self.resend))

        self.sound = False
        self.loop.run(switch())
        self.session.way.dial = self._dial
        assert self.session.state.name != "down", "the session took its seat itself"
        if lost:
            self._return(then)

    @precondition(lambda self: len(self.judge.wishes) > 9)
    @rule(leave=st.booleans())
    def close(self, leave: bool) -> None:
        self._close(leave)

    # --- what the room does ----------------------------------------------------------------------

    @rule(steps=TRAFFIC)
    def traffic(self, steps: list[str]) -> None:
        self._traffic(steps)

    @rule(says=st.integers(0, 3), steps=TRAFFIC)
    def others_talk(self, says: int, steps: list[str]) -> None:
        """Another member says something, or comes, or goes."""
        for _ in range(says):
            self.room.other("eve", f"m{self.room.seq}")
        if not says:
            self.room.comes_or_goes("bob")
        self._traffic(steps)

    @rule(count=FEW, ago=st.integers(0, 6))
    def bring_again(self, count: int, ago: int) -> None:
        """Events arrive that have come before, or that were missing."""
        if (line := self.room.line) is not None and (came := line.came):
            start = max(0, len(came) - 1 - ago)
            again = [
                event
                for event in came[start : start + count]
                if event in self.judge.seen or event.seq in self.judge.missed
            ]
            if again:
                line.bring(again)
        self._go()

    @rule(error=DRAFT_REFUSALS, count=FEW, steps=TRAFFIC)
    def refuse_drafts(self, error: ChatError, count: int, steps: list[str]) -> None:
        self.room.refuse_drafts += [error] * count
        self._traffic(steps)

    # --- what goes wrong -------------------------------------------------------------------------

    @rule(reason=BREAKS, taken=st.integers(0, 3), too_long=st.booleans(), then=RETURNS)
    def break_the_line(self, reason: ChatError, taken: int, too_long: bool, then: str) -> None:
        """Before that the room takes some of what is under way; perhaps the seat ends before it is back."""
        if (line := self.room.line) is not None:
            for _ in range(min(taken, len(line.up))):
                line.take()
            line.end(reason)
            if too_long:
                self.room.end_seats()
        self._return(then)

    def _return(self, how: str) -> None:
        if how == "after a lost welcome":
            self.room.lose_welcome = True
        elif how == "after refusals":
            self.room.refusals += [ConnectionLost("nothing listens"), Full("no seats", retry_after=1.0)]
        elif how == "slowly" and self.room.slow is None:
            self.room.slow = asyncio.Event()
        self._go()
        if how == "later":
            return
        for _ in range(4):
            self.session.retry_now()
            self._go()

    @rule(count=st.integers(0, 4))
    def late_requests_arrive(self, count: int) -> None:
        """So many of them; the others get lost."""
        for _ in range(min(count, len(self.room.late))):
            self.room.take(*self.room.late.popleft())
        self.room.late.clear()
        self._go()

    @rule(then=RETURNS)
    def the_seat_ends(self, then: str) -> None:
        """The grace time of who is away is over; who is there is told that he seemed to be away."""
        if (line := self.room.line) is not None:
            line.end(Closing("your seat has ended, because you seemed to be gone: join again"))
        self.room.end_seats()
        self._return(then)

    @rule(then=RETURNS)
    def the_log_is_another_one(self, then: str) -> None:
        self.room.begin_log()
        self._return(then)

    @rule(seconds=st.sampled_from([0.3, 1.1, 3.5, PING_EVERY]))
    def time_passes(self, seconds: float) -> None:
        self._go(seconds)

    @rule(then=RETURNS)
    def the_server_freezes(self, then: str) -> None:
        line, self.room.frozen = self.room.line, True
        self._go(PING_EVERY)
        self._go(PING_TIMEOUT)
        assert line is None or not line.standing
        self.room.frozen = False
        self._return(then)

    @precondition(lambda self: not self.resend)
    @rule(count=FEW)
    def lose_events(self, count: int) -> None:
        if (line := self.room.line) is not None and line.coming:
            lost = line.coming[:count]
            self.judge.missed |= {event.seq for event in lost}
            line.miss(lost)
        self._go()

    @precondition(lambda self: not self.resend)
    @rule()
    def no_answer_comes(self) -> None:
        if (line := self.room.line) is not None and line.waiting:
            line.no_answer()
        self._go()

    @precondition(lambda self: len(self.judge.wishes) > 9)
    @rule()
    def it_ends_for_good(self) -> None:
        """Another connection takes the seat, or the access token is another one."""
        if (line := self.room.line) is not None:
            line.end(SeatTaken("another connection has taken this seat over"))
        else:
            self.room.refusals.insert(0, AccessDenied("another token"))
        self._go()

    # --- what must be ----------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        if self.begun:
            self.judge.check()
            self.sound = True

    # --- the end ---------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Take, answer and bring all that there is."""
        if (line := self.room.line) is not None:
            while line.up:
                line.take()
            while line.answers:
                line.answer()
            if line.coming:
                line.bring(line.coming)
        self._go()

    def _heal(self) -> None:
        """Nothing goes wrong any more."""
        self.room.refusals.clear()
        self.room.refuse_drafts.clear()
        self.room.late.clear()
        self.room.lose_welcome = False
        if self.room.slow is not None:
            self.room.slow.set()
            self.room.slow = None
        for _ in range(100):
            if self.judge.state == "down" or not (self.session.pending or self._behind()):
                return
            self.room.end_seats()
            self._serve()
            self._go(GRACE + 1 if self.judge.state == "retrying" else 1.1)
        raise AssertionError(
            f"it does not come to rest: {self.session.state}, {self.session.pending} pending"
        )

    def _behind(self) -> bool:
        return self.session.cursor is None or self.session.cursor.seq != self.room.head

    def _close(self, leave: bool) -> None:
        if self.judge.closed:
            return
        line, self.judge.closed = self.room.line, True
        self.sound = False
        self.loop.finish(self.session.close(leave=leave), ENTERING)
        self._ended()
        if line is not None:
            assert line.left == leave

    def _ended(self) -> None:
        assert all(line.closed for line in self.room.lines)
        assert self.reader.done()
        left = asyncio.all_tasks(self.loop)
        assert not left, f"still running: {left}"

    def teardown(self) -> None:
        try:
            if self.begun and self.sound:
                if self.heals and not self.judge.closed:
                    self._heal()
                    self.judge.check()
                    self.judge.everything_was_done()
                self._close(leave=True)
                self.judge.check()
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.settle()
            self.loop.close()


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(
    max_examples=RUNS, stateful_step_count=STEPS, suppress_health_check=[HealthCheck.too_slow]
)
