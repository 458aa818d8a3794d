// A client on rabbitmq-client, for a room in a broker: docs/protocol.md, "In a broker". It keeps two rules of
// the room: a name is taken once, and only members leave.
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { Connection } from "rabbitmq-client";

const [url, nick] = process.argv.slice(2);
const EXCHANGE = "chat.room.lab";
const LOG = "chat.log.lab";
const STREAM = { "x-queue-type": "stream", "x-max-length-bytes": 50_000_000, "x-stream-max-segment-size-bytes": 1_000_000 };

const hex = (text) => Buffer.from(text).toString("hex");
const newSeat = () => randomBytes(12).toString("hex");

class Room {
  members = new Map(); // by seat
  texts = [];
  #read = [];
  #wake = () => {};

  async open() {
    this.connection = new Connection(url);
    this.publisher = this.connection.createPublisher({
      confirm: true,
      exchanges: [{ exchange: EXCHANGE, type: "fanout", durable: true }],
      queues: [{ queue: LOG, durable: true, arguments: STREAM }],
      queueBindings: [{ queue: LOG, exchange: EXCHANGE }],
    });
    await this.publisher.send({ exchange: EXCHANGE, routingKey: "" }, this.#entry("opened", newSeat(), { epoch: randomUUID() }));
    this.consumer = this.connection.createConsumer(
      {
        queue: LOG,
        queueOptions: { durable: true, arguments: STREAM }, // or it declares another kind of queue (406)
        qos: { prefetchCount: 100 },
        arguments: { "x-stream-offset": "first" },
      },
      async (message) => {
        this.#read.push(message);
        this.#wake();
      },
    );
  }

  #entry(kind, seat, fields) {
    return { at: Date.now(), kind, seat, technique: "rabbitmq-client", ...fields };
  }

  /** Publishes an entry; returns its offset, or undefined if it was refused. */
  async publish(kind, seat, fields) {
    const messageId = randomUUID();
    if (kind === "joined") await this.connection.queueDeclare({ queue: `chat.node.${seat}`, exclusive: true, autoDelete: true });
    await this.publisher.send({ exchange: EXCHANGE, durable: true, messageId }, this.#entry(kind, seat, fields));
    return (await this.until((message) => message.messageId === messageId)).accepted;
  }

  /** Returns the next message that fulfils a condition, and its offset if it is an entry that is accepted. */
  async until(wanted) {
    for (;;) {
      while (!this.#read.length) await new Promise((resolve) => (this.#wake = resolve));
      const message = this.#read.shift();
      const entry = message.body; // parsed already: its content_type is application/json
      if (typeof entry?.kind !== "string") continue; // not an entry: every client ignores it
      const accepted = this.#accept(entry) ? Number(message.headers["x-stream-offset"]) : undefined;
      if (wanted(message)) return { entry, accepted };
    }
  }

  #accept({ kind, seat, author, text }) {
    const fold = (name) => name.toUpperCase().toLowerCase(); // nearly the full case folding
    if (kind === "joined") {
      if ([...this.members.values()].some((name) => fold(name) === fold(author))) return false;
      this.members.set(seat, author);
    }
    if (kind === "left") this.members.delete(seat);
    if (kind === "sent" && this.members.has(seat)) this.texts.push(text);
    return true;
  }

  async close() {
    await this.consumer.close();
    await this.publisher.close();
    await this.connection.close();
  }
}

const { version } = JSON.parse(readFileSync("node_modules/rabbitmq-client/package.json", "utf8"));
console.log(`version ${version}`);
const room = new Room();
await room.open();
const seat = newSeat();
await room.publish("opened", seat, { epoch: randomUUID() }); // when it comes back, the stream's end is known
const other = newSeat();
if ((await room.publish("joined", other, { author: "ann", node: other })) === undefined) console.log("refused nick_taken");
if ((await room.publish("joined", seat, { author: nick, node: seat })) === undefined) throw new Error("the name is taken");
console.log(`members ${[...room.members.values()].sort().join(" ")}`);
console.log(`reads ${hex(room.texts.at(-1))}`);
console.log(`history ${room.texts.slice(-3, -1).map(hex).join(" ")}`);

const id = (await room.publish("sent", seat, { author: nick, n: 1, text: "ä 漢字\n&<>" })) + 1;
console.log("waiting");
const { entry } = await room.until(({ body }) => body.kind === "sent" && body.author === "ann");
console.log(`waits ${hex(entry.text)}`);
await room.publish("edited", seat, { author: nick, n: 2, id, text: "漢字 ä\n<&>" });
await room.publish("deleted", seat, { author: nick, n: 3, id });
await room.publish("left", seat, { author: nick, node: seat });
await room.close();
