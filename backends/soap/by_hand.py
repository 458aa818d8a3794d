"""A message as the command that would send it: Python with zeep, which reads the WSDL."""

from __future__ import annotations

from chat.transport.by_hand import NICK, in_url, python

PROGRAM = """
import zeep  # pip install zeep

chat = zeep.Client(wsdl).service
seat = chat.Join(room=room, nick=nick).seatKey
print(chat.Send(seatKey=seat, n=1, text=text))
chat.Leave(seatKey=seat)
"""


def command(host: str, port: int, room: str, text: str) -> str:
    """Return the command for a POSIX shell that says a text in a room."""
    wsdl = f"http://{in_url(host)}:{port}/soap?wsdl"
    return python(PROGRAM, wsdl=wsdl, nick=NICK, room=room, text=text)
