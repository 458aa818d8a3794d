#!/usr/bin/env node
/**
 * A small terminal chat in a broker: lines from the standard input are said, what happens in the room is printed.
 *
 *   node chat-client.js amqp://USER:PASSWORD@HOST:PORT/VHOST NICK [ROOM]
 */
import { createInterface } from "node:readline";

import { lineOf, printable } from "../../../javascript/lines.js";

import { Room } from "./room.js";

const USAGE = "usage: node chat-client.js amqp://USER:PASSWORD@HOST:PORT/VHOST NICK [ROOM]";
const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]();

/** Entries of the stream that are shown; the others ("opened", "checkpoint") are for programs. */
const SHOWN = new Set(["joined", "resumed", "left", "sent", "edited", "deleted"]);

function print(line) {
  console.log(printable(line));
}

async function main([url, nick, name = "lab", ...more]) {
  if (!nick || more.length) {
    console.error(USAGE);
    return 2;
  }
  const room = new Room(url, name, nick);
  room.on("entry", (seq, entry) => {
    if (SHOWN.has(entry.kind)) print(lineOf({ id: seq, ...entry })); // a message is named by its seq
  });
  room.on("notice", (text) => print(`* ${text}`));
  await room.join();
  print(`* you are ${nick} in room ${name}`);
  for await (const line of lines) {
    if (line.trim() === "/quit") break;
    if (line.trim()) await room.say(line);
  }
  await room.leave();
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`chat-client: ${error.message}`);
  process.exitCode = 1;
}
process.stdin.destroy();
