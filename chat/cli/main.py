"""``chat``: the command line. Everything behind it is imported when its command runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from chat.cli import completion, standard_streams
from chat.cli.language import choose_language, translate_help
from chat.cli.late_commands import LateCommands
from chat.cli.options import FAILED, WRONG_USAGE, Client, client_options, warn
from chat.cli.screen import lanes_named, screen
from chat.cli.theme_option import theme_option
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import LANGUAGES, translate

if TYPE_CHECKING:
    from tui.attention import Notify


COMMANDS = LateCommands(
    {
        "send": "chat.cli.talk",
        "tail": "chat.cli.talk",
        "export": "chat.cli.export",
        "serve": "chat.cli.serve",
        "join": "chat.cli.join",
        "board": "chat.cli.board",
        "status": "chat.cli.own_server",
        "stop": "chat.cli.own_server",
        "log": "chat.cli.log_file",
        "config": "chat.cli.config_command",
        "completion": "chat.cli.completion",
        "doctor": "chat.cli.look",
        "techniques": "chat.cli.look",
        "explain": "chat.cli.look",
        "web": "chat.cli.web",
        "wire": "chat.cli.wire",
        "receipt": "chat.cli.wire",
        "demo": "chat.cli.bench",
        "bench": "chat.cli.bench",
        "lab": "chat.cli.lab",
    }
)
"""The commands, and the modules that they are in."""


@click.group(
    commands=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="""
    \b
    Examples:
      chat                                  choose a technique, a room, a name
      chat --backend tcp --as ann           chat over TCP, on your own server
      chat -b tcp --server 10.0.0.5:7010    chat on another machine's server
      chat serve                            run a server, with every technique
      chat demo                             a room with a bot on every technique
    """,
)
@client_options
@click.option("--plain", is_flag=True, help="Lines instead of a screen: for pipes and screen readers.")
@theme_option
@click.option("--inspect", is_flag=True, help="Show the wire, from the first byte on.")
@click.option(
    "--notify",
    type=click.Choice(["none", "bell", "desktop"]),
    default="none",
    help="How to tell that somebody has named you while you look elsewhere.",
)
@click.option(
    "--history/--no-history",
    default=True,
    help="Keep what you have sent, for Up the next time (the default).",
)
@click.option(
    "--lanes",
    metavar="NAME,NAME",
    callback=lanes_named,
    help="Up to four techniques side by side in one room.",
)
@click.option("--guest", is_flag=True, hidden=True)  # the screen of a visitor in a web page
@click.option(
    "--lang", type=click.Choice(LANGUAGES), help="The language of the texts; without it, the locale's."
)
@click.version_option(package_name="wirechat", message="chat %(version)s")
@click.pass_context
def chat(
    context: click.Context,
    me: Client,
    plain: bool,
    theme: str | None,
    inspect: bool,
    notify: Notify,
    history: bool,
    lanes: list[Technique],
    guest: bool,
    lang: str | None,
) -> int | None:
    """One chat over every classical way in which programs talk to each other."""
    if command := context.invoked_subcommand:
        if command == "config":
            return None  # it shows what they do
        for name in set(context.params) - {"lang"}:  # which every command has, see `choose_language`
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                option = next(one for one in context.command.params if one.name == name).opts[0]
                raise click.UsageError(
                    f"{option} stands before {command}, which would not see it: write it behind {command}"
                )
        return None
    return screen(
        me,
        plain=plain,
        theme=theme,
        inspect=inspect,
        lanes=lanes,
        guest=guest,
        notify=notify,
        history=history,
    )


def main() -> None:
    """Run ``chat``; errors are one line, exit codes: 0 ok, 1 failed, 2 wrong usage, 128 + n signal n."""
    standard_streams.prepare()
    code = _run()
    try:
        standard_streams.finish()
    except BrokenPipeError:  # nobody reads on
        code = FAILED
    except ChatError as error:
        warn(str(error))
        code = FAILED
    sys.exit(code)


def _run() -> int:
    """Run the command; print its error as one line, and return the exit code."""
    from chat.background.state_folder import ENVIRONMENT
    from chat.cli.config import config_file, read_config
    from chat.cli.config_keys import KEYS, for_click

    options = sys.argv[: sys.argv.index("--")] if "--" in sys.argv else sys.argv
    asks_for_help = not {"-h", "--help"}.isdisjoint(options)  # which needs no settings
    completing = completion.VARIABLE in os.environ  # a shell asks, which wants nothing but answers
    try:
        try:
            settings = read_config()
        except ChatError:
            if not asks_for_help and not completing:
                raise
            settings = {}
        if (complaint := choose_language(options, settings)) and not completing:
            warn(complaint)
        keys = settings.pop(KEYS, {})
        settings, complaints = for_click(settings, chat)
        if not isinstance(keys, dict):
            complaints.append(f"{KEYS}: {translate(N_('it is a table: write the keys below [keys]'))}")
            keys = {}
        for complaint in () if asks_for_help or completing else complaints:
            warn(f"{config_file()}, {complaint}")
        if asks_for_help:
            translate_help(chat)
        code = chat.main(
            prog_name="chat",
            standalone_mode=False,
            auto_envvar_prefix=ENVIRONMENT,
            default_map=settings,
            obj=keys,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stdout.write(error.format_message() + "\n")
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "chat"
        reason = translate(error.format_message())
        warn(f"{reason} ({command} --help shows how)")
        return WRONG_USAGE
    except (click.ClickException, ChatError) as error:
        warn(str(error))
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return FAILED
    else:
        return code if isinstance(code, int) else 0
    return 0
