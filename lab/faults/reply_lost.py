"""A lost reply: the server gets the request, and the client never learns it."""

from __future__ import annotations

import random
from typing import Self

from chat.domain.errors import BadRequest
from chat.interfaces.frames import Direction, Frame, FrameDecoder
from chat.language import N_
from lab.faults.fault import Fault
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class ReplyLost(Fault):
    """Loses the first answer to a message or a join, and breaks the connection if there is one. It hits once.

    The client can't know whether its message was stored, or whether it has a seat. It asks again; what
    happens then is the lesson.
    """

    name = "reply-lost"
    usage = "[join]"
    summary = "the next message (or join) is stored, its answer is lost"
    reads = True

    def __init__(self, *, join: bool = False) -> None:
        """``join``: the answer to a join is lost, not one to a message. A broker sends none."""
        super().__init__()
        self._join = join
        self._asked: dict[int, set[int]] = {}  # by connection: drafts without an answer

    @classmethod
    def parse(cls, argument: str) -> Self:
        if argument not in ("", "join"):
            raise BadRequest("write reply-lost, or reply-lost join")
        return cls(join=bool(argument))

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if self.fired:
            return
        frames = self._frames(passing)
        number = passing.connection.number
        if passing.direction is Direction.UP:
            for frame in frames:
                if frame.role == "message" and frame.drafts:
                    self._asked.setdefault(number, set()).update(frame.drafts)
        elif (
            any(_gives_a_seat(frame) for frame in frames)
            if self._join
            else self._asked.get(number) and any(_answers(frame) for frame in frames)
        ):
            self.fired += 1
            passing.copies = 0
            passing.notes.append(N_("the answer is lost"))
            if passing.connection.transport == "tcp":
                passing.breaks = N_("the answer was lost, and the connection broke")

    def _frames(self, passing: Passing) -> list[Frame]:
        decoder: FrameDecoder | None = passing.shared.get("decoder")
        return decoder.feed(passing.direction, passing.data) if decoder is not None else []

    def __str__(self) -> str:
        return f"{self.name} join" if self._join else self.name


def _answers(frame: Frame) -> bool:
    return bool(frame.drafts or frame.seqs) and frame.role in ("message", "poll")


def _gives_a_seat(frame: Frame) -> bool:
    """Return whether it tells a client its seat key."""
    told = frame.call.fields if frame.role == "setup" and frame.call is not None else []
    return any(field.name in ("seat_key", "seatKey") for field in told)
