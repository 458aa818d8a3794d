#!/usr/bin/env bash
# uvicorn 0.54.0 and httptools 0.9.0 (PyPI; https://github.com/Kludex/uvicorn, https://github.com/MagicStack/httptools).
# Expected: a request that offers another protocol (Upgrade: h2c, as Java's HttpClient and curl --http2 send it) is served
# with its body, in HTTP/1.1: a server may ignore the offer (RFC 9110, 7.8). uvicorn does so with h11.
# Seen: with httptools the application gets an empty body. httptools ends such a request behind its headers. It is known:
# https://github.com/Kludex/uvicorn/issues/2722, https://github.com/MagicStack/httptools/issues/124
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio

import uvicorn

REQUEST = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQBAAAAAAIA\r\nContent-Length: 5\r\n\r\nhello"
)


async def echo(scope, receive, send):
    """Answer with the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_over(parser):
    """Return the body that an application gets."""
    config = uvicorn.Config(echo, port=0, http=parser, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = await reader.readexactly(size)
    writer.close()
    server.should_exit = True
    await serving
    return body


bodies = {parser: asyncio.run(body_over(parser)) for parser in ("httptools", "h11")}
print(bodies)
raise SystemExit(bodies != {"httptools": b"", "h11": b"hello"})
PYTHON
"$folder/venv/bin/python" "$folder/try.py" 2>/dev/null
echo "as described"
