"""The chat itself: on the screen, or as lines where there is none."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

import backends
from chat.cli import standard_streams
from chat.cli.config_keys import KEYS
from chat.cli.options import Client, chosen, warn
from chat.cli.theme_option import themes_folder
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique

if TYPE_CHECKING:
    from chat.client.connect import Detour
    from chat.client.session import Session
    from lab.wire.compare import Sample
    from lab.wire.wiretap import Wiretap
    from tui.attention import Notify


def lanes_named(_: click.Context, __: click.Parameter, names: str | None) -> list[Technique]:
    """Read the techniques of ``--lanes``, with commas between them."""
    try:
        return [backends.technique(name.strip()) for name in names.split(",")] if names else []
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def screen(
    me: Client,
    *,
    plain: bool = False,
    theme: str | None = None,
    inspect: bool = False,
    lanes: Sequence[Technique] = (),
    guest: bool = False,
    techniques: Sequence[Technique] | None = None,
    notify: Notify = "none",
    history: bool = True,
) -> int:
    """Chat until the user leaves; return the exit code.

    Args:
        me: who, where, and over which technique; without one the picker asks.
        plain: lines instead of a screen.
        theme: its name.
        inspect: show the wire from the first byte on.
        lanes: techniques side by side; without another one, the first is that of the room behind them.
        guest: somebody in a browser, who chooses a name first.
        techniques: what the picker offers; None: all.
        notify: how a mention is told while the terminal does not have the focus.
        history: keep what this user has sent, for the next time.

    Raises:
        ChatError: it is not possible here; the text says why.
    """
    in_page = "TEXTUAL_DRIVER" in os.environ  # chat web, textual-serve: a browser is the terminal
    if guest:
        plain, me = False, replace(me, nick=None, guest=True)
    elif not in_page and not plain and (reason := standard_streams.no_screen()):
        warn(f"{reason}; here are lines instead")
        plain = True
    if lanes and not me.backend:
        me = replace(me, backend=lanes[0])
    if plain:
        from chat.cli import plain as lines
        from chat.cli.signals import run

        return run(lines.plain(me.session()))
    if not in_page and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ChatError("this is not a terminal: use chat --plain, chat send or chat tail")
    gc.disable()  # until the first paint: what is loaded is no garbage, and looking at it takes 30 ms
    from chat.background.state_folder import state_dir
    from chat.client import last_used
    from tui.app import ChatApp
    from tui.opening import Choice
    from tui.run import run as show
    from tui.sent_texts import SentTexts
    from tui.themes import NAMES

    chosen(me.settings, [me.backend, *lanes] if me.backend else backends.techniques(), "client")
    first: list[Technique] = [me.backend] if me.backend else []

    def opened(choice: Choice, detour: Detour | None) -> Session:
        technique = backends.technique(choice.technique)
        first[:] = first or [technique]  # the port of --server is that of the first technique
        return me.over(technique, first[0]).session(
            None, choice.room, choice.nick, cursor=choice.cursor, detour=detour
        )

    def make_wiretap(choice: Choice) -> Wiretap:
        from lab.faults.plan import FaultPlan
        from lab.wire.wiretap import Wiretap

        async def take_sample(name: str, words: str) -> Sample:
            from lab.wire.send_one import sample

            other = me.over(me.named(name), first[0])
            return await sample(other.technique, other.place(), words, {})

        technique = backends.technique(choice.technique)
        plan = FaultPlan(lambda transport: technique.load_decoder()(transport))
        return Wiretap(technique, me.over(technique, technique).settings, state_dir(warn), take_sample, plan)

    choice = Choice(me.backend.name, me.room, me.nick) if me.backend and not guest else None
    folder = None if guest else state_dir(warn)
    last = last_used.load(folder, warn) if folder else last_used.LastUsed()
    context = click.get_current_context()
    room_is_given = context.get_parameter_source("room") is not click.core.ParameterSource.DEFAULT
    use_keys()
    theme = known_theme(theme)
    app = ChatApp(
        opened,
        choice,
        room=me.room if room_is_given else last.room or me.room,
        nick=me.nick or last.nick or None,
        theme=theme or (last.theme if last.theme in NAMES else None),
        make_wiretap=make_wiretap,
        inspect=inspect,
        lanes=[technique.name for technique in lanes],
        techniques=techniques,
        guest=guest,
        technique=me.backend.name if me.backend else last.technique or None,
        notify=notify,
        known_rooms=list(dict.fromkeys((me.room, *last.rooms))),
        sent=(sent := SentTexts(folder / "sent-texts" if folder and history else None)),
    )
    code = show(app)
    sent.keep()
    if folder and (used := app.chosen):
        there = (one.session.room for one in app.rooms.screens)
        rooms = tuple(dict.fromkeys((used.room, *there, *last.rooms)))[: last_used.ROOMS]
        now = last_used.LastUsed(used.technique, used.room, used.nick or "", app.theme, rooms)
        last_used.keep(folder, now)
    return code


def known_theme(theme: str | None) -> str | None:
    """Load the themes of this user, and warn of those that are left out.

    Returns:
        The theme; None if it is one of those: the usual one takes its place.
    """
    from tui import own_themes, themes

    folder = themes_folder()
    for complaint in own_themes.load(folder) if folder else ():
        warn(complaint)
    left_out = theme not in themes.NAMES and folder is not None and (folder / f"{theme}.toml").exists()
    return None if left_out else theme


def use_keys() -> None:
    """Give the commands of the screen the keys of the settings file; warn of what is wrong with them."""
    from tui import keys

    for complaint in keys.use(click.get_current_context().find_root().obj or {}):
        warn(f"[{KEYS}], {complaint}")
