/**
 * A session over gRPC, by the contract in protos/chat.proto: one stream carries events, acks and drafts.
 *
 * There is no generated code: proto-loader reads the contract when the program starts. What a session does besides
 * (cursor, seat key, drafts, coming back after a break) is in the base class, which all JavaScript clients share.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

import { ChatError } from "../../../javascript/errors.js";
import { Session } from "../../../javascript/session.js";

const PROTO = fileURLToPath(new URL("../../../../protos/chat.proto", import.meta.url));
const WELCOME_TIMEOUT = 10_000; // ms that a server has for its welcome
const DEADLINE = 10_000; // ms that a unary call may take; gRPC tells the server
const EVENT_BYTES = 200; // bytes of an event without its text, at most

const OPTIONS = {
  "grpc.enable_http_proxy": 0,
  // A frozen server is noticed after 8 + 4 seconds.
  "grpc.keepalive_time_ms": 8_000,
  "grpc.keepalive_timeout_ms": 4_000,
  // The channel retries quickly: the session decides how long to wait between two streams.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

const definition = protoLoader.loadSync(PROTO, {
  longs: Number, // the contract keeps them below 2^53
  enums: String,
  defaults: true,
  oneofs: true, // frame.kind names the field that is set
});
const { ChatService } = grpc.loadPackageDefinition(definition).chat.v1;

export class StreamSession extends Session {
  #address;
  #room;
  #stub;
  #metadata;
  #call = null; // the stream, while there is one
  #window = Infinity;
  #unacked = 0; // bytes of events

  constructor({ address, nick, room, token, ca }) {
    super(nick);
    [this.#address, this.#room] = [address, room];
    const credentials = ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure();
    this.#stub = new ChatService(address, credentials, OPTIONS);
    this.#metadata = new grpc.Metadata();
    if (token) {
      // Metadata holds visible ASCII only; everything else is percent-encoded.
      const encoded = token.replace(/[^!-$&-~]/gu, encodeURIComponent);
      this.#metadata.set("authorization", `Bearer ${encoded}`);
    }
  }

  async run() {
    try {
      await super.run();
    } finally {
      this.#stub.close();
    }
  }

  async members() {
    return (await this.#unary("members", { room: this.#room })).members;
  }

  /** The newest events, oldest first. */
  async history(limit) {
    return (await this.#unary("history", { room: this.#room, limit })).events.map(named);
  }

  leave() {
    super.leave();
    this.#call?.write({ leave: {} });
  }

  // --- one stream --------------------------------------------------------------------------------

  /** Runs one stream from hello to its end; returns why it ended. */
  async visit() {
    const call = this.#stub.chat(this.#metadata);
    const late = setTimeout(() => call.cancel(), WELCOME_TIMEOUT);
    const ended = new Promise((resolve) => call.once("end", resolve)); // every frame before it has been read
    const status = new Promise((resolve) => call.once("status", resolve));
    call.on("error", () => {}); // the status says the same
    call.on("data", (frame) => {
      if (frame.kind === "welcome") clearTimeout(late);
      this.#take(frame);
    });
    this.#call = call;
    call.write({ hello: { room: this.#room, nick: this.nick, cursor: this.cursor, seatKey: this.seatKey } });
    const [end] = await Promise.all([status, ended]);
    clearTimeout(late);
    this.#call = null;
    return this.#reason(end);
  }

  write() {
    const { kind, n, id, text } = this.draft;
    this.#call?.write({ [kind === "say" ? "send" : kind]: { n, id, text } });
  }

  #reason({ code, details, metadata }) {
    const [error] = metadata.get("chat-error");
    if (error !== undefined) return new ChatError(details, error, Number(metadata.get("chat-retry-after")[0] ?? 0));
    if (code === grpc.status.OK) return new ChatError("the server ended the stream", "connection_lost");
    const why = details.replace(/\s+/g, " ").replace(/\.? Resolution note: $/, "").trim();
    return new ChatError(`no connection to ${this.#address}: ${grpc.status[code]}, ${why}`, "connection_lost");
  }

  // --- frames ------------------------------------------------------------------------------------

  #take(frame) {
    switch (frame.kind) {
      case "welcome":
        this.#window = frame.welcome.window;
        this.#unacked = 0;
        return this.welcomed(frame.welcome);
      case "events":
        return this.#events(frame.events.events);
      case "ack":
        return this.answer(frame.ack.n);
      case "problem":
        return this.#refused(frame.problem);
    }
  }

  /** The server stops sending when a whole window is not acked. */
  #events(events) {
    for (const event of events) this.#unacked += EVENT_BYTES + Buffer.byteLength(event.text);
    this.read(events.map(named));
    if (this.#unacked < this.#window / 4) return;
    this.#unacked = 0;
    this.#call.write({ ack: { seq: this.cursor.seq } });
  }

  #refused({ code, text, n, retryAfter }) {
    const error = new ChatError(text, code, retryAfter);
    if (n === 0 || n !== this.draft?.n) {
      this.emit("notice", text);
    } else if (error.passing) {
      const call = this.#call;
      setTimeout(() => call === this.#call && this.draft && this.write(), (retryAfter || 1) * 1000);
    } else {
      this.answer(n, error);
    }
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

/** Names the kind as every other technique does: "sent" for SENT. */
function named(event) {
  return { ...event, kind: event.kind.toLowerCase() };
}
