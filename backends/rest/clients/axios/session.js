/**
 * One person's seat in a room where the server can't speak first: takes the seat, asks for news by long polls, sends
 * drafts, and after a break comes back to the same seat, with nothing lost and nothing said twice.
 *
 * It knows no wire format: what is asked how, `api.js` knows.
 */
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { ChatError } from "./errors.js";

const WAIT = 20; // seconds that the server may keep a question open until there is news
const IDLE = 250; // ms between two questions that bring nothing, at least: not every server waits
const PATIENCE = 60_000; // ms without a server after which we give up
const FIRST_RETRY = 200; // ms; doubled with every failure, ...
const LAST_RETRY = 5_000; // ... up to this
/** After these the seat must be asked for again before anything else. */
const BREAKS = new Set(["closing", "connection_lost", "seat_gone"]);

/**
 * Emits "welcome" whenever it has come in, "event" for each event once and in order, and "notice" (string) for what
 * the user should know.
 */
export class Session extends EventEmitter {
  #api;
  #nick;
  #link = null; // an AbortController, while we have the seat: aborted with the reason when something breaks
  #limits = null;
  #cursor = null; // how far we have read: { seq, epoch }
  #seatKey = "";
  #seats = new Set(); // the names of all seats that were ours: an event of an old one may still come
  #head = Infinity; // the newest event when we came in
  #caughtUp = false; // with the head
  #n = 0; // of the last draft
  #draft = null; // the one that the room has not answered yet
  #lastUp = Date.now();
  #leaving = false;
  #hurry = new AbortController();

  constructor(api, nick) {
    super();
    [this.#api, this.#nick] = [api, nick];
  }

  get epoch() {
    return this.#cursor?.epoch ?? "";
  }

  /** Lives until `leave`; throws a ChatError when another try is useless. */
  async run() {
    let failures = 0;
    let said = "";
    while (!this.#leaving) {
      const reason = await this.#visit(() => ((failures = 0), (said = "")));
      if (this.#leaving) break;
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
    await this.#goodbye();
  }

  /** Says something; throws a ChatError if the room refuses it. One draft at a time: await it before the next. */
  say(text) {
    return this.#send({ text }, (n, signal) => this.#api.say(n, text, signal));
  }

  edit(id, text) {
    return this.#send({ id, text }, (n, signal) => this.#api.edit(n, id, text, signal));
  }

  delete(id) {
    return this.#send({ id }, (n, signal) => this.#api.delete(n, id, signal));
  }

  members() {
    return this.#api.members();
  }

  /** The newest events, oldest first. */
  history(limit) {
    return this.#api.history(limit);
  }

  /** Gives the seat up; `run` returns when the server has confirmed it. */
  leave() {
    this.#leaving = true;
    this.#hurry.abort();
    this.#link?.abort();
  }

  // --- one visit, and the next -------------------------------------------------------------------

  /** From taking the seat to the first thing that breaks; returns what. */
  async #visit(welcomed) {
    const link = new AbortController();
    try {
      const welcome = await this.#api.enter(this.#nick, this.#cursor, this.#seatKey);
      this.#link = link;
      if (this.#leaving) link.abort();
      welcomed();
      this.#welcomed(welcome);
      for (;;) {
        const asked = Date.now();
        const events = await this.#api.events(this.#cursor.seq, WAIT, link.signal);
        this.#read(events);
        const rest = events.length ? 0 : asked + IDLE - Date.now();
        if (rest > 0) await sleep(rest, undefined, { signal: link.signal });
      }
    } catch (error) {
      const reason = link.signal.aborted ? link.signal.reason : error;
      link.abort(reason); // what is under way ends with it
      if (!(reason instanceof ChatError) && !this.#leaving) throw reason;
      if (this.#caughtUp) this.#lastUp = Date.now();
      this.#caughtUp = false;
      return reason;
    }
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
    if (this.#draft?.fields.id) {
      this.#answer(this.#draft, new ChatError("the message is not in this log any more", "no_such_message"));
    }
  }

  /** Shows what was said before we go, own lines included, and gives the seat up. */
  async #goodbye() {
    if (!this.#link) return;
    try {
      for (let news; this.#cursor && (news = await this.#api.events(this.#cursor.seq, 0)).length; ) this.#read(news);
      await this.#api.leave();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error; // without a server the seat ends after the grace time
    }
  }

  // --- what the server says ----------------------------------------------------------------------

  #welcomed(welcome) {
    this.#seats.add(welcome.seat);
    this.#seatKey = welcome.seatKey;
    this.#limits = welcome.limits;
    this.#head = welcome.head;
    this.#n = Math.max(this.#n, welcome.n);
    this.#cursor = { seq: this.#cursor?.seq ?? welcome.start, epoch: welcome.epoch };
    this.emit("welcome", welcome);
    this.#seeWhetherCaughtUp();
  }

  #read(events) {
    for (const event of events) {
      if (event.seq <= this.#cursor.seq) continue;
      this.#cursor.seq = event.seq;
      this.emit("event", event);
      const draft = this.#draft;
      const own = draft && draft.n === event.n && this.#seats.has(event.seat);
      if (own) this.#answer(draft); // its own event is its answer
    }
    this.#seeWhetherCaughtUp();
  }

  // --- drafts ------------------------------------------------------------------------------------

  #send(fields, call) {
    const limit = this.#limits.textBytes;
    return new Promise((resolve, reject) => {
      if (Buffer.byteLength(fields.text ?? "") > limit) {
        reject(new ChatError(`a message may have ${limit} bytes at most`, "bad_text"));
        return;
      }
      this.#draft = { n: ++this.#n, fields, call, resolve, reject };
      if (this.#caughtUp) this.#write();
    });
  }

  /** A draft is sent again only now: the replay may have shown that the room has it. */
  #seeWhetherCaughtUp() {
    if (this.#caughtUp || this.#cursor.seq < this.#head) return;
    this.#caughtUp = true;
    this.#write();
  }

  async #write() {
    const [draft, link] = [this.#draft, this.#link];
    while (draft && draft === this.#draft && !link.signal.aborted) {
      try {
        await draft.call(draft.n, link.signal);
        this.#answer(draft);
      } catch (error) {
        if (link.signal.aborted) return; // the next visit sends it again
        if (!(error instanceof ChatError) || BREAKS.has(error.code)) link.abort(error);
        else if (error.passing) await sleep((error.retryAfter || 1) * 1000);
        else this.#answer(draft, error);
      }
    }
  }

  #answer(draft, error) {
    if (draft !== this.#draft) return;
    this.#draft = null;
    error ? draft.reject(error) : draft.resolve();
  }
}
