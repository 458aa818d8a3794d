"""The teacher's means on the chat screen, and a hand that anybody raises."""

from __future__ import annotations

import asyncio

from chat.client.teaching import Teaching, check_offered, needs_token, teacher_token
from chat.domain.classroom import PREFIX, VERBS, Classroom
from chat.domain.errors import NotYours
from chat.domain.model import Event
from chat.domain.validation import nick_key
from chat.language.translation import translate
from tui.commands import Refused, in_columns, in_words
from tui.screens.chat_session import ChatSession, technique_named


def means(width: int = 100) -> str:
    """Return all of the teacher's means: a line each, if they fit the width of a notice's text."""
    verbs = [(name, verb) for name, verb in VERBS.items() if not verb.anybody]
    shown = {f"{name} {in_words(verb.usage)}".rstrip(): verb.summary for name, verb in verbs}
    head = translate("/class WHAT, for the teacher; /hand raises a hand")
    return "\n".join([head, *in_columns({how: translate(what) for how, what in shown.items()}, width)])


class ChatClass(ChatSession):
    """The part of the chat screen that a class has."""

    def __init__(self) -> None:
        super().__init__()
        self.classroom = Classroom()
        """What the teacher has said, as far as this screen has seen."""
        self.teaching = Teaching()

    def take_class_event(self, event: Event) -> None:
        """Take an event of the room; say what the teacher asks of everybody."""
        before, self.classroom = self.classroom, self.classroom.after(event)
        asked = self.classroom.to
        if asked not in (before.to, self.choice.technique) and event.seat != self.session.seat:
            self.hint(f"{event.author} asks everybody to go on over {asked}: F7 does so")

    async def teach(self, argument: str) -> None:
        """Use one of the teacher's means; "": list them. Raises `Refused` and `ChatError`."""
        if not argument:
            self.timeline.note(means(self.view.look.body))
            return
        needed = needs_token(PREFIX + argument)
        if needed and self.guest:
            raise Refused("a class is taught from a terminal of the one who runs the server")
        token = await asyncio.to_thread(teacher_token) if needed else ""
        verb, _, named = (part.strip() for part in argument.strip().partition(" "))
        if verb == "to":
            technique = await asyncio.to_thread(technique_named, named)
            await asyncio.to_thread(check_offered, technique.name)
        self._use(argument, token)
        # It counts for who is away, too, and a name that is wrong looks like that.
        if "NICK" in VERBS[verb].usage and named and not self._is_here(named):
            self.hint(f"nobody here is called {named} now")

    def _is_here(self, nick: str) -> bool:
        return nick_key(nick) in {nick_key(member.nick) for member in self.session.members.values()}

    def raise_hand(self, argument: str) -> None:
        """Raise the own hand, or take it down. Raises `Refused` and `BadText`."""
        needs_token(f"{PREFIX}hand {argument}")
        self._use(f"hand {argument}".strip(), "")

    def _use(self, what: str, token: str) -> None:
        if self.down:
            raise Refused("not sent, the connection is down: /retry tries again")
        if not self.session.seat:
            raise Refused("wait until you are connected")
        for draft, text in self.teaching.say(self.session, what, token):
            self.timeline.asked(draft, text.partition(" teacher ")[0])

    async def announce_fault(self, lasts: float, what: str) -> bool:
        """Tell everybody of a fault that all suffer; False: this user is no teacher there."""
        try:
            self._use(f"fault {lasts:g} {what}", await asyncio.to_thread(teacher_token))
        except NotYours:
            return False
        return True

    async def follow(self) -> None:
        """Go on over the technique that the teacher has asked for. Raises `Refused`."""
        if not self.classroom.to:
            raise Refused("the teacher has asked for no technique; /backend NAME changes it")
        await self.switch(self.classroom.to)
