"""A minimal echo server: asyncio streams, records with a length before them, nothing else.

``chat bench calls`` compares ours with it. It answers each record with the first bytes of the record, as many
as a SEND's reply over ONC RPC has. Run it with ``python -m lab.bench.echo PORT``; with ``uvloop`` after that,
on it.
"""

import asyncio
import sys

REPLY_BYTES = 44
LAST = 0x80000000  # set in every length, as in ONC RPC, where it says that the record ends here


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(4)) & ~LAST
            answer = (await reader.readexactly(size))[:REPLY_BYTES]
            writer.write((LAST | len(answer)).to_bytes(4) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[2:] == ["uvloop"]:
        import uvloop

        uvloop.run(main(int(sys.argv[1])))
    else:
        asyncio.run(main(int(sys.argv[1])))
