"""Generates parts of protocol.md from the code: tables, code points, and a real transcript.

`make docs` writes them, and `make check` fails if the page and the code differ. It also fails for a field, an
error or a limit that has no description.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from unittest.mock import patch

import msgspec

from backends.rabbitmq import names
from backends.rabbitmq.codec import pack
from backends.tcp.server import TcpServer
from chat.domain import validation as text
from chat.domain.errors import ERRORS, ChatError
from chat.domain.json_codec import encode
from chat.domain.model import Deleted, Edited, Entry, Joined, Left, Limits, Opened, Resumed, Sent
from chat.domain.room import event_of
from chat.interfaces.address import Address
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog

# --- tables --------------------------------------------------------------------------------------


def row(*cells: object) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def fields(message: type[msgspec.Struct], **meanings: str) -> str:
    """Return the table of a message's fields; ``meanings`` describes each of them, in their order."""
    info = msgspec.inspect.type_info(message)
    assert isinstance(info, msgspec.inspect.StructType)
    assert [field.name for field in info.fields] == list(meanings), [field.name for field in info.fields]
    lines = [row("field", "type", "default", "meaning"), row("---", "---", "---", "---")]
    if info.tag is not None:
        lines.append(row("`kind`", "string", "", f'`"{info.tag}"`'))
    for field in info.fields:
        default = "required" if field.required else f"`{json.dumps(field.default)}`"
        lines.append(row(f"`{field.name}`", type_name(field.type), default, meanings[field.name]))
    return "\n".join(lines)


def type_name(of: msgspec.inspect.Type) -> str:
    """Return how the page calls a type."""
    match of:
        case msgspec.inspect.IntType():
            return "number"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.FloatType():
            return "seconds"
        case msgspec.inspect.StrType():
            return "string"
        case msgspec.inspect.LiteralType():
            return "string"
        case msgspec.inspect.UnionType():
            return " or ".join(map(type_name, of.types))
        case msgspec.inspect.NoneType():
            return "null"
        case msgspec.inspect.StructType():
            return "object"
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return f"list of {type_name(of.item_type)}s"
    raise TypeError(of)


def limits(**meanings: str) -> str:
    """Return the table of the limits with their default values."""
    usual = msgspec.structs.asdict(Limits())
    assert list(usual) == list(meanings), list(usual)
    lines = [row("field", "usual", "meaning"), row("---", "---", "---")]
    return "\n".join([*lines, *(row(f"`{name}`", usual[name], meanings[name]) for name in usual)])


def errors(**what_to_do: str) -> str:
    """Return the table of the errors; ``what_to_do`` is for the reader of each code."""
    kinds = {
        code: kind for code, kind in ERRORS.items() if kind is not ChatError and code != "connection_lost"
    }
    assert list(kinds) == list(what_to_do), list(kinds)
    lines = [row("code", "final", "what happened", "what to do"), row("---", "---", "---", "---")]
    for code, kind in kinds.items():
        happened = " ".join((kind.__doc__ or "").split()).replace("``", "`")
        lines.append(row(f"`{code}`", "yes" if kind.final else "no", happened, what_to_do[code]))
    return "\n".join(lines)


def code_points(*groups: tuple[str, str]) -> str:
    """Return a table of code points; each group is a title and the inside of a regex character class."""
    lines = [row("code points", "what"), row("---", "---")]
    return "\n".join([*lines, *(row(", ".join(ranges(chars)), what) for what, chars in groups)])


def ranges(chars: str) -> Iterator[str]:
    """Yield the ranges of a regex character class, e.g. ``U+0000 to U+0008``."""
    for one, last in re.findall(r"(.)(?:-(.))?", chars, re.DOTALL):
        yield f"U+{ord(one):04X}" + (f" to U+{ord(last):04X}" if last else "")


TEXT_GROUPS = (
    ("C0 controls but tab and newline, DEL, C1 controls", text._CONTROL),
    ("line and paragraph separator", text._LINE_BREAKS),
    ("bidirectional embeddings, overrides and isolates", text._BIDI),
    ("surrogates", text._SURROGATES),
    ("not allowed in XML", text._NOT_XML),
)
NAME_GROUPS = (("what cannot be seen or typed back", text._INVISIBLE),)
BLANKS = ", ".join(ranges("\t\n \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"))


def blanks() -> str:
    """Return the blank characters; they alone make no message."""
    found = {
        chr(code) for code in range(0x110000) if chr(code).isspace() and not text._TEXT.search(chr(code))
    }
    told = {
        chr(code)
        for a, b in re.findall(r"U\+(\w+)(?: to U\+(\w+))?", BLANKS)
        for code in range(int(a, 16), int(b or a, 16) + 1)
    }
    assert found == told, found ^ told
    return BLANKS


def events() -> str:
    """Return the table of the event kinds and their fields, by encoding an event of each kind."""
    bodies = (
        Opened("e"),
        Joined("s", "a", "a", "t", "n"),
        Resumed("s", "a", "t", "n"),
        Left("s", "a", "t", "n"),
        Sent("s", "a", "t", 1, "x"),
        Edited("s", "a", "t", 1, 1, "x"),
        Deleted("s", "a", "t", 1, 1),
    )
    meanings = {
        "opened": "the room's first event; `text` is the epoch",
        "joined": "somebody took a seat",
        "resumed": "a seat moved to another technique or server; it is still the same person",
        "left": "a seat ended",
        "sent": "a message; `id` is its own `seq`",
        "edited": "the message `id` has a new text",
        "deleted": "the message `id` was deleted",
    }
    lines = [row("kind", "fields besides `seq`, `prev`, `at`", "meaning"), row("---", "---", "---")]
    for body in bodies:
        kind = body.__struct_config__.tag
        had = list(json.loads(encode(event_of(Entry(2, 1, body), 1))))
        more = ", ".join(f"`{name}`" for name in had if name not in ("kind", "seq", "prev", "at"))
        lines.append(row(f"`{kind}`", more, meanings.pop(str(kind))))
    assert not meanings
    return "\n".join(lines)


# --- a transcript --------------------------------------------------------------------------------


def transcript(*steps: tuple[str, str, str]) -> str:
    """Run the steps against a server, and return what was sent and received.

    Times, epoch and keys are fixed, so that the page does not change by itself.

    Args:
        steps: a person, the line that this person sends (or ""), and the kinds that must then come to that
            person. The line "(hangs up)" closes the person's connection; a hello opens a new one.
    """
    ticks = iter(range(1_795_393_822_000, 1_795_393_900_000, 1_250))
    keys = iter(f"{word}-seat-key-22-chars"[:22] for word in ("anns", "bobs", "cats"))
    with (
        patch("chat.domain.seat_key.secrets.token_urlsafe", lambda _: next(keys)),
        patch("chat.server.hub.uuid.uuid4", lambda: "6f1c0a5e-9d55-4b6c-8f0e-2a7d1b3c4d5e"),
    ):
        return asyncio.run(_play(steps, MemoryLog(clock=lambda: next(ticks) / 1000)))


async def _play(steps: tuple[tuple[str, str, str], ...], log: MemoryLog) -> str:
    hub = Hub(log)
    await hub.start()
    server = TcpServer(hub, Address("127.0.0.1", 0))
    address = await server.start()
    told: list[str] = []
    connections: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
    for who, line, expected in steps:
        if line == "(hangs up)":
            _, writer = connections.pop(who)
            writer.close()
            await writer.wait_closed()
            told.append(f"{who}  {line}")
        elif line:
            if '"hello"' in line:
                connections[who] = await asyncio.open_connection(address.host, address.port)
            connections[who][1].write(line.encode() + b"\n")
            told.append(f"{who} > {line}")
        for kind in expected.split():
            answer = (await connections[who][0].readline()).decode().rstrip("\n")
            found = json.loads(answer)["kind"] if answer else "(end)"
            assert found == kind, (who, line, kind, answer)
            answer = re.sub(r'\d+ s more","retry_after":[\d.]+', '15 s more","retry_after":14.9', answer)
            told.append(f"{who} < {answer}" if answer else f"{who}    (the server closes the connection)")
    for _, writer in connections.values():
        writer.close()
    await server.stop()
    await hub.stop()
    return "\n".join(told)


# --- in a broker ---------------------------------------------------------------------------------


def declarations() -> str:
    """Return the table of what is declared in a broker."""
    room, seat, grace = "ROOM", "SEAT", Limits().grace
    rows: tuple[tuple[str, str, dict[str, object], str], ...] = (
        (names.exchange(room), "exchange, fanout, durable", {}, "every entry of the room is published here"),
        (names.log(room), "queue, durable", names.LOG_ARGUMENTS, "the log; bound to the exchange"),
        (
            names.presence("NODE"),
            "queue, exclusive, auto-delete",
            {},
            "exists exactly while the server or client NODE is connected; for a client, NODE is its seat",
        ),
        (
            names.will(room, seat),
            "queue, durable",
            names.will_arguments(room, grace),
            f"a client's will, with a grace time of {grace:g} s",
        ),
        (
            names.NODES,
            "queue, durable",
            {},
            "consumed by every `chat serve` on this log; nothing is sent to it",
        ),
        (
            names.DIRECTORY,
            "queue, durable",
            names.DIRECTORY_ARGUMENTS,
            'tells servers the rooms: a client that opens one sends `{"room": ROOM}` here, through the '
            'default exchange; when a room is deleted, `"removed": true` is added',
        ),
        (
            "chat.user.ROOM.HASH",
            "queue, exclusive, auto-delete",
            names.FANOUT_ARGUMENTS,
            "in fanout mode: each client's own, bound to the exchange",
        ),
    )
    lines = [row("name", "what", "arguments", "for"), row("---", "---", "---", "---")]
    for name, what, arguments, purpose in rows:
        told = ", ".join(f"`{key}: {value}`" for key, value in arguments.items())
        lines.append(row(f"`{name}`", what, told, purpose))
    return "\n".join(lines)


def entries() -> str:
    """Return the table of the entry kinds, their fields, and when they are accepted."""
    lines = [row("kind", "fields besides `at` and `kind`", "accepted, if"), row("---", "---", "---")]
    for body, condition in (
        (Opened, "it is the first one; it opens the room"),
        (Joined, "neither the seat nor the name is taken"),
        (Resumed, "the seat is a member, under this author"),
        (Left, "the seat is a member, under this author, at this node"),
        (Sent, "the seat is a member, under this author, and has not used this n"),
        (Edited, "the same, and `id` is a message of this seat that is not deleted"),
        (Deleted, "the same"),
    ):
        told = ", ".join(f"`{name}`" for name in body.__struct_fields__ if name != "key")
        lines.append(row(f"`{body.__struct_config__.tag}`", told, condition))
    return "\n".join(lines)


def entry_example() -> str:
    """Return the body of an entry, as it is in a message."""
    body = Sent("850358367bd6586fd9bf2ccd", "ann", "rabbitmq", 1, "hello")
    return pack(body, 1_795_393_822_791).decode()


def means() -> str:
    """Return the table of the teacher's means."""
    from chat.domain.classroom import VERBS

    rows = ["| text | who | means |", "| --- | --- | --- |"]
    for name, verb in VERBS.items():
        who = "everybody" if verb.anybody else "teachers"
        rows.append(f"| `{f'/class {name} {verb.usage}'.rstrip()}` | {who} | {verb.summary} |")
    return "\n".join(rows)
