"""Made from chat.x by ``python -m protos``: change that, not this."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from protos.xdr import Message, Packer, Procedure, Unpacker, XdrError, arm

CHAT_MAX_ROOM = 32
CHAT_MAX_NICK = 96
CHAT_MAX_TEXT = 4000
CHAT_MAX_TOKEN = 256
CHAT_MAX_KEY = 64
CHAT_MAX_WORD = 64
CHAT_MAX_REASON = 512
CHAT_MAX_EVENTS = 200
CHAT_MAX_MEMBERS = 200
CHAT_MAX_WAIT_MS = 20000
chat_room = str
chat_nick = str
chat_text = str
chat_token = str
chat_key = str
chat_word = str
chat_number = int


class chat_status(IntEnum):
    CHAT_OK = 0
    CHAT_ERROR = 1
    CHAT_BAD_REQUEST = 2
    CHAT_BAD_TEXT = 3
    CHAT_BAD_NAME = 4
    CHAT_NICK_TAKEN = 5
    CHAT_ACCESS_DENIED = 6
    CHAT_NOT_YOURS = 7
    CHAT_NO_SUCH_MESSAGE = 8
    CHAT_NO_SUCH_ROOM = 9
    CHAT_DRAFT_CONFLICT = 10
    CHAT_STALE_CURSOR = 11
    CHAT_SEAT_GONE = 12
    CHAT_FULL = 13
    CHAT_TOO_FAST = 14
    CHAT_NOT_STORED = 15
    CHAT_CLOSING = 16
    CHAT_SLOW_READER = 17
    CHAT_SEAT_TAKEN = 18


@dataclass(slots=True)
class chat_error(Message):
    text: str
    n: chat_number
    retry_after_ms: int

    def pack(self, p: Packer) -> None:
        p.string(self.text, CHAT_MAX_REASON)
        p.uint64(self.n)
        p.uint32(self.retry_after_ms)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_REASON), u.uint64(), u.uint32())


class chat_kind(IntEnum):
    CHAT_OPENED = 1
    CHAT_JOINED = 2
    CHAT_RESUMED = 3
    CHAT_LEFT = 4
    CHAT_SENT = 5
    CHAT_EDITED = 6
    CHAT_DELETED = 7


@dataclass(slots=True)
class chat_event(Message):
    kind: chat_kind
    seq: chat_number
    prev: chat_number
    at: chat_number
    author: chat_nick
    seat: chat_word
    technique: chat_word
    n: chat_number
    id: chat_number
    text: chat_text

    def pack(self, p: Packer) -> None:
        p.int32(self.kind)
        p.uint64(self.seq)
        p.uint64(self.prev)
        p.uint64(self.at)
        p.string(self.author, CHAT_MAX_NICK)
        p.string(self.seat, CHAT_MAX_WORD)
        p.string(self.technique, CHAT_MAX_WORD)
        p.uint64(self.n)
        p.uint64(self.id)
        p.string(self.text, CHAT_MAX_TEXT)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(
            u.enum(chat_kind),
            u.uint64(),
            u.uint64(),
            u.uint64(),
            u.string(CHAT_MAX_NICK),
            u.string(CHAT_MAX_WORD),
            u.string(CHAT_MAX_WORD),
            u.uint64(),
            u.uint64(),
            u.string(CHAT_MAX_TEXT),
        )


@dataclass(slots=True)
class chat_member(Message):
    seat: chat_word
    nick: chat_nick
    technique: chat_word

    def pack(self, p: Packer) -> None:
        p.string(self.seat, CHAT_MAX_WORD)
        p.string(self.nick, CHAT_MAX_NICK)
        p.string(self.technique, CHAT_MAX_WORD)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_WORD), u.string(CHAT_MAX_NICK), u.string(CHAT_MAX_WORD))


@dataclass(slots=True)
class chat_limits(Message):
    text_bytes: int
    nick_chars: int
    nick_bytes: int
    frame_bytes: int
    burst: int
    rate: float
    replay: int
    page: int
    grace: float
    rooms: int
    seats: int

    def pack(self, p: Packer) -> None:
        p.uint32(self.text_bytes)
        p.uint32(self.nick_chars)
        p.uint32(self.nick_bytes)
        p.uint32(self.frame_bytes)
        p.uint32(self.burst)
        p.float64(self.rate)
        p.uint32(self.replay)
        p.uint32(self.page)
        p.float64(self.grace)
        p.uint32(self.rooms)
        p.uint32(self.seats)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(
            u.uint32(),
            u.uint32(),
            u.uint32(),
            u.uint32(),
            u.uint32(),
            u.float64(),
            u.uint32(),
            u.uint32(),
            u.float64(),
            u.uint32(),
            u.uint32(),
        )


@dataclass(slots=True)
class chat_cursor(Message):
    seq: chat_number
    epoch: chat_word

    def pack(self, p: Packer) -> None:
        p.uint64(self.seq)
        p.string(self.epoch, CHAT_MAX_WORD)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.uint64(), u.string(CHAT_MAX_WORD))


@dataclass(slots=True)
class join_args(Message):
    room: chat_room
    nick: chat_nick
    access: chat_token
    seat_key: chat_key
    cursor: chat_cursor | None

    def pack(self, p: Packer) -> None:
        p.string(self.room, CHAT_MAX_ROOM)
        p.string(self.nick, CHAT_MAX_NICK)
        p.string(self.access, CHAT_MAX_TOKEN)
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.optional(self.cursor, lambda x: x.pack(p))

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(
            u.string(CHAT_MAX_ROOM),
            u.string(CHAT_MAX_NICK),
            u.string(CHAT_MAX_TOKEN),
            u.string(CHAT_MAX_KEY),
            u.optional(lambda: u.message(chat_cursor)),
        )


@dataclass(slots=True)
class join_ok(Message):
    room: chat_room
    nick: chat_nick
    seat: chat_word
    seat_key: chat_key
    epoch: chat_word
    first: chat_number
    head: chat_number
    n: chat_number
    start: chat_number
    limits: chat_limits

    def pack(self, p: Packer) -> None:
        p.string(self.room, CHAT_MAX_ROOM)
        p.string(self.nick, CHAT_MAX_NICK)
        p.string(self.seat, CHAT_MAX_WORD)
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.string(self.epoch, CHAT_MAX_WORD)
        p.uint64(self.first)
        p.uint64(self.head)
        p.uint64(self.n)
        p.uint64(self.start)
        self.limits.pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(
            u.string(CHAT_MAX_ROOM),
            u.string(CHAT_MAX_NICK),
            u.string(CHAT_MAX_WORD),
            u.string(CHAT_MAX_KEY),
            u.string(CHAT_MAX_WORD),
            u.uint64(),
            u.uint64(),
            u.uint64(),
            u.uint64(),
            u.message(chat_limits),
        )


@dataclass(slots=True)
class join_res(Message):
    status: chat_status
    value: join_ok | chat_error

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, join_ok).pack(p)
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status, u.message(join_ok))
        return cls(status, u.message(chat_error))


@dataclass(slots=True)
class send_args(Message):
    seat_key: chat_key
    n: chat_number
    text: chat_text

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.uint64(self.n)
        p.string(self.text, CHAT_MAX_TEXT)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.uint64(), u.string(CHAT_MAX_TEXT))


@dataclass(slots=True)
class edit_args(Message):
    seat_key: chat_key
    n: chat_number
    id: chat_number
    text: chat_text

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.uint64(self.n)
        p.uint64(self.id)
        p.string(self.text, CHAT_MAX_TEXT)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.uint64(), u.uint64(), u.string(CHAT_MAX_TEXT))


@dataclass(slots=True)
class delete_args(Message):
    seat_key: chat_key
    n: chat_number
    id: chat_number

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.uint64(self.n)
        p.uint64(self.id)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.uint64(), u.uint64())


@dataclass(slots=True)
class draft_ok(Message):
    n: chat_number
    seq: chat_number

    def pack(self, p: Packer) -> None:
        p.uint64(self.n)
        p.uint64(self.seq)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.uint64(), u.uint64())


@dataclass(slots=True)
class draft_res(Message):
    status: chat_status
    value: draft_ok | chat_error

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, draft_ok).pack(p)
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status, u.message(draft_ok))
        return cls(status, u.message(chat_error))


@dataclass(slots=True)
class leave_args(Message):
    seat_key: chat_key

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY))


@dataclass(slots=True)
class leave_res(Message):
    status: chat_status
    value: chat_error | None = None

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, type(None))
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status)
        return cls(status, u.message(chat_error))


class chat_direction(IntEnum):
    CHAT_AFTER = 1
    CHAT_BEFORE = 2
    CHAT_NEWEST = 3


@dataclass(slots=True)
class chat_place(Message):
    direction: chat_direction
    value: chat_number | None = None

    def pack(self, p: Packer) -> None:
        p.int32(self.direction)
        if self.direction in (chat_direction.CHAT_AFTER, chat_direction.CHAT_BEFORE):
            p.uint64(arm(self.value, int))
        elif self.direction == chat_direction.CHAT_NEWEST:
            arm(self.value, type(None))
        else:
            raise XdrError(f"chat_place has no arm for {self.direction!r}")

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        direction = u.enum(chat_direction)
        if direction in (chat_direction.CHAT_AFTER, chat_direction.CHAT_BEFORE):
            return cls(direction, u.uint64())
        if direction == chat_direction.CHAT_NEWEST:
            return cls(direction)
        raise XdrError(f"chat_place has no arm for {direction!r}")


@dataclass(slots=True)
class fetch_args(Message):
    seat_key: chat_key
    place: chat_place
    limit: int
    wait_ms: int

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        self.place.pack(p)
        p.uint32(self.limit)
        p.uint32(self.wait_ms)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.message(chat_place), u.uint32(), u.uint32())


@dataclass(slots=True)
class fetch_ok(Message):
    events: list[chat_event]
    head: chat_number

    def pack(self, p: Packer) -> None:
        p.array(self.events, CHAT_MAX_EVENTS, lambda x: x.pack(p))
        p.uint64(self.head)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.array(CHAT_MAX_EVENTS, lambda: u.message(chat_event)), u.uint64())


@dataclass(slots=True)
class fetch_res(Message):
    status: chat_status
    value: fetch_ok | chat_error

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, fetch_ok).pack(p)
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status, u.message(fetch_ok))
        return cls(status, u.message(chat_error))


@dataclass(slots=True)
class members_args(Message):
    seat_key: chat_key
    skip: int

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.uint32(self.skip)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.uint32())


@dataclass(slots=True)
class members_ok(Message):
    members: list[chat_member]
    more: bool

    def pack(self, p: Packer) -> None:
        p.array(self.members, CHAT_MAX_MEMBERS, lambda x: x.pack(p))
        p.boolean(self.more)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.array(CHAT_MAX_MEMBERS, lambda: u.message(chat_member)), u.boolean())


@dataclass(slots=True)
class members_res(Message):
    status: chat_status
    value: members_ok | chat_error

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, members_ok).pack(p)
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status, u.message(members_ok))
        return cls(status, u.message(chat_error))


@dataclass(slots=True)
class seen_args(Message):
    seat_key: chat_key
    skip: int

    def pack(self, p: Packer) -> None:
        p.string(self.seat_key, CHAT_MAX_KEY)
        p.uint32(self.skip)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.string(CHAT_MAX_KEY), u.uint32())


@dataclass(slots=True)
class seen_member(Message):
    member: chat_member
    seen: chat_number | None

    def pack(self, p: Packer) -> None:
        self.member.pack(p)
        p.optional(self.seen, p.uint64)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.message(chat_member), u.optional(u.uint64))


@dataclass(slots=True)
class seen_ok(Message):
    members: list[seen_member]
    more: bool

    def pack(self, p: Packer) -> None:
        p.array(self.members, CHAT_MAX_MEMBERS, lambda x: x.pack(p))
        p.boolean(self.more)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        return cls(u.array(CHAT_MAX_MEMBERS, lambda: u.message(seen_member)), u.boolean())


@dataclass(slots=True)
class seen_res(Message):
    status: chat_status
    value: seen_ok | chat_error

    def pack(self, p: Packer) -> None:
        p.int32(self.status)
        if self.status == chat_status.CHAT_OK:
            arm(self.value, seen_ok).pack(p)
        else:
            arm(self.value, chat_error).pack(p)

    @classmethod
    def unpack(cls, u: Unpacker) -> Self:
        status = u.enum(chat_status)
        if status == chat_status.CHAT_OK:
            return cls(status, u.message(seen_ok))
        return cls(status, u.message(chat_error))


CHAT_PROG = 600000001
CHAT_V1 = 1
CHAT_NULL = 0
CHAT_JOIN = 1
CHAT_LEAVE = 2
CHAT_SEND = 3
CHAT_EDIT = 4
CHAT_DELETE = 5
CHAT_FETCH = 6
CHAT_MEMBERS = 7
CHAT_SEEN = 8
PROCEDURES: dict[int, Procedure] = {
    CHAT_NULL: Procedure("CHAT_NULL", None, None),
    CHAT_JOIN: Procedure("CHAT_JOIN", join_args, join_res),
    CHAT_LEAVE: Procedure("CHAT_LEAVE", leave_args, leave_res),
    CHAT_SEND: Procedure("CHAT_SEND", send_args, draft_res),
    CHAT_EDIT: Procedure("CHAT_EDIT", edit_args, draft_res),
    CHAT_DELETE: Procedure("CHAT_DELETE", delete_args, draft_res),
    CHAT_FETCH: Procedure("CHAT_FETCH", fetch_args, fetch_res),
    CHAT_MEMBERS: Procedure("CHAT_MEMBERS", members_args, members_res),
    CHAT_SEEN: Procedure("CHAT_SEEN", seen_args, seen_res),
}
