// A client on nice-grpc, which reads chat.proto when it starts.
import { readFileSync } from "node:fs";
import { loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ClientError, Metadata, createChannel, createClient } from "nice-grpc";

const [host, port, nick, token] = process.argv.slice(2);
const { ChatService } = loadPackageDefinition(loadSync("chat.proto", { enums: String, longs: Number, oneofs: true })).chat.v1;
const channel = createChannel(`${host}:${port}`, undefined, { "grpc.enable_http_proxy": 0 });
const chat = createClient(ChatService.service, channel);
const shown = { metadata: new Metadata({ authorization: `Bearer ${token}` }) };
const hex = (text) => Buffer.from(text).toString("hex");

/** One stream: a queue of frames up, and the frames that come down. */
class Room {
  #up = [];
  #more = () => {};
  #down;
  #events = [];

  static async enter(nick, options) {
    const room = new Room();
    room.tell({ hello: { room: "lab", nick } });
    room.#down = chat.Chat(room.#frames(), options)[Symbol.asyncIterator]();
    room.welcome = (await room.#next()).welcome;
    return room;
  }

  tell(frame) {
    this.#up.push(frame);
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
      while (!this.#events.length) this.#events.push(...((await this.#next()).events?.events ?? []));
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
  let trailer;
  try {
    await Room.enter(nick, { ...options, onTrailer: (metadata) => (trailer = metadata) });
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    console.log(step, trailer.get("chat-error"));
  }
}

console.log("version", JSON.parse(readFileSync("node_modules/nice-grpc/package.json")).version);
await refused("token", nick, {});
await refused("refused", "ann", shown);

const room = await Room.enter(nick, shown);
const { members } = await chat.Members({ room: "lab" }, shown);
console.log("members", ...members.map((member) => member.nick).sort());
let last;
await room.until((it) => {
  if (it.kind === "SENT") last = it;
  return it.seq === room.welcome.head;
});
console.log("reads", hex(last.text));
const page = await chat.History({ room: "lab", before: last.seq, limit: 2 }, shown);
console.log("history", ...page.events.map((event) => hex(event.text)));

room.tell({ send: { n: 1, text: "ä 漢字\n&<>" } });
const { id } = await room.own("SENT", 1);
console.log("waiting");
console.log("waits", hex((await room.until((it) => it.kind === "SENT" && it.author === "ann")).text));
room.tell({ edit: { n: 2, id, text: "漢字 ä\n<&>" } });
await room.own("EDITED", 2);
room.tell({ delete: { n: 3, id } });
await room.own("DELETED", 3);
room.tell({ leave: {} });
await room.until((it) => it.kind === "LEFT" && it.author === nick);
channel.close();
