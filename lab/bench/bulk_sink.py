"""Reads everything that one client sends, and answers its size when the client has ended.

``chat bench wire`` measures with it how many bytes pass a tap. Run it with ``python -m lab.bench.bulk_sink
PORT``.
"""

import asyncio
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = 0
    while data := await reader.read(1 << 18):
        size += len(data)
    writer.write(size.to_bytes(8))
    await writer.drain()
    writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
