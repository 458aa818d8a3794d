#!/usr/bin/env node
/**
 * A small terminal chat over HTTP: lines from the standard input are said, what happens in the room is printed.
 *
 *   node chat-client.js [--json] HOST:PORT NICK [ROOM]
 *
 * With --json each line is JSON, in both directions, for scripts: what is said is a string, what is printed an object.
 * CHAT_TOKEN is the access token, CHAT_CA the certificate (PEM) of the authority to trust: then TLS is spoken.
 */
import { once } from "node:events";
import { clearLine, createInterface, cursorTo } from "node:readline";

import { Api } from "./api.js";
import { ChatError } from "./errors.js";
import { Session } from "./session.js";

const USAGE = "usage: node chat-client.js [--json] HOST:PORT NICK [ROOM]";
const HELP = "/edit ID TEXT, /delete ID, /who, /history N, /quit; // begins a message with a slash";
/** What a terminal would act on instead of showing it; newline and tab are fine. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const words = process.argv.slice(2);
const json = words[0] === "--json";
const terminal = process.stdin.isTTY && process.stdout.isTTY && !json;
const input = createInterface({
  input: process.stdin,
  output: terminal ? process.stdout : undefined,
  prompt: "",
  crlfDelay: Infinity,
});
const lines = input[Symbol.asyncIterator](); // from now on: what came before somebody reads would be lost
process.stdout.on("error", () => process.exit(1)); // nobody reads what we print any more

// --- printing --------------------------------------------------------------------------------------

let typing = terminal;
input.once("close", () => (typing = false));

/** Shows one thing: the line to people, the fields to scripts. */
function print(line, fields) {
  if (json) {
    const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    console.log(JSON.stringify(fields).replace(UNPRINTABLE, escape));
    return;
  }
  if (typing) {
    clearLine(process.stdout, 0); // what is being typed moves below
    cursorTo(process.stdout, 0);
  }
  console.log(line.replace(UNPRINTABLE, "\ufffd"));
  if (typing) input.prompt(true);
}

function notice(text) {
  print(`* ${text}`, { kind: "notice", text });
}

function complain(text, code = "bad_request") {
  process.exitCode = 1;
  print(`! ${text}`, { kind: "error", code, text });
}

/** An event as a line for people; further lines of a text are indented. */
function lineOf({ kind, id, author, technique, text = "" }) {
  const indented = text.replaceAll("\n", "\n    ");
  switch (kind) {
    case "opened":
      return "* the room was opened";
    case "joined":
      return `* ${author} joined (${technique})`;
    case "resumed":
      return `* ${author} moved to ${technique}`;
    case "left":
      return `* ${author} left (${technique})`;
    case "sent":
      return `[${id}] ${author} (${technique}): ${indented}`;
    case "edited":
      return `[${id}] ${author} (${technique}) changed it: ${indented}`;
    case "deleted":
      return `[${id}] ${author} (${technique}) deleted it`;
    default:
      return `* ${author}: an event that this program does not know`;
  }
}

// --- typing ----------------------------------------------------------------------------------------

/** The text that somebody has typed; null if a script has not written a JSON string. */
function textOf(typed) {
  if (!json) return typed;
  try {
    const text = JSON.parse(typed);
    return typeof text === "string" ? text : null;
  } catch {
    return null;
  }
}

/** Does what a line asks for; returns when the room has answered. */
async function obey(line, session) {
  const [, command, rest] = line.match(/^(\/\w+)?\s*(.*)$/s);
  const [, number, typed] = rest.match(/^(\d{1,15})\s*(.*)$/s) ?? [];
  const text = textOf(command ? typed || '""' : line.replace(/^\/\//, "/"));
  if (!line.trim()) return;
  if (!command && text !== null) {
    await session.say(text);
  } else if (command === "/edit" && typed && text !== null) {
    await session.edit(Number(number), text);
  } else if (command === "/delete" && number) {
    await session.delete(Number(number));
  } else if (command === "/who") {
    const members = await session.members();
    const names = members.map(({ nick, technique }) => `${nick} (${technique})`);
    print(`* here: ${names.join(", ")}`, { kind: "members", members });
  } else if (command === "/history" && number) {
    for (const event of await session.history(Number(number))) print(`| ${lineOf(event)}`, { old: true, ...event });
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
      complain(error.message, error.code);
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
  const api = new Api({ address, room, token: process.env.CHAT_TOKEN, ca: process.env.CHAT_CA });
  const session = new Session(api, nick);
  session.on("event", (event) => print(lineOf(event), { room, epoch: session.epoch, ...event }));
  session.on("notice", notice);
  session.on("welcome", ({ nick }) => print(`* you are ${nick} in room ${room}`, { kind: "welcome", room, nick }));
  const over = session.run();
  await Promise.race([over, once(session, "welcome")]);
  await Promise.race([over, type(session)]);
  await over;
  return process.exitCode ?? 0;
}

try {
  process.exitCode = await main(json ? words.slice(1) : words);
} catch (error) {
  console.error(`chat-client: ${error.message}`);
  process.exitCode = 1;
}
input.close();
process.stdin.destroy();
