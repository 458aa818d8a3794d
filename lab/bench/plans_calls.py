"""The plans of calls: requests and their answers."""

from __future__ import annotations

from lab.bench import regimes, servers
from lab.bench.goals import Goal, speed_ratio
from lab.bench.plan import IN_TURN, Plan

HTTP = ("fastapi", "pydantic", "uvicorn", "httptools")

ONCRPC = Plan(
    "calls",
    "calls-oncrpc",
    "Calls over ONC RPC",
    f"""\
One connection; the next call is sent when an outstanding one is answered. The yardstick, *echo*, is
`lab/bench/echo.py`: asyncio streams, records with a length before them. It answers each record with as many
bytes as a SEND's reply has. It gets exactly the bytes of the SENDs, but checks, stores and decides nothing.
Ours is `chat serve oncrpc --log memory --rate off`. *chat* is SEND, with texts of 42 bytes: the call is
decoded, and the draft is checked, appended to a log in memory that returns it in a later iteration of the
loop, decided by the room, and answered with its seq. *null* is procedure 0 of the same program, which has no
argument and does nothing: it measures the protocol alone, with smaller records. There is a goal for both. Our
server runs on uvloop, as it always does; *echo-uvloop* is the echo server on uvloop. {IN_TURN} Ratios are
more reliable than absolute figures.
""",
    "lab.bench.calls_sink",
    servers.ECHO,
    servers.OURS_ONCRPC,
    regimes.CALLS,
    regimes.WARM_UP_CALLS,
    (
        Goal(
            "pipelined",
            "SEND: calls a second, ratio to the echo's",
            speed_ratio,
            0.8,
            " times",
            True,
            """\
The goal for SEND is missed because it does more than an echo, all of it in Python. According to a profile,
two fifths of its time are spent in the event loop, as all of the echo's is. A quarter is reading and checking
the call, three tenths are deciding about the draft and answering.""",
        ),
        Goal(
            "pipelined",
            "NULL: calls a second, ratio to the echo's",
            speed_ratio,
            0.75,
            " times",
            True,
            """\
The goal for NULL is missed because of its header: ten words are read and checked, in Python.""",
            server=servers.NULL_ONCRPC.name,
        ),
    ),
    others=(servers.NULL_ONCRPC, servers.ECHO_UVLOOP),
)


def _http(what: str) -> str:
    return f"""\
Every caller has a connection that is kept alive and one call outstanding. It sends the next one when that is
answered. Texts have 42 bytes. The yardstick, *bare*, is `lab/bench/bare_fastapi.py`: a FastAPI route that
takes a text, counts, and answers with the number; it checks, stores and decides nothing. {what}
Both are served by uvicorn with httptools on uvloop. *chat* has its log in memory, which returns an
entry in a later iteration of the loop. *sqlite* is the same with the durable log (WAL, synchronous=FULL),
which commits before the answer.
{IN_TURN} Ratios are more reliable than absolute figures.
"""


def _sends(backend: str, limit: float, reason: str) -> tuple[Goal, ...]:
    return (
        *(
            Goal(
                regime.name,
                f"{backend} sends a second, ratio to the bare route's",
                speed_ratio,
                limit,
                " times",
                True,
                reason,
            )
            for regime in regimes.HTTP_CALLS
        ),
        Goal(
            regimes.HTTP_CALLS[0].name,
            f"{backend} sends a second with the durable log, ratio to the bare route's",
            speed_ratio,
            0.6,
            " times",
            True,
            f"""\
The goal for one caller of {backend} with the durable log is missed: each message is committed and synced
before its answer, and one caller has only one message to commit. How long the disk alone takes for that is in
"Acknowledged messages".""",
            server="sqlite",
        ),
    )


REST = Plan(
    "calls",
    "calls-rest",
    "Sends over REST",
    _http(
        """It gets
the same headers as ours. Ours is `chat serve rest --log memory --rate off`, called with
`POST /rooms/bench/messages`, a seat key and an idempotency key: the draft is checked, logged, decided by
the room, and answered with its seq."""
    ),
    "lab.bench.http_sink",
    servers.BARE,
    servers.OURS_REST,
    regimes.HTTP_CALLS,
    regimes.WARM_UP_HTTP,
    _sends(
        "REST",
        0.8,
        """\
The goal for REST is missed because it does more than the route: the seat, the draft's number, the rules, the
log.""",
    ),
    others=(servers.SQLITE_REST,),
    libraries=HTTP,
)

SOAP = Plan(
    "calls",
    "calls-soap",
    "Sends over SOAP",
    _http(
        """It gets
the text as JSON. Ours is `chat serve soap --log memory --rate off`, called in SOAP 1.1 with `Send`: the
envelope is parsed and validated against the schema, and the draft is checked, logged, decided by the room,
and answered with its seq in another envelope."""
    ),
    "lab.bench.http_sink",
    servers.BARE,
    servers.OURS_SOAP,
    regimes.HTTP_CALLS,
    regimes.WARM_UP_HTTP,
    _sends(
        "SOAP",
        0.5,
        """\
The goal for SOAP is missed because of its XML: an envelope is parsed and validated against the schema, and
another one is written. The rest is as for REST: the seat, the draft's number, the rules, the log.""",
    ),
    others=(servers.SQLITE_SOAP,),
    libraries=(*HTTP, "spyne", "lxml"),
)
