#!/usr/bin/env node
/**
 * A small terminal chat over gRPC: lines from the standard input are said, what happens in the room is printed.
 *
 *   node chat-client.js HOST:PORT NICK [ROOM]
 *
 * CHAT_TOKEN is the access token, CHAT_CA the certificate (PEM) of the authority to trust: then TLS is spoken.
 */
import { once } from "node:events";
import { clearLine, createInterface, cursorTo } from "node:readline";

import { ChatError, Session } from "./session.js";

const USAGE = "usage: node chat-client.js HOST:PORT NICK [ROOM]";
const HELP = "/edit ID TEXT, /delete ID, /who, /history N, /quit; // begins a message with a slash";
/** What a terminal would act on instead of showing it; newline and tab are fine. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const terminal = process.stdin.isTTY && process.stdout.isTTY;
const input = createInterface({
  input: process.stdin,
  output: terminal ? process.stdout : undefined,
  prompt: "",
  crlfDelay: Infinity,
});
const lines = input[Symbol.asyncIterator](); // from now on: what came before somebody reads would be lost

process.noDeprecation = true; // grpc-js puts an IP address into TLS's server name, and Node would say so

// --- printing --------------------------------------------------------------------------------------

let typing = terminal;
input.once("close", () => (typing = false));

function print(line) {
  if (typing) {
    clearLine(process.stdout, 0); // what is being typed moves below
    cursorTo(process.stdout, 0);
  }
  console.log(line.replace(UNPRINTABLE, "\ufffd"));
  if (typing) input.prompt(true);
}

function complain(text) {
  process.exitCode = 1;
  print(`! ${text}`);
}

/** An event as a line for people; further lines of a text are indented. */
function lineOf({ kind, id, author, technique, text }) {
  const indented = text.replaceAll("\n", "\n    ");
  switch (kind) {
    case "OPENED":
      return "* the room was opened";
    case "JOINED":
      return `* ${author} joined (${technique})`;
    case "RESUMED":
      return `* ${author} moved to ${technique}`;
    case "LEFT":
      return `* ${author} left (${technique})`;
    case "SENT":
      return `[${id}] ${author} (${technique}): ${indented}`;
    case "EDITED":
      return `[${id}] ${author} (${technique}) changed it: ${indented}`;
    case "DELETED":
      return `[${id}] ${author} (${technique}) deleted it`;
    default:
      return `* ${author}: an event that this program does not know`;
  }
}

// --- typing ----------------------------------------------------------------------------------------

/** Does what a line asks for; returns when the room has answered. */
async function obey(line, session) {
  const [, command, rest] = line.match(/^(\/\w+)?\s*(.*)$/s);
  const [, number, text] = rest.match(/^(\d{1,15})\s*(.*)$/s) ?? [];
  if (!line.trim()) return;
  if (!command) {
    await session.say(line.replace(/^\/\//, "/"));
  } else if (command === "/edit" && text) {
    await session.edit(Number(number), text);
  } else if (command === "/delete" && number) {
    await session.delete(Number(number));
  } else if (command === "/who") {
    const members = await session.members();
    print(`* here: ${members.map(({ nick, technique }) => `${nick} (${technique})`).join(", ")}`);
  } else if (command === "/history" && number) {
    for (const event of await session.history(Number(number))) print(`| ${lineOf(event)}`);
  } else {
    complain(`not understood: ${line}; there is ${HELP}`);
  }
}

async function type(session) {
  for await (const line of lines) {
    if (line.trim() === "/quit") break;
    try {
      await obey(line, session);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      complain(error.message);
    }
  }
  session.leave(); // every line has been answered
}

// --- the program -----------------------------------------------------------------------------------

async function main([address, nick, room = "lab", ...more]) {
  if (!nick || more.length) {
    console.error(USAGE);
    return 2;
  }
  const session = new Session({ address, nick, room, token: process.env.CHAT_TOKEN, ca: process.env.CHAT_CA });
  session.on("event", (event) => print(lineOf(event)));
  session.on("notice", (text) => print(`* ${text}`));
  session.on("welcome", ({ nick, room }) => print(`* you are ${nick} in room ${room}`));
  const over = session.run();
  await Promise.race([over, once(session, "welcome")]);
  await Promise.race([over, type(session)]);
  await over;
  return process.exitCode ?? 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`chat-client: ${error.message}`);
  process.exitCode = 1;
}
input.close();
process.stdin.destroy();
