"""`chat completion`: what a shell needs to complete commands, options, techniques, rooms and themes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chat.language import N_
from chat.language.translation import translate

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

VARIABLE = "_CHAT_COMPLETE"
"""The environment variable by which a shell asks for completions (click's own protocol)."""
HOW = {
    "bash": N_('# Put this into ~/.bashrc: eval "$(chat completion bash)"'),
    "zsh": N_('# Put this into ~/.zshrc, behind compinit: eval "$(chat completion zsh)"'),
    "fish": N_("# Put this into ~/.config/fish/completions/chat.fish: chat completion fish | source"),
}


@click.command()
@click.argument("shell", type=click.Choice(tuple(HOW)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which bash, zsh or fish complete commands, techniques, rooms and themes."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click has no completion for {shell}")
    click.echo(translate(HOW[shell]))
    click.echo(_source(kind(context.find_root().command, {}, "chat", VARIABLE)))


def _source(complete: ShellComplete) -> str:
    # click's bash class starts bash to see its version; the script says itself what it needs.
    return complete.source_template % complete.source_vars()


def complete_room(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Return the rooms of the last times that begin so."""
    from chat.background.state_folder import user_folder
    from chat.client.last_used import load

    named = os.environ.get("CHAT_STATE_DIR")  # `state_dir` looks at the file system, too, which takes long
    folder = Path(named) if named else user_folder("state")
    rooms = load(folder, lambda line: None).rooms if folder else ()
    return [room for room in dict.fromkeys((*rooms, "lab")) if room.startswith(begun)]
