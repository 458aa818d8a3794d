// A client on Connect's transport for gRPC, with the classes that protoc-gen-es made of chat.proto.
import { readFileSync } from "node:fs";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ChatService, Event_Kind as Kind } from "./chat_pb.js";

const [host, port, nick, token] = process.argv.slice(2);
const shown = { headers: { authorization: `Bearer ${token}` } };
const chat = createClient(ChatService, createGrpcTransport({ baseUrl: `http://${host}:${port}` }));
const hex = (text) => Buffer.from(text).toString("hex");

/** One stream: a queue of frames up, and the frames that come down. */
class Room {
  #up = [];
  #more = () => {};
  #down;
  #events = [];

  static async enter(nick, options) {
    const room = new Room();
    room.tell("hello", { room: "lab", nick });
    room.#down = chat.chat(room.#frames(), options)[Symbol.asyncIterator]();
    room.welcome = (await room.#next()).kind.value;
    return room;
  }

  tell(name, value) {
    this.#up.push({ kind: { case: name, value } });
    this.#more();
  }

  /** Yields what is told, as long as the stream lasts. */
  async *#frames() {
    for (;;) {
      while (this.#up.length) yield this.#up.shift();
      await new Promise((resolve) => (this.#more = resolve));
    }
  }

  async #next() {
    const { done, value } = await this.#down.next();
    if (done) throw new Error("the stream has ended");
    return value;
  }

  /** Returns the next event that fulfils a condition. */
  async until(wanted) {
    for (;;) {
      while (!this.#events.length) {
        const { kind } = await this.#next();
        if (kind.case === "events") this.#events.push(...kind.value.events);
      }
      const event = this.#events.shift();
      if (wanted(event)) return event;
    }
  }

  /** Returns the event that answers an own draft. */
  own(kind, n) {
    return this.until((it) => it.kind === kind && it.n === n && it.seat === this.welcome.seat);
  }
}

async function refused(step, nick, options) {
  try {
    await Room.enter(nick, options);
  } catch (error) {
    console.log(step, ConnectError.from(error).metadata.get("chat-error"));
  }
}

console.log("version", JSON.parse(readFileSync("node_modules/@connectrpc/connect-node/package.json")).version);
await refused("token", nick, {});
await refused("refused", "ann", shown);

const room = await Room.enter(nick, shown);
const { members } = await chat.members({ room: "lab" }, shown);
console.log("members", ...members.map((member) => member.nick).sort());
let last;
await room.until((it) => {
  if (it.kind === Kind.SENT) last = it;
  return it.seq === room.welcome.head;
});
console.log("reads", hex(last.text));
const page = await chat.history({ room: "lab", before: last.seq, limit: 2 }, shown);
console.log("history", ...page.events.map((event) => hex(event.text)));

room.tell("send", { n: 1n, text: "ä 漢字\n&<>" });
const { id } = await room.own(Kind.SENT, 1n);
console.log("waiting");
console.log("waits", hex((await room.until((it) => it.kind === Kind.SENT && it.author === "ann")).text));
room.tell("edit", { n: 2n, id, text: "漢字 ä\n<&>" });
await room.own(Kind.EDITED, 2n);
room.tell("delete", { n: 3n, id });
await room.own(Kind.DELETED, 3n);
room.tell("leave", {});
await room.until((it) => it.kind === Kind.LEFT && it.author === nick);
process.exit();  // the transport keeps its connection for later calls
