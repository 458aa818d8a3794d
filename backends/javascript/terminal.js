/**
 * The terminal of a chat client: lines from the standard input are said, events of the room are printed.
 *
 *   node chat-client.js [--json] HOST:PORT NICK [ROOM]
 *
 * With --json every line is JSON in both directions, for scripts: a message is a string, an output line an object.
 * CHAT_TOKEN is the access token. CHAT_CA is the certificate (PEM) of the authority to trust; with it TLS is used.
 */
import { once } from "node:events";
import { clearLine, createInterface, cursorTo } from "node:readline";

import { ChatError } from "./errors.js";
import { lineOf, printable, UNPRINTABLE } from "./lines.js";

const USAGE = "usage: node chat-client.js [--json] HOST:PORT NICK [ROOM]";
const HELP = "/edit ID TEXT, /delete ID, /who, /history N, /quit; // begins a message with a slash";

/** Runs the program. `open` makes a session of { address, nick, room, token, ca }. */
export async function runTerminal(open) {
  const terminal = new Terminal(process.argv.slice(2));
  try {
    process.exitCode = await terminal.run(open);
  } catch (error) {
    console.error(`chat-client: ${error.message}`);
    process.exitCode = 1;
  }
  terminal.close();
}

class Terminal {
  #words;
  #json;
  #input;
  #lines;
  #typing; // somebody types at a terminal: what is typed is drawn anew below each line

  constructor(words) {
    this.#json = words[0] === "--json";
    this.#words = this.#json ? words.slice(1) : words;
    this.#typing = process.stdin.isTTY && process.stdout.isTTY && !this.#json;
    this.#input = createInterface({
      input: process.stdin,
      output: this.#typing ? process.stdout : undefined,
      prompt: "",
      crlfDelay: Infinity,
    });
    this.#input.once("close", () => (this.#typing = false));
    this.#lines = this.#input[Symbol.asyncIterator](); // made now: lines that come before it is made are lost
    process.stdout.on("error", () => process.exit(1)); // nobody reads the output any more
  }

  async run(open) {
    const [address, nick, room = "lab", ...more] = this.#words;
    if (!nick || more.length) {
      console.error(USAGE);
      return 2;
    }
    const session = open({ address, nick, room, token: process.env.CHAT_TOKEN, ca: process.env.CHAT_CA });
    session.on("event", (event) => this.#print(lineOf(event), { room, epoch: session.epoch, ...event }));
    session.on("notice", (text) => this.#print(`* ${text}`, { kind: "notice", text }));
    session.on("welcome", ({ nick }) => {
      this.#print(`* you are ${nick} in room ${room}`, { kind: "welcome", room, nick });
    });
    const ended = session.run();
    await Promise.race([ended, once(session, "welcome")]);
    await Promise.race([ended, this.#type(session)]);
    await ended;
    return process.exitCode ?? 0;
  }

  close() {
    this.#input.close();
    process.stdin.destroy();
  }

  // --- printing ----------------------------------------------------------------------------------

  /** Shows one thing: the line to people, the fields to scripts. */
  #print(line, fields) {
    if (this.#json) {
      const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
      console.log(JSON.stringify(fields).replace(UNPRINTABLE, escape));
      return;
    }
    if (this.#typing) {
      clearLine(process.stdout, 0);
      cursorTo(process.stdout, 0);
    }
    console.log(printable(line));
    if (this.#typing) this.#input.prompt(true);
  }

  #complain(text, code = "bad_request") {
    process.exitCode = 1;
    this.#print(`! ${text}`, { kind: "error", code, text });
  }

  // --- typing ------------------------------------------------------------------------------------

  async #type(session) {
    for await (const line of this.#lines) {
      if (line.trim() === "/quit") break;
      try {
        await this.#obey(line, session);
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        this.#complain(error.message, error.code);
      }
    }
    session.leave(); // every line has been answered
  }

  /** Does what a line asks for; returns when the room has answered. */
  async #obey(line, session) {
    const [, command, rest] = line.match(/^(\/\w+)?\s*(.*)$/s);
    const [, number, typed] = rest.match(/^(\d{1,15})\s*(.*)$/s) ?? [];
    const text = this.#textOf(command ? typed || '""' : line.replace(/^\/\//, "/"));
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
      this.#print(`* here: ${names.join(", ")}`, { kind: "members", members });
    } else if (command === "/history" && number) {
      const events = await session.history(Number(number));
      for (const event of events) this.#print(`| ${lineOf(event)}`, { old: true, ...event });
    } else {
      this.#complain(`not understood: ${line}; there is ${HELP}`);
    }
  }

  /** Returns the text of a typed line; null if a script has not written a JSON string. */
  #textOf(typed) {
    if (!this.#json) return typed;
    try {
      const text = JSON.parse(typed);
      return typeof text === "string" ? text : null;
    } catch {
      return null;
    }
  }
}
