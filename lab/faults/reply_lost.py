"""A lost reply: the server gets the request, and the client never learns it."""

from __future__ import annotations

import random

from chat.interfaces.frames import Direction, Frame, FrameDecoder
from lab.faults.fault import Switch
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class ReplyLost(Switch):
    """Loses the first answer to a message, and breaks the connection if there is one. It hits once.

    The client can't know whether its message was stored. It asks again; what happens then is the lesson.
    """

    name = "reply-lost"
    summary = "the next message is stored, and its answer is lost"
    reads = True

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[int, set[int]] = {}  # by connection: drafts without an answer

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if self.fired:
            return
        frames = self._frames(passing)
        number = passing.connection.number
        if passing.direction is Direction.UP:
            for frame in frames:
                if frame.role == "message" and frame.drafts:
                    self._asked.setdefault(number, set()).update(frame.drafts)
        elif self._asked.get(number) and any(self._answers(frame) for frame in frames):
            self.fired += 1
            passing.copies = 0
            passing.notes.append("the answer is lost")
            if passing.connection.transport == "tcp":
                passing.breaks = "the answer was lost, and the connection broke"

    def _frames(self, passing: Passing) -> list[Frame]:
        decoder: FrameDecoder | None = passing.shared.get("decoder")
        return decoder.feed(passing.direction, passing.data) if decoder is not None else []

    @staticmethod
    def _answers(frame: Frame) -> bool:
        return bool(frame.drafts or frame.seqs) and frame.role in ("message", "poll")
