#!/usr/bin/env bash
# Node.js 24.21.0 (npm package "node"; https://github.com/nodejs/node), node:http2; 20.20 does the same.
# Expected: if the server closes the connection in the middle of a response, the client's stream ends with an error,
# as it does with node:http and fetch.
# Seen: it has "end" and "close" as after a whole response, and neither "error" nor "aborted". Only `rstCode` tells: 8
# (CANCEL) in the place of 0, though nobody sent RST_STREAM. So a reader that takes "end" for the end takes half a
# response for a whole one; gRPC does not, because its status comes behind the data.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" node@24.21.0 >"$folder/npm" 2>&1

cat >"$folder/try.js" <<'JS'
const http = require("node:http");
const http2 = require("node:http2");
const net = require("node:net");

const EVENTS = ["end", "aborted", "error"];
const frame = (type, flags, stream, body) => Buffer.from([0, 0, body.length, type, flags, 0, 0, 0, stream, ...body]);
const HTTP1 = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
const SETTINGS = [frame(4, 0, 0, []), frame(4, 1, 0, [])];
const ANSWER = [frame(1, 4, 1, [0x88]), frame(0, 0, 1, Buffer.from("half"))]; // :status 200; no END_STREAM
const END = frame(0, 1, 1, Buffer.from("more"));

/** Calls `ask` with a port where each connection gets some bytes and is closed; returns what it noted. */
function answered(bytes, ask) {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => setTimeout(() => socket.end(bytes), 200));
    });
    server.listen(0, "127.0.0.1", () => {
      const seen = [];
      ask(server.address().port, seen, () => {
        server.close();
        resolve(seen.join(" "));
      });
    });
  });
}

function note(stream, seen) {
  for (const event of EVENTS) stream.on(event, () => seen.push(event));
  stream.resume();
}

function one(port, seen, done) {
  http.get({ host: "127.0.0.1", port }, (response) => {
    note(response, seen);
    response.on("close", done);
  });
}

function two(port, seen, done) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => seen.push("session error"));
  const request = session.request({ ":path": "/" });
  note(request, seen);
  request.on("close", () => {
    seen.push(`rstCode ${request.rstCode}`);
    session.destroy();
    done();
  });
}

(async () => {
  const seen = [
    await answered(HTTP1, one),
    await answered(Buffer.concat([...SETTINGS, ...ANSWER]), two),
    await answered(Buffer.concat([...SETTINGS, ...ANSWER, END]), two),
  ];
  console.log(process.version, "http cut, http2 cut, http2 whole:", seen);
  const wanted = ["aborted error", "end rstCode 8", "end rstCode 0"];
  process.exit(Number(JSON.stringify(seen) !== JSON.stringify(wanted)));
})();
JS
"$folder/node_modules/.bin/node" "$folder/try.js"
echo "as described"
