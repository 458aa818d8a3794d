"""The descriptions of all schemas in openapi.json, for users of the HTTP API.

They are not the docstrings of the classes: those are for readers of the code, and name parts of it.
"""

from __future__ import annotations

SCHEMAS = {
    "Cursor": "A place in a room's log.",
    "Event": "Something that happened in a room. Fields that have no meaning for its `kind` are absent.",
    "EventPage": "Events, ascending by `seq`.",
    "Limits": "What the server allows.",
    "Member": "A seat in a room, and its owner.",
    "MemberList": "The members of a room, in the order in which they joined.",
    "Message": "A message as it is now.",
    "Problem": "An error (RFC 9457).",
    "Receipt": "The draft is stored.",
    "RoomList": "The names of all rooms, sorted.",
    "RoomState": "The state of a room.",
    "SeatAnswer": "The seat, the state of its room, and where to read on.",
    "SeatRequest": "Asks for a seat.",
    "TextBody": "The text of a new message, or another text for an own one.",
}
FIELDS = {
    "Cursor": {
        "seq": "The last event that was read; 0: none.",
        "epoch": "The log that it belongs to; absent or `null`: the current one.",
    },
    "Event": {
        "kind": "`opened`: the room's log begins. `joined`, `resumed`, `left`: a seat is taken, moves to "
        "another technique or server, ends. `sent`, `edited`, `deleted`: what happened to a message.",
        "seq": "Its place in the room's log. The numbers ascend, but not every number is an event.",
        "prev": "The `seq` of the event before it; 0 for the first one. A client that knows every `prev` has "
        "missed nothing.",
        "at": "When it was stored, in milliseconds since 1970-01-01 UTC.",
        "author": "The nick.",
        "seat": "The seat's public name. The right to edit and delete belongs to the seat, not to the nick.",
        "technique": "The technique that the seat's owner uses.",
        "n": "The number of the draft (`sent`, `edited`, `deleted`).",
        "id": "The message: its own `seq` if it was `sent`; the changed message's if it was `edited` or "
        "`deleted`.",
        "text": "The text (`sent`, `edited`), or the epoch (`opened`).",
    },
    "EventPage": {
        "events": "At most `limits.page` events, and fewer if they are long.",
        "head": "The `seq` of the room's newest event. Ask again until you have read it.",
    },
    "Limits": {
        "text_bytes": "Bytes of a message in UTF-8.",
        "nick_chars": "Characters of a nick.",
        "nick_bytes": "Bytes of a nick in UTF-8.",
        "frame_bytes": "Bytes of a request's body.",
        "burst": "Drafts that a seat may send at once; 0: no limit.",
        "rate": "Drafts a second after the burst.",
        "replay": "Events that a seat without a cursor begins with.",
        "page": "Events in one answer.",
        "grace": "Seconds. A seat ends when nothing was asked with its key for four times as long.",
        "rooms": "Rooms of this server.",
        "seats": "Seats of this server.",
    },
    "Member": {
        "seat": "The seat's public name.",
        "nick": "The nick.",
        "technique": "The technique that the seat's owner uses.",
        "seen": "In a list of members: the seq up to which the owner's client has what came, as far as the "
        "server knows. Absent: not known.",
    },
    "MemberList": {
        "members": "One for each seat.",
        "behind": "By the public name of a seat, how many seqs of the room its owner was not sent yet. Who "
        "lacks none is not in it.",
    },
    "Message": {
        "id": "The `seq` of its `sent` event.",
        "author": "The nick of the author.",
        "seat": "The public name of the seat that sent it.",
        "technique": "The technique that it was sent over.",
        "at": "When it was sent, in milliseconds since 1970-01-01 UTC.",
        "text": "The text as it is now.",
        "seq": "The `seq` of the latest event that changed it; its `id` if none did.",
        "edited_at": "When it was last edited, in milliseconds since 1970-01-01 UTC; absent: never.",
    },
    "Problem": {
        "type": "`urn:chat:` and the kind of the problem.",
        "title": "The kind, in words.",
        "status": "The HTTP status.",
        "detail": "What happened, to what, and what to do next.",
        "code": "The error's name, the same in every technique.",
        "n": "The number of the refused draft; absent: it concerns no draft.",
        "retry_after": "Seconds after which to try again; absent: not known.",
    },
    "Receipt": {
        "n": "The draft's number: that of the request, or the one that the server chose.",
        "seq": "The `seq` of the event that the draft became.",
        "id": "The message.",
    },
    "RoomList": {"rooms": "The names."},
    "RoomState": {
        "room": "The room's name.",
        "epoch": "The identity of its log.",
        "head": "The `seq` of its newest event.",
    },
    "SeatAnswer": {
        "room": "The room's name.",
        "nick": "The nick, normalised (NFC).",
        "seat": "The seat's public name.",
        "seat_key": "The secret of the seat, for the header `Seat-Key`. Keep it: it opens the seat again.",
        "start": "Read the events after this `seq`.",
        "epoch": "The identity of the room's log.",
        "first": "The `seq` of the oldest event that can still be read; 0: none.",
        "head": "The `seq` of the room's newest event.",
        "n": "The highest draft number that this seat has used: count on from there.",
        "members": "The members, this seat included.",
        "limits": "What the server allows.",
    },
    "SeatRequest": {
        "nick": "A name that nobody else in the room has, without blanks and invisible characters.",
        "cursor": "The place to read on from; absent or `null`: begin with the newest events.",
        "seat_key": "The key of a seat that was taken before: gives that seat back if it has not ended. "
        "For a new seat: 22 to 64 random characters of your own (if the answer is lost, the same request "
        "gives the same seat); or absent or `null`.",
        "replay": "Without a cursor: how many of the newest events come after `start`; at most, and if it is "
        "absent or `null`, `limits.replay`.",
    },
    "TextBody": {
        "text": "At most 4,000 bytes of UTF-8, and not only blanks. Tab and line feed are the only control "
        "characters (U+0000 to U+001F, U+007F to U+009F), and there are no U+2028 to U+202E, U+2066 to "
        "U+2069, U+FFFE and U+FFFF.",
    },
}
