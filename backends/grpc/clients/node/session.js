/**
 * One person's seat in a room, by the contract in protos/chat.proto: takes the seat, reads events, sends drafts,
 * and after a break comes back to the same seat, with nothing lost and nothing said twice.
 *
 * There is no generated code: proto-loader reads the contract when the program starts.
 */
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const PROTO = fileURLToPath(new URL("../../../../protos/chat.proto", import.meta.url));
const WELCOME_TIMEOUT = 10_000; // ms until a server must have said welcome
const DEADLINE = 10_000; // ms that a unary call may take; the server is told
const PATIENCE = 60_000; // ms without a server after which we give up
const FIRST_RETRY = 200; // ms; doubled with every failure, ...
const LAST_RETRY = 5_000; // ... up to this
const EVENT_BYTES = 200; // of an event without its text, at most

/** Errors that another try may mend; after any other the same request would fail again. */
const PASSING = new Set(["closing", "connection_lost", "full", "not_stored", "slow_reader", "too_fast"]);

const OPTIONS = {
  "grpc.enable_http_proxy": 0,
  // A frozen server is noticed after 8 + 4 seconds.
  "grpc.keepalive_time_ms": 8_000,
  "grpc.keepalive_timeout_ms": 4_000,
  // The channel is quick to try: how long we wait between two streams is decided here.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

const definition = protoLoader.loadSync(PROTO, {
  longs: Number, // the contract keeps them below 2^53
  enums: String,
  defaults: true,
  oneofs: true, // frame.kind says which of its fields is set
});
const { ChatService } = grpc.loadPackageDefinition(definition).chat.v1;

/** What the server refused, or why there is no connection; the message is for a person. */
export class ChatError extends Error {
  constructor(message, code, retryAfter = 0) {
    super(message);
    this.code = code; // docs/protocol.md lists them
    this.retryAfter = retryAfter; // seconds; 0: not known
  }

  get passing() {
    return PASSING.has(this.code) || (this.code === "nick_taken" && this.retryAfter > 0);
  }
}

/**
 * Emits "welcome" (Welcome) whenever it has come in, "event" (Event) for each event once and in order, and
 * "notice" (string) for what the user should know.
 */
export class Session extends EventEmitter {
  #address;
  #nick;
  #room;
  #stub;
  #metadata;
  #call = null; // the stream, while there is one
  #limits = null;
  #window = Infinity;
  #unacked = 0; // bytes of events
  #cursor = null; // how far we have read: { seq, epoch }
  #seatKey = "";
  #seats = new Set(); // the names of all seats that were ours: an event of an old one may still come
  #head = Infinity; // the newest event when we came in
  #caughtUp = false; // with the head
  #n = 0; // of the last draft
  #draft = null; // the one that the room has not answered yet
  #lastUp = 0;
  #leaving = false;
  #hurry = new AbortController();

  constructor({ address, nick, room, token, ca }) {
    super();
    [this.#address, this.#nick, this.#room] = [address, nick, room];
    const credentials = ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure();
    this.#stub = new ChatService(address, credentials, OPTIONS);
    this.#metadata = new grpc.Metadata();
    if (token) {
      // Metadata holds visible ASCII only; everything else is percent-encoded.
      const encoded = token.replace(/[^!-$&-~]/gu, encodeURIComponent);
      this.#metadata.set("authorization", `Bearer ${encoded}`);
    }
  }

  /** Lives until `leave`; throws a ChatError when another try is useless. */
  async run() {
    let failures = 0;
    let said = "";
    try {
      while (!this.#leaving) {
        const reason = await this.#stream(() => ((failures = 0), (said = "")));
        if (this.#leaving) return;
        if (reason.code === "stale_cursor" && this.#cursor !== null) {
          this.#startOver(reason);
          continue;
        }
        const patience = this.#seatKey || reason.retryAfter ? PATIENCE : 0; // a wrong address is told at once
        if (!reason.passing || Date.now() - this.#lastUp > patience) throw reason;
        if (reason.message !== said) this.emit("notice", `${reason.message}; trying again`);
        said = reason.message;
        await this.#pause(reason, failures++);
      }
    } finally {
      this.#stub.close();
    }
  }

  /** Says something; throws a ChatError if the room refuses it. One draft at a time: await it before the next. */
  say(text) {
    return this.#send("send", { text });
  }

  edit(id, text) {
    return this.#send("edit", { id, text });
  }

  delete(id) {
    return this.#send("delete", { id });
  }

  async members() {
    return (await this.#unary("members", { room: this.#room })).members;
  }

  /** The newest events, oldest first. */
  async history(limit) {
    return (await this.#unary("history", { room: this.#room, limit })).events;
  }

  /** Gives the seat up; `run` returns when the server has confirmed it. */
  leave() {
    this.#leaving = true;
    this.#call?.write({ leave: {} });
    this.#hurry.abort();
  }

  // --- one stream, and the next ------------------------------------------------------------------

  /** From hello to the end of the stream; returns why it ended. */
  async #stream(welcomed) {
    if (!this.#lastUp) this.#lastUp = Date.now();
    const call = this.#stub.chat(this.#metadata);
    const late = setTimeout(() => call.cancel(), WELCOME_TIMEOUT);
    const ended = new Promise((resolve) => call.once("end", resolve)); // every frame before it has been read
    const status = new Promise((resolve) => call.once("status", resolve));
    call.on("error", () => {}); // the status says the same
    call.on("data", (frame) => {
      if (frame.kind === "welcome") {
        clearTimeout(late);
        welcomed();
      }
      this.#take(frame);
    });
    this.#call = call;
    call.write({ hello: { room: this.#room, nick: this.#nick, cursor: this.#cursor, seatKey: this.#seatKey } });
    const [end] = await Promise.all([status, ended]);
    clearTimeout(late);
    if (this.#caughtUp) this.#lastUp = Date.now();
    this.#call = null;
    this.#caughtUp = false;
    return this.#reason(end);
  }

  async #pause(reason, failures) {
    // With jitter: a room of clients must not come back in one instant.
    const backoff = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** failures) * (0.5 + Math.random());
    const ms = reason.retryAfter ? reason.retryAfter * 1000 + 100 : backoff;
    await sleep(ms, undefined, { signal: this.#hurry.signal }).catch(() => {});
  }

  /** Begins with another log. A change would hit another message there. */
  #startOver(reason) {
    this.emit("notice", reason.message);
    this.#cursor = null;
    if (this.#draft && !this.#draft.frame.send) {
      this.#answer(this.#draft.n, new ChatError("the message is not in this log any more", "no_such_message"));
    }
  }

  #reason({ code, details, metadata }) {
    const [said] = metadata.get("chat-error");
    if (said !== undefined) return new ChatError(details, said, Number(metadata.get("chat-retry-after")[0] ?? 0));
    if (code === grpc.status.OK) return new ChatError("the server ended the stream", "connection_lost");
    const why = details.replace(/\s+/g, " ").replace(/\.? Resolution note: $/, "").trim();
    return new ChatError(`no connection to ${this.#address}: ${grpc.status[code]}, ${why}`, "connection_lost");
  }

  // --- what the server says ----------------------------------------------------------------------

  #take(frame) {
    switch (frame.kind) {
      case "welcome":
        return this.#welcomed(frame.welcome);
      case "events":
        return this.#read(frame.events.events);
      case "ack":
        return this.#answer(frame.ack.n);
      case "problem":
        return this.#refused(frame.problem);
    }
  }

  #welcomed(welcome) {
    this.#seats.add(welcome.seat);
    this.#seatKey = welcome.seatKey;
    this.#limits = welcome.limits;
    this.#window = welcome.window;
    this.#unacked = 0;
    this.#head = welcome.head;
    this.#n = Math.max(this.#n, welcome.n);
    if (this.#cursor) this.#cursor.epoch = welcome.epoch;
    else this.#cursor = { seq: 0, epoch: welcome.epoch };
    this.emit("welcome", welcome);
    this.#seeWhetherCaughtUp();
  }

  #read(events) {
    for (const event of events) {
      this.#unacked += EVENT_BYTES + Buffer.byteLength(event.text);
      if (event.seq <= this.#cursor.seq) continue;
      this.#cursor.seq = event.seq;
      this.emit("event", event);
      if (this.#seats.has(event.seat)) this.#answer(event.n); // our own event is the answer to its draft
    }
    if (this.#unacked >= this.#window / 4) {
      this.#unacked = 0;
      this.#call.write({ ack: { seq: this.#cursor.seq } });
    }
    this.#seeWhetherCaughtUp();
  }

  #refused({ code, text, n, retryAfter }) {
    const error = new ChatError(text, code, retryAfter);
    if (n === 0 || n !== this.#draft?.n) {
      this.emit("notice", text);
    } else if (error.passing) {
      const call = this.#call;
      setTimeout(() => call === this.#call && this.#write(), (retryAfter || 1) * 1000);
    } else {
      this.#answer(n, error);
    }
  }

  // --- drafts ------------------------------------------------------------------------------------

  #send(kind, fields) {
    const limit = this.#limits.textBytes;
    return new Promise((resolve, reject) => {
      if (Buffer.byteLength(fields.text ?? "") > limit) {
        reject(new ChatError(`a message may have ${limit} bytes at most`, "bad_text"));
        return;
      }
      const n = ++this.#n;
      this.#draft = { n, frame: { [kind]: { n, ...fields } }, resolve, reject };
      if (this.#caughtUp) this.#write();
    });
  }

  /** A draft is sent again only now: the replay may have shown that the room has it. */
  #seeWhetherCaughtUp() {
    if (this.#caughtUp || this.#cursor.seq < this.#head) return;
    this.#caughtUp = true;
    this.#write();
  }

  #write() {
    if (this.#draft) this.#call.write(this.#draft.frame);
  }

  #answer(n, error) {
    if (!this.#draft || this.#draft.n !== n) return;
    const { resolve, reject } = this.#draft;
    this.#draft = null;
    error ? reject(error) : resolve();
  }

  #unary(method, request) {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + DEADLINE };
      this.#stub[method](request, this.#metadata, options, (error, reply) => {
        error ? reject(this.#reason(error)) : resolve(reply);
      });
    });
  }
}
