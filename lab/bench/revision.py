"""Our server as it was at another revision, to measure this build beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from chat.domain.errors import ChatError
from lab.bench.servers import Candidate

_HERE = Path(__file__).parents[2]


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """Check a revision out into a new folder, and remove it afterwards.

    Args:
        revision: what git knows: a commit, a branch, a tag.
        folder: where the new one is made. It must exist.

    Yields:
        The new folder; its name is the commit's.

    Raises:
        ChatError: git can't do it.
    """
    commit = _git("rev-parse", "--short", f"{revision}^{{commit}}")
    tree = folder / commit
    _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
    try:
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def name_of(server: str) -> str:
    """Return what a server of another revision is called."""
    return f"{server}-before"


def before(candidate: Candidate, tree: Path) -> Candidate:
    """Return the same server of another revision. It uses the libraries of this build."""
    title = f"{candidate.title} at {tree.name}"
    return replace(candidate, name=name_of(candidate.name), title=title, tree=tree)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_HERE), *arguments], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise ChatError("another revision is measured from a git checkout: git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise ChatError(f"git can't check it out: {said[-1] if said else 'it says nothing'}") from None
    return done.stdout.strip()
