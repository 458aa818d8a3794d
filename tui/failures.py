"""What is told of a task of this program that has failed: no traceback, and the program continues."""

from __future__ import annotations

from textual.worker import Worker, WorkerState

from chat.language import N_


def failure(event: Worker.StateChanged) -> str:
    """Return why the task has failed; "" if it has not.

    Textual tells only the widget, screen or app whose task it is, so each that has tasks asks.
    """
    return N_(f"chat has failed: {event.worker.error!r}") if event.state is WorkerState.ERROR else ""
