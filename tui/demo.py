"""``chat demo`` in a terminal: you, and a bot on every technique that can run here."""

from __future__ import annotations

from chat.config import login_name
from chat.session import Session
from lab.demo import ROOM, Bots, served, session
from tui.app import ChatApp, Choice


def run(theme: str | None) -> int:
    """Talk to the bots until you leave; return the exit code."""
    with served() as (runs, _off):
        by_name = {one.technique.name: one for one in runs}

        def opened(choice: Choice) -> Session:
            return session(by_name[choice.technique], choice.nick or login_name(), choice.room)

        bots = Bots(runs)
        app = ChatApp(opened, Choice(runs[0].technique.name, ROOM, login_name()), theme=theme)
        bots.start()
        try:
            app.run()
        finally:
            bots.stop()
        return app.return_code or 0
