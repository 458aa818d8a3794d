#!/usr/bin/env node
/**
 * A small terminal chat in a broker: lines from the standard input are said, what happens in the room is printed.
 *
 *   node chat-client.js amqp://USER:PASSWORD@HOST:PORT/VHOST NICK [ROOM]
 */
import { createInterface } from "node:readline";

import { Room } from "./room.js";

const USAGE = "usage: node chat-client.js amqp://USER:PASSWORD@HOST:PORT/VHOST NICK [ROOM]";
/** What a terminal would act on instead of showing it; newline and tab are fine. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]();

function print(line) {
  console.log(line.replace(UNPRINTABLE, "\ufffd"));
}

/** An entry as a line for people; further lines of a text are indented. */
function lineOf(seq, { kind, author, technique, text = "", id }) {
  const indented = text.replaceAll("\n", "\n    ");
  switch (kind) {
    case "joined":
      return `* ${author} joined (${technique})`;
    case "resumed":
      return `* ${author} moved to ${technique}`;
    case "left":
      return `* ${author} left (${technique})`;
    case "sent":
      return `[${seq}] ${author} (${technique}): ${indented}`;
    case "edited":
      return `[${id}] ${author} (${technique}) changed it: ${indented}`;
    case "deleted":
      return `[${id}] ${author} (${technique}) deleted it`;
    default:
      return undefined; // opened: the room, or a knock; checkpoint: for programs
  }
}

async function main([url, nick, name = "lab", ...more]) {
  if (!nick || more.length) {
    console.error(USAGE);
    return 2;
  }
  const room = new Room(url, name, nick);
  room.on("entry", (seq, entry) => {
    const line = lineOf(seq, entry);
    if (line) print(line);
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
