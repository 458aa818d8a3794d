/**
 * One person's seat in a room: keeps the cursor and the seat key, numbers the drafts, and after a break takes the same
 * seat again. No event is lost or shown twice, and no draft happens twice.
 *
 * This base class knows no wire format. A subclass makes the connection (`visit`), writes a draft (`write`), and tells
 * the base what comes in (`welcomed`, `read`, `answer`). See docs/protocol.md.
 */
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { ChatError } from "./errors.js";

const GIVE_UP = 60_000; // ms without a server
const FIRST_RETRY = 200; // ms; doubled with every failure, ...
const LAST_RETRY = 5_000; // ... up to this

/**
 * Emits "welcome" each time it has taken the seat, "event" for each event once and in order, and "notice" (string) for
 * what the user should know.
 */
export class Session extends EventEmitter {
  nick;
  seatKey = "";
  /** The last event that was read: { seq, epoch }. */
  cursor = null;
  /** The draft that the room has not answered yet: { kind: "say" | "edit" | "delete", n, id, text }. */
  draft = null;
  /** The replay has been read: only now is it known whether the room has the draft already. */
  caughtUp = false;
  leaving = false;
  #limits = null;
  #seats = new Set(); // the names of all seats that were ours: an event of an old one may still come
  #head = Infinity; // the seq of the newest event when the seat was taken
  #n = 0; // the number of the last draft
  #lastUp = 0; // when the connection worked last
  #failures = 0;
  #noticed = "";
  #hurry = new AbortController();

  constructor(nick) {
    super();
    this.nick = nick;
  }

  get epoch() {
    return this.cursor?.epoch ?? "";
  }

  /** Returns after `leave`. Throws a ChatError when another try is useless. */
  async run() {
    this.#lastUp = Date.now();
    while (!this.leaving) {
      const reason = await this.visit();
      if (this.caughtUp) this.#lastUp = Date.now();
      this.caughtUp = false;
      if (this.leaving) break;
      if (reason.code === "stale_cursor" && this.cursor !== null) this.#startOver(reason);
      else await this.#retry(reason);
    }
  }

  /** Says something. Throws a ChatError if the room refuses it. Await each draft before the next. */
  say(text) {
    return this.#send({ kind: "say", text });
  }

  edit(id, text) {
    return this.#send({ kind: "edit", id, text });
  }

  delete(id) {
    return this.#send({ kind: "delete", id });
  }

  /** Gives the seat up. `run` returns when the server has confirmed it. */
  leave() {
    this.leaving = true;
    this.#hurry.abort();
  }

  // --- what a subclass fills in ------------------------------------------------------------------

  /** Takes the seat and reads events until the connection ends; returns the reason, a ChatError. */
  async visit() {
    throw new Error("not implemented");
  }

  /** Sends the draft. Called when it is new, and again after a break. */
  write() {
    throw new Error("not implemented");
  }

  // --- what a subclass tells ---------------------------------------------------------------------

  welcomed(welcome) {
    this.#failures = 0;
    this.#noticed = "";
    this.#seats.add(welcome.seat);
    this.seatKey = welcome.seatKey;
    this.#limits = welcome.limits;
    this.#head = welcome.head;
    this.#n = Math.max(this.#n, welcome.n);
    this.cursor = { seq: this.cursor?.seq ?? welcome.start ?? 0, epoch: welcome.epoch };
    this.emit("welcome", welcome);
    this.#checkCaughtUp();
  }

  read(events) {
    for (const event of events) {
      if (event.seq <= this.cursor.seq) continue;
      this.cursor.seq = event.seq;
      this.emit("event", event);
      if (this.#seats.has(event.seat)) this.answer(event.n); // the event of a draft is its acknowledgement
    }
    this.#checkCaughtUp();
  }

  /** Ends the draft with this number; with an error it was refused. */
  answer(n, error) {
    if (!this.draft || this.draft.n !== n) return;
    const { resolve, reject } = this.draft;
    this.draft = null;
    error ? reject(error) : resolve();
  }

  // --- inside ------------------------------------------------------------------------------------

  /** Waits before the next try; throws the reason if another try is useless. */
  async #retry(reason) {
    const giveUp = this.seatKey || reason.retryAfter ? GIVE_UP : 0; // a wrong address is reported at once
    if (!this.mayRetry(reason) || Date.now() - this.#lastUp > giveUp) throw reason;
    if (reason.message !== this.#noticed) this.emit("notice", `${reason.message}; trying again`);
    this.#noticed = reason.message;
    // With jitter: the clients of a room must not come back in one instant.
    const backoff = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** this.#failures++) * (0.5 + Math.random());
    const ms = reason.retryAfter ? reason.retryAfter * 1000 + 100 : backoff;
    await sleep(ms, undefined, { signal: this.#hurry.signal }).catch(() => {});
  }

  /** Whether the seat may be taken again after this error. */
  mayRetry(reason) {
    return reason.passing;
  }

  /** Begins with another log, in which the id of a change names another message. */
  #startOver(reason) {
    this.emit("notice", reason.message);
    this.cursor = null;
    if (this.draft?.id) {
      this.answer(this.draft.n, new ChatError("the room has a new log, and the message is not in it", "no_such_message"));
    }
  }

  #send(draft) {
    const limit = this.#limits.textBytes;
    return new Promise((resolve, reject) => {
      if (Buffer.byteLength(draft.text ?? "") > limit) {
        reject(new ChatError(`a message may have ${limit} bytes at most`, "bad_text"));
        return;
      }
      this.draft = { ...draft, n: ++this.#n, resolve, reject };
      if (this.caughtUp) this.write();
    });
  }

  #checkCaughtUp() {
    if (this.caughtUp || this.cursor.seq < this.#head) return;
    this.caughtUp = true;
    if (this.draft) this.write();
  }
}
