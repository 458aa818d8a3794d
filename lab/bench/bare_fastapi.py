"""A minimal FastAPI server, as in a tutorial: it takes a text, counts, and answers with the number.

``chat bench calls`` over HTTP compares ours with it. It is served as ours is: by uvicorn with httptools, on
uvloop if that is installed, without an access log. Run it with ``python -m lab.bench.bare_fastapi PORT``.
"""

import itertools
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
count = itertools.count(1)


class Message(BaseModel):
    text: str


class Stored(BaseModel):
    seq: int


@app.post("/messages", status_code=201)
async def say(message: Message) -> Stored:
    return Stored(seq=next(count))


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http="httptools",
        loop="auto",
        access_log=False,
        log_level="error",
        timeout_keep_alive=75,
    )
