"""The teacher's means as sentences: what a client shows in place of a message that begins with ``/class``."""

from __future__ import annotations

from chat.domain.classroom import parse
from chat.domain.errors import BadText
from chat.domain.model import Event
from chat.language import N_


def class_line(event: Event) -> str:
    """Return what a message does that is one of the teacher's means, in English; "": it is none."""
    if event.kind != "sent":
        return ""
    try:
        order = parse(event.text)
    except BadText:
        return ""
    if order is None:
        return ""
    who, argument, seconds = event.author, order.argument, order.seconds
    match order.verb:
        case "teacher":
            return N_(f"{who} is a teacher here")
        case "freeze":
            return N_(f"{who} has frozen the room: only teachers may write. /hand raises your hand")
        case "thaw":
            return N_(f"{who} has thawed the room: everybody may write")
        case "mute":
            return N_(f"{who} has muted {argument}")
        case "unmute":
            return N_(f"{who} lets {argument} write again")
        case "slow" if seconds:
            return N_(f"slow mode: {seconds:g} seconds between two messages of a person")
        case "slow":
            return N_("slow mode is over")
        case "to":
            return N_(f"{who} asks everybody to go on over {argument}: F7, or /follow")
        case "clear":
            return N_(f"{who} has cleared the room: what was said before is not shown")
        case "fault" if seconds:
            return N_(f"a fault for everybody, {seconds:g} seconds: {argument}")
        case "fault":
            return N_("no fault for everybody any more")
        case "hand" if argument:
            return N_(f"{who} takes the hand down")
        case "hand":
            return N_(f"{who} raises a hand")
        case "lower" if argument:
            return N_(f"{who} has answered {argument}")
        case _:
            return N_(f"{who} has lowered all hands")
