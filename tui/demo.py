"""``chat demo`` in a terminal: the user, and a bot on every technique that can run here."""

from __future__ import annotations

from chat.background.state_folder import state_dir
from chat.client.connect import Detour, login_name
from chat.client.session import Session
from chat.domain.errors import ChatError
from lab.demo import Bots, served, session
from lab.faults.plan import FaultPlan
from lab.wire.wiretap import Wiretap
from tui.app import ChatApp
from tui.command_target import CommandTarget
from tui.commands import TABLE, Command, Refused
from tui.opening import Choice
from tui.run import run as show
from tui.screens.chat import ChatScreen


def bots_command(bots: Bots) -> Command:
    """Return the command ``/bots``, which switches their answers on and off."""

    def run(target: CommandTarget, argument: str) -> None:
        if argument not in ("on", "off"):
            raise Refused("write /bots on or /bots off")
        bots.switch(argument == "on")
        target.timeline.note(f"the bots are {'back' if argument == 'on' else 'quiet'}")

    return Command("bots", "on|off", "let the bots answer, or be quiet", run, ask=True, values=("on", "off"))


def run(theme: str | None) -> int:
    """Run the demo until the user leaves; return the exit code.

    Args:
        theme: one of `tui.themes.NAMES`; None: the default.
    """
    with served() as stage:
        runs = stage.runs
        by_name = {one.technique.name: one for one in runs}

        def opened(choice: Choice, detour: Detour | None) -> Session:
            if choice.technique not in by_name:
                raise ChatError(
                    f"{choice.technique} does not run here: {stage.off.get(choice.technique, '')}"
                )
            return session(by_name[choice.technique], choice.nick or login_name(), choice.room, detour)

        def make_wiretap(choice: Choice) -> Wiretap:
            technique = by_name[choice.technique].technique
            plan = FaultPlan(lambda transport: technique.load_decoder()(transport))
            return Wiretap(technique, {}, state_dir(), interference=plan)

        bots = Bots(stage)
        TABLE["bots"] = bots_command(bots)

        def greet() -> None:
            if isinstance(app.screen, ChatScreen):
                app.screen.timeline.note(
                    "write something: each bot answers when it has seen it; /bots off, /help, /quit"
                )
                for name, reason in stage.off.items():
                    app.screen.timeline.note(f"no bot on {name}: {reason}")

        choice = Choice(runs[0].technique.name, stage.room, login_name())
        app = ChatApp(opened, choice, theme=theme, on_first_paint=greet, make_wiretap=make_wiretap)
        bots.start()
        try:
            return show(app)
        finally:
            bots.stop()
