"""A teacher's client: where it has the teacher's token from, and what it says in which order."""

from __future__ import annotations

import os

from chat.background.state_folder import state_dir
from chat.client.session import Session
from chat.domain.classroom import PREFIX, VERBS, parse, proof
from chat.domain.errors import ChatError, NotYours

TOKEN = "CHAT_TEACHER_TOKEN"  # a name


def teacher_token() -> str:
    """Return the teacher's token of CHAT_TEACHER_TOKEN, or of this user's own server. Blocks.

    Raises:
        NotYours: neither has one; the text says what to do.
    """
    from chat.background import server

    if token := os.environ.get(TOKEN, "").strip():
        return token
    try:
        record = server.running(state_dir())
    except ChatError:
        record = None
    if record is None or not record.teacher:
        raise NotYours(
            f"you have no teacher's token: teach from the account that runs chat serve --lan, or set {TOKEN}"
        )
    return record.teacher


def check_offered(technique: str) -> None:
    """Check that everybody can go on over a technique, as far as this user's own server decides it. Blocks.

    Who teaches with `TOKEN` does so on another server, and nobody here knows what that offers.

    Raises:
        ChatError: the server does not offer it; the text says why.
    """
    from chat.background import server

    if not os.environ.get(TOKEN, "").strip():
        server.port(state_dir(), technique)


def needs_token(text: str) -> bool:
    """Return whether only a teacher may say this. Raises `BadText` for what is written wrong."""
    order = parse(text)
    return order is not None and not VERBS[order.verb].anybody


class Teaching:
    """What one session has shown of the teacher's token."""

    def __init__(self) -> None:
        self._shown = ""  # the seat that has shown it
        self._drafts: set[int] = set()  # those that were said since, or with it

    def say(self, session: Session, what: str, token: str) -> list[tuple[int, str]]:
        """Use one of the teacher's means; show the token first, if this seat has not yet.

        Args:
            session: with a seat.
            what: the text without ``/class``.
            token: the teacher's; "" where everybody may.

        Returns:
            The drafts, with their texts.
        """
        texts = [PREFIX + what]
        if token and self._shown != session.seat:
            texts.insert(0, f"{PREFIX}teacher {proof(token, session.seat)}")
            self._shown = session.seat
            self._drafts.clear()
        said = [(session.say(text), text) for text in texts]
        if token:
            self._drafts.update(draft for draft, _ in said)
        return said

    def failed(self, draft: int) -> None:
        """This draft was refused or lost: if it needed the token, show that again the next time."""
        if draft in self._drafts:
            self._shown = ""
