// A client on node:dgram: one JSON object a datagram, with a counter and a MAC, as docs/datagrams.md has them.
import { blake2s } from "@noble/hashes/blake2.js";
import { randomBytes } from "node:crypto";
import dgram from "node:dgram";
import { readFileSync } from "node:fs";

const [host, port, nick, token] = process.argv.slice(2);
const hex = (text) => Buffer.from(text).toString("hex");
const AGAIN = 500; // milliseconds: a datagram may be lost, so what is not answered is sent again

/** One connection: a nonce, the keys that come from it, and what has come. */
class Room {
  constructor(hello, token) {
    this.hello = hello;
    this.root = token && blake2s(Buffer.from(token));
    this.nonce = randomBytes(16).toString("hex");
    this.received = [];
    this.inbox = [];
    this.waiting = () => {};
    this.socket = dgram.createSocket("udp4");
    this.socket.on("message", (datagram) => {
      const message = this.open(datagram.toString());
      if (message === undefined) return;
      this.inbox.push(...(message.kind === "events" ? message.events : [message]));
      this.waiting();
    });
  }

  async enter() {
    await new Promise((ready) => this.socket.connect(port, host, ready));
    const first = JSON.stringify({ kind: "hello", nick: this.hello, nonce: this.nonce, pad: "x".repeat(200) });
    const { cookie } = await this.ask(() => first, (it) => it.kind === "cookie" && it.nonce === this.nonce);
    this.up = this.keyOf("hello up", cookie);
    this.down = this.keyOf("hello down", cookie);
    const fields = { kind: "hello", nick: this.hello, nonce: this.nonce, cookie };
    const answer = await this.ask(() => this.seal(fields), (it) => ["welcome", "end"].includes(it.kind));
    if (answer.kind === "welcome") {
      this.up = this.keyOf("up", answer.salt);
      // A seat belongs to whoever sends a ping every second.
      this.pings = setInterval(() => this.tell({ kind: "ping" }), 1000);
    }
    return answer;
  }

  close() {
    clearInterval(this.pings);
    this.socket.close();
  }

  // --- the MACs ------------------------------------------------------------------------------

  keyOf(purpose, salt) {
    if (!this.root) return undefined;
    const text = Buffer.from(`${purpose}\n${this.nonce}\n${salt}`);
    return { key: blake2s(text, { key: this.root }), count: 0 };
  }

  seal(message) {
    const json = JSON.stringify(message);
    if (!this.up) return json;
    const text = `${json}\n${++this.up.count}`;
    return `${text} ${mac(text, this.up.key)}`;
  }

  /** Returns a datagram's message, or undefined if somebody else sent it, or if it came before. */
  open(datagram) {
    const [json, count] = datagram.split("\n");
    const message = JSON.parse(json);
    if (!this.root || message.kind === "cookie") return message;
    if (message.kind === "welcome") this.down = this.keyOf("down", message.salt);
    if (count === undefined) return message.kind === "end" ? message : undefined; // refused, without a MAC
    const space = datagram.lastIndexOf(" ");
    const number = parseInt(count, 10);
    if (mac(datagram.slice(0, space), this.down.key) !== datagram.slice(space + 1)) return undefined;
    if (this.received.includes(number)) return undefined;
    this.received.push(number);
    return message;
  }

  // --- asking --------------------------------------------------------------------------------

  tell(message) {
    this.socket.send(this.seal(message));
  }

  /** Returns the next message that fulfils a condition. */
  async until(wanted) {
    for (;;) {
      while (this.inbox.length) {
        const message = this.inbox.shift();
        if (wanted(message)) return message;
      }
      await new Promise((news) => (this.waiting = news));
    }
  }

  /** Sends the same again until an answer has come; returns it. */
  async ask(datagram, wanted) {
    const send = () => this.socket.send(datagram());
    const timer = setInterval(send, AGAIN);
    send();
    try {
      return await this.until(wanted);
    } finally {
      clearInterval(timer);
    }
  }

  request(message, wanted) {
    return this.ask(() => this.seal(message), wanted);
  }
}

function mac(text, key) {
  return Buffer.from(blake2s(Buffer.from(text), { key, dkLen: 16 })).toString("hex");
}

const own = (kind, n) => (it) => it.kind === kind && it.n === n && it.author === nick;
const answerTo = (ref) => (it) => it.ref === ref && it.kind !== "pong";

const { version } = JSON.parse(readFileSync("node_modules/@noble/hashes/package.json"));
console.log("version", version);
for (const [line, name, key] of [["token", nick, ""], ["refused", "ann", token]]) {
  const refused = new Room(name, key);
  console.log(line, (await refused.enter()).code);
  refused.close();
}

const room = new Room(nick, token);
const welcome = await room.enter();
const { members } = await room.request({ kind: "members", ref: 1 }, answerTo(1));
console.log("members", members.map((member) => member.nick).sort().join(" "));
const replay = await room.request({ kind: "history", after: welcome.start, ref: 2 }, answerTo(2));
const last = replay.events.filter((event) => event.kind === "sent").at(-1);
console.log("reads", hex(last.text));
const page = await room.request({ kind: "history", before: last.seq, limit: 2, ref: 3 }, answerTo(3));
console.log("history", page.events.map((event) => hex(event.text)).join(" "));

const { id } = await room.request({ kind: "say", text: "ä 漢字\n&<>", n: 1 }, own("sent", 1));
console.log("waiting");
console.log("waits", hex((await room.until((it) => it.kind === "sent" && it.author === "ann")).text));
await room.request({ kind: "edit", id, text: "漢字 ä\n<&>", n: 2 }, own("edited", 2));
await room.request({ kind: "delete", id, n: 3 }, own("deleted", 3));
await room.request({ kind: "leave" }, (it) => it.kind === "end" || (it.kind === "left" && it.author === nick));
room.close();
