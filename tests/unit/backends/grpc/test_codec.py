"""The codec: a welcome's members are serialized once for all who come."""

from __future__ import annotations

from backends.grpc.codec import welcome_frame, welcome_of
from chat.domain.model import Limits, Member, Welcome
from protos import chat_pb2 as pb

ANN, BOB, CAT = (Member(nick, nick, "grpc") for nick in ("ann", "bob", "cat"))


def test_a_welcome_has_the_members_of_its_room_whoever_has_come_or_gone() -> None:
    for number, members in enumerate(
        [(ANN,), (ANN, BOB), (ANN, BOB, CAT), (ANN, CAT), (ANN,), (), (CAT,), (CAT, ANN, BOB), (ANN, BOB)]
    ):
        welcome = Welcome("lab", "ann", "ann", "key", "epoch", 1, number, 0, members, Limits())
        frame = pb.ServerFrame.FromString(welcome_frame(welcome, 300))
        assert (welcome_of(frame.welcome), frame.welcome.window) == (welcome, 300)
