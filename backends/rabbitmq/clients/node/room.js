/** A seat in a room that lives in a broker: publish to its exchange, read its stream, come back after a break. */
import { randomBytes, randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "amqplib";

const GRACE = 15_000;
const STREAM = { "x-queue-type": "stream", "x-max-length-bytes": 50_000_000, "x-stream-max-segment-size-bytes": 1_000_000 };
const FIRST_RETRY = 200;
const LAST_RETRY = 5_000;
/** Unacknowledged deliveries at one time. */
const PREFETCH = 200;

export class Room extends EventEmitter {
  #url;
  #exchange;
  #log;
  #nick;
  #seat = randomBytes(12).toString("hex");
  #n = 0;
  #next = "first"; // the first offset that was not read yet
  #seen = new Map(); // by seat, the highest draft number: a draft that was published twice is shown once
  #waiting = new Map(); // by name, own entries that have not come back: [entry, resolve]
  #connection;
  #publisher;
  #renewing;
  #leaving = false;

  constructor(url, room, nick) {
    super();
    this.#url = `${url}${url.includes("?") ? "&" : "?"}heartbeat=5`;
    this.#exchange = `chat.room.${room}`;
    this.#log = `chat.log.${room}`;
    this.#nick = nick;
    this.room = room;
  }

  /** Connects, and takes the seat; rejects when the broker is not there. */
  async join() {
    await this.#connect();
    // Opens the room, or is a barrier entry: when it comes back, everything before it was read.
    await this.#publish({ kind: "opened", epoch: randomUUID() });
    await this.#publish({ kind: "joined", node: this.#seat });
  }

  /** Says something; returns when the stream has delivered it, however often the connection breaks. */
  say(text) {
    this.#n += 1;
    return this.#publish({ kind: "sent", n: this.#n, text: text.normalize("NFC") });
  }

  async leave() {
    await this.#publish({ kind: "left", node: this.#seat });
    this.#leaving = true;
    clearInterval(this.#renewing);
    await this.#publisher.deleteQueue(`chat.will.${this.room}.${this.#seat}`);
    await this.#connection.close();
  }

  #publish(fields) {
    const { kind, ...rest } = fields;
    const entry = { at: Date.now(), kind, seat: this.#seat, author: this.#nick, technique: "amqplib", ...rest };
    return new Promise((resolve) => {
      this.#waiting.set(this.#nameOf(entry), [entry, resolve]);
      this.#send(entry);
    });
  }

  #nameOf({ kind, seat, n = 0 }) {
    return `${kind} ${seat} ${n}`;
  }

  #send(entry) {
    // Without a connection it is sent after the next connect.
    this.#publisher?.publish(this.#exchange, "", Buffer.from(JSON.stringify(entry)), {
      contentType: "application/json",
      persistent: true,
      type: `chat.${entry.kind}`,
    });
  }

  async #connect() {
    const connection = await connect(this.#url, { timeout: 5_000 });
    connection.on("error", () => {}); // "close" follows
    connection.on("close", () => this.#broken());
    this.#connection = connection;
    const publisher = await connection.createConfirmChannel();
    publisher.on("error", () => {});
    await publisher.assertExchange(this.#exchange, "fanout", { durable: true });
    await publisher.assertQueue(this.#log, { durable: true, arguments: STREAM });
    await publisher.bindQueue(this.#log, this.#exchange, "");
    await publisher.assertQueue(`chat.node.${this.#seat}`, { exclusive: true, autoDelete: true });
    const reader = await connection.createChannel();
    reader.on("error", () => {});
    await reader.prefetch(PREFETCH);
    await this.#writeWill(connection);
    await reader.consume(this.#log, (message) => this.#take(reader, message), {
      arguments: { "x-stream-offset": this.#next },
    });
    this.#publisher = publisher;
    for (const [entry] of this.#waiting.values()) this.#send(entry);
  }

  /** Holds a message "left" unacknowledged. When this program is gone it expires, and is dead-lettered to the room. */
  async #writeWill(connection) {
    const queue = `chat.will.${this.room}.${this.#seat}`;
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    await channel.assertQueue(queue, {
      durable: true,
      arguments: {
        "x-queue-type": "quorum",
        "x-message-ttl": GRACE,
        "x-expires": 4 * GRACE,
        "x-dead-letter-exchange": this.#exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
      },
    });
    let held;
    await channel.consume(queue, (message) => {
      if (held) channel.ack(held);
      held = message;
    });
    const write = () => {
      const left = { at: Date.now() + GRACE, kind: "left", seat: this.#seat, author: this.#nick, technique: "amqplib" };
      channel.sendToQueue(queue, Buffer.from(JSON.stringify({ ...left, node: this.#seat })), { persistent: true });
    };
    write();
    clearInterval(this.#renewing);
    this.#renewing = setInterval(write, GRACE / 3);
  }

  #take(channel, message) {
    if (!message) return; // the broker has cancelled the consumer; the connection ends soon
    channel.ack(message);
    const offset = Number(message.properties.headers["x-stream-offset"]);
    if (this.#next !== "first" && offset < this.#next) return; // a chunk is delivered as a whole
    this.#next = offset + 1;
    let entry;
    try {
      entry = JSON.parse(message.content.toString());
    } catch {
      return; // not an entry: every client ignores it
    }
    const name = this.#nameOf(entry);
    const [, resolve] = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    if (entry.n) {
      const twice = entry.n <= (this.#seen.get(entry.seat) ?? 0);
      if (!twice) this.#seen.set(entry.seat, entry.n);
      if (!twice) this.emit("entry", offset + 1, entry);
    } else {
      this.emit("entry", offset + 1, entry);
    }
    resolve?.();
  }

  async #broken() {
    clearInterval(this.#renewing);
    this.#publisher = undefined;
    if (this.#leaving) return;
    this.emit("notice", "the connection is gone; trying again");
    for (let delay = FIRST_RETRY; ; delay = Math.min(2 * delay, LAST_RETRY)) {
      await sleep(delay * (0.5 + Math.random()));
      try {
        await this.#connect();
        this.emit("notice", "connected again");
        return;
      } catch (error) {
        this.emit("notice", `no connection: ${error.message}`);
      }
    }
  }
}
