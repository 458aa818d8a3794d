"""Line mode: ``chat --plain``, ``chat send`` and ``chat tail``, for pipes, scripts and screen readers."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from io import TextIOBase, TextIOWrapper

from chat.cli.progress import progress
from chat.cli.typing_line import typing_line
from chat.client.lines import err, event_line, out, out_json
from chat.client.session import Session
from chat.client.session_events import (
    Arrived,
    DraftMoved,
    Entered,
    Hindered,
    Missed,
    Noticed,
    Reconnected,
    StartedOver,
    StateChanged,
)
from chat.client.teaching import Teaching, needs_token, teacher_token
from chat.domain.classroom import PREFIX
from chat.domain.errors import BadText, ChatError
from chat.domain.json_codec import event_json, missing_json
from chat.domain.model import log_of
from chat.domain.validation import clean_text
from chat.language import N_
from chat.language.translation import translate

QUIT = "/quit"
HELP = (
    N_("type a line to send it; /who: members; /hand: raise a hand; /class: the teacher's means"),
    N_("/quit: leave; more commands without --plain"),
)
UNSENT = {"failed": N_("failed"), "unconfirmed": N_("unconfirmed")}
DRAIN = 10.0
"""Seconds to wait for acknowledgements after the input has ended."""
AHEAD = 200
"""Unanswered drafts at which no more input is read."""


async def read_lines(file: Iterable[str]) -> AsyncIterator[str]:
    """Yield lines as they come, without blocking the loop. It works with any file, on any system.

    The thread that reads is a daemon thread, so that an input without an end does not keep the program
    running.

    Raises:
        ChatError: the file can't be read.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | OSError | None] = asyncio.Queue(AHEAD)

    if isinstance(file, TextIOWrapper):  # a byte that is no UTF-8 damages only its line
        file.reconfigure(errors="surrogateescape")

    def put(line: str | OSError | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()

    def read() -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            end: OSError | None = None
            try:
                mark = "\ufeff"  # a byte order mark, at the beginning of a file from Windows
                for line in file:
                    put(line.removeprefix(mark).rstrip("\r\n"))
                    mark = ""
            except OSError as error:
                end = error
            except ValueError:
                pass  # the file was closed meanwhile
            put(end)

    threading.Thread(target=read, daemon=True).start()
    while (line := await queue.get()) is not None:
        if isinstance(line, OSError):
            raise ChatError(f"cannot read the standard input: {line.strerror}")
        yield line


# --- chat --plain ------------------------------------------------------------------------------


async def plain(session: Session, *, input: Iterable[str] | None = None) -> int:
    """Send what is typed, or each line of the input, until it ends or ``/quit`` comes.

    Args:
        session: it is started and closed here.
        input: lines; None: the standard input, line by line with readline if it is a terminal.

    Returns:
        The exit code: 1 if a line was not acknowledged, else 0.
    """

    def comes_back(line: str) -> bool:
        return session.state.name == "up" and _message(line) is not None

    line = typing_line(QUIT, comes_back) if input is None else None
    if line is None:
        return await _plain(session, sys.stdin if input is None else input, out)
    with line:
        return await _plain(session, line, line.out)


async def _plain(session: Session, input: Iterable[str], out: Callable[[str], None]) -> int:
    drafts: dict[int, str] = {}
    teaching = Teaching()
    inside = asyncio.Event()
    failed = False

    async def show() -> None:
        nonlocal failed
        said = ""
        noticed: set[str] = set()
        async for batch in session.updates():
            for update in batch:
                match update:
                    case Arrived(event, draft):
                        drafts.pop(draft, None)
                        out(event_line(event))
                    case Missed(missing):
                        out(f"! {translate(str(missing))}")
                    case Noticed(text) if text not in noticed:
                        noticed.add(text)
                        out(f"* {translate(text)}")
                    case Reconnected() | Hindered() as news:
                        out(f"* {translate(news.text)}")
                    case Entered(welcome):
                        nick, room = welcome.nick, welcome.room
                        out("* " + translate(f"you are {nick} in room {room}; /help shows the commands"))
                        inside.set()
                    case StartedOver(reason):
                        out(f"* {translate(reason)}")
                    case DraftMoved(draft, "failed" | "unconfirmed" as phase, reason):
                        failed = True
                        teaching.failed(draft)
                        what = drafts.pop(draft, "")
                        out(f"! {translate(UNSENT[phase])}: {what!r}: {translate(reason)}")
                    case StateChanged(state) if state.name == "retrying" and state.reason != said:
                        said = state.reason
                        out(f"* {translate(f'{state.reason}; trying again')}")
                    case StateChanged(state) if state.name == "up":
                        said = ""
                        out(f"* {translate(f'connected to {state.address}')}")
                    case _:
                        pass

    async def type_() -> None:
        await inside.wait()
        await _type(session, input, drafts, teaching, out)

    async with session:
        showing = asyncio.create_task(show())
        typing = asyncio.create_task(type_())
        await asyncio.wait({showing, typing}, return_when=asyncio.FIRST_COMPLETED)
        if typing.done():
            typing.result()
            with suppress(TimeoutError):
                await asyncio.wait_for(session.settled(), DRAIN)
            failed |= session.pending > 0
        typing.cancel()
    with suppress(asyncio.CancelledError):
        await typing
    await showing
    if session.outcome:
        raise session.outcome
    return int(failed)


def _message(line: str) -> str | None:
    """Return the message that a line is; None: it is empty, a command, or no message may hold it."""
    if not line.strip() or (line.startswith("/") and not line.startswith("//")):
        return None
    try:
        return clean_text(line.removeprefix("/") if line.startswith("//") else line)
    except BadText:
        return None


async def _type(
    session: Session,
    file: Iterable[str],
    drafts: dict[int, str],
    teaching: Teaching,
    out: Callable[[str], None],
) -> None:
    async for line in read_lines(file):
        command, _, _ = line.partition(" ")
        if command == QUIT:
            return
        if command == "/who":
            here = (f"{member.nick} ({member.technique})" for member in session.members.values())
            out("* " + ", ".join(here))
        elif command == "/help":
            for help in HELP:
                out(f"* {translate(help)}")
        elif command in ("/class", "/hand"):
            what = line.removeprefix("/class").removeprefix("/").strip()
            try:
                token = await asyncio.to_thread(teacher_token) if needs_token(PREFIX + what) else ""
            except ChatError as error:
                out(f"! {translate(str(error))}")
            else:
                drafts.update(teaching.say(session, what, token))
                await session.settled(AHEAD)
        elif command.startswith("/") and not command.startswith("//"):
            wrong = N_(f"there is no command {command}; /help shows all commands, // begins a message with /")
            out(f"! {translate(wrong)}")
        elif line.strip():
            try:
                text = clean_text(line.removeprefix("/") if line.startswith("//") else line)
            except BadText as error:
                out(f"! {translate(str(error))}")
            else:
                drafts[session.say(text)] = text
                await session.settled(AHEAD)


# --- chat send ---------------------------------------------------------------------------------


async def send(session: Session, texts: Iterable[str]) -> int:
    """Send each text, or each line of a file.

    Texts that were not acknowledged are named on stderr, with line number and reason.

    Returns:
        The exit code: 0 if every text was acknowledged, else 1.
    """
    lines: dict[int, int] = {}  # token to line number
    trouble: dict[int, str] = {}  # line number to reason
    from_input = isinstance(texts, TextIOBase)  # where a blank line is no message

    async def follow() -> None:
        async for batch in session.updates():
            for update in batch:
                match update:
                    case DraftMoved(draft, "failed", reason):
                        trouble[lines[draft]] = N_(f"was not sent: {reason}")
                    case DraftMoved(draft, "unconfirmed", reason):
                        trouble[lines[draft]] = N_(f"is unconfirmed: {reason}")
                    case Hindered() as hindered:
                        err(translate(hindered.text))
                    case Noticed(text, unasked=True):
                        err(translate(text))
                    case Arrived(_, draft) if draft:
                        trouble.pop(lines[draft], None)
                    case _:
                        pass

    def report() -> str:
        n, pending = len(lines) - session.pending, session.pending
        return translate(f"{n} lines are in the room, {pending} on their way")

    following: asyncio.Task[None] | None = None
    try:
        async with session, progress(report):
            following = asyncio.create_task(follow())
            number = 0
            async for text in _each(texts):
                number += 1
                if from_input and not text.strip():
                    continue
                try:
                    lines[session.say(clean_text(text))] = number
                except BadText as error:
                    trouble[number] = N_(f"was not sent: {error}")
                await session.settled(AHEAD)
                if session.outcome is not None:
                    err(translate("the rest was not read"))
                    break  # it may never end
            await session.settled()
    finally:  # also after a signal
        if following is not None:
            await following
        ended = session.outcome or N_("the session ended")
        why = f"was not sent: {ended}"  # found as that of a text
        trouble |= {lines[token]: why for token in session.unanswered()}
        for number, reason in sorted(trouble.items()):
            err(translate(f"line {number} {reason}"))
    return int(bool(trouble))


async def _each(texts: Iterable[str]) -> AsyncIterator[str]:
    if isinstance(texts, TextIOBase):
        async for line in read_lines(texts):
            yield line
    else:
        for text in texts:
            yield text


# --- chat tail ---------------------------------------------------------------------------------


async def tail(session: Session, *, count: int | None, seconds: float | None, as_json: bool) -> int:
    """Print events as they come; return 1 if fewer than ``count`` came within ``seconds``, else 0."""
    seen, epoch, said = 0, "", ""
    try:
        async with asyncio.timeout(seconds), session:
            async for batch in session.updates():
                for update in batch:
                    match update:
                        case Entered(welcome):
                            epoch = log_of(welcome.epoch)
                        case StartedOver(reason):
                            err(translate(reason))
                        case Reconnected() | Hindered() as news:
                            err(translate(news.text))
                        case Noticed(text, unasked=True):
                            err(translate(text))
                        case StateChanged(state) if state.name == "retrying" and state.reason != said:
                            said = state.reason
                            err(translate(f"{state.reason}; trying again"))
                        case StateChanged(state) if state.name == "up":
                            said = ""
                        case Arrived(event):
                            if as_json:
                                out_json(event_json(event, session.room, epoch))
                            else:
                                out(event_line(event))
                            seen += 1
                            if seen == count:
                                return 0
                        case Missed(missing):
                            if as_json:
                                out_json(missing_json(missing, session.room, epoch))
                            else:
                                out(f"! {translate(str(missing))}")
                        case _:
                            pass
    except TimeoutError:
        return int(count is not None)
    raise session.outcome or ChatError("the session ended")
