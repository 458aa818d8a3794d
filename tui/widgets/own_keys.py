"""Keys such as Backspace and Ctrl+U, handled in the order in which they were typed."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input


async def own_binding(widget: Widget, event: events.Key) -> None:
    """Run the widget's own binding for a key now.

    Textual does so only when the key has gone up to the app. In a burst, letters that were typed behind it
    are there by then, and Backspace deletes one of those.
    """
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):  # private in 8.2.8
        if not binding.priority and await widget.app.run_action(binding.action, widget):
            event.prevent_default()
            event.stop()
            return


class Field(Input):
    """A line of text."""

    async def on_key(self, event: events.Key) -> None:
        await own_binding(self, event)
