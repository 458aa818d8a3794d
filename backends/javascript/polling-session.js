/**
 * A session over a technique whose server can't speak first: it asks for events by long polls, and each draft is a
 * request with its own reply. The requests are those of an `Api`, which each technique has.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { ChatError } from "./errors.js";
import { Session } from "./session.js";

const WAIT = 20; // seconds that the server may keep a poll open
const IDLE = 250; // ms between two polls that bring nothing, at least: some servers answer at once
/** The seat has ended: its owner was away for too long, or the server was started again with an empty log. */
const ENDED = new Set(["seat_gone", "no_such_room"]);
/** After these the seat must be taken again before anything else. */
const BREAKS = new Set(["closing", "connection_lost", ...ENDED]);

export class PollingSession extends Session {
  #api;
  #link = null; // an AbortController while the seat is held: aborted with the reason when something breaks

  constructor(api, nick) {
    super(nick);
    this.#api = api;
  }

  async run() {
    await super.run();
    await this.#goodbye();
  }

  members() {
    return this.#api.members();
  }

  /** The newest events, oldest first. */
  history(limit) {
    return this.#api.history(limit);
  }

  leave() {
    super.leave();
    this.#link?.abort();
  }

  async visit() {
    const link = new AbortController();
    try {
      const welcome = await this.#api.enter(this.nick, this.cursor, this.seatKey);
      this.#link = link;
      if (this.leaving) link.abort();
      this.welcomed(welcome);
      for (;;) {
        const asked = Date.now();
        const events = await this.#api.events(this.cursor.seq, WAIT, link.signal);
        this.read(events);
        const rest = events.length ? 0 : asked + IDLE - Date.now();
        if (rest > 0) await sleep(rest, undefined, { signal: link.signal });
      }
    } catch (error) {
      const reason = link.signal.aborted ? link.signal.reason : error;
      link.abort(reason); // the draft that is under way ends with it
      if (!(reason instanceof ChatError) && !this.leaving) throw reason;
      return reason;
    }
  }

  /** A seat that has ended is taken anew. */
  mayRetry(reason) {
    return super.mayRetry(reason) || ENDED.has(reason.code);
  }

  async write() {
    const [draft, link] = [this.draft, this.#link];
    while (draft === this.draft && !link.signal.aborted) {
      try {
        await this.#api[draft.kind](draft, link.signal);
        this.answer(draft.n);
      } catch (error) {
        if (link.signal.aborted) return; // it is sent again after the next welcome
        if (!(error instanceof ChatError) || BREAKS.has(error.code)) link.abort(error);
        else if (error.passing) await sleep((error.retryAfter || 1) * 1000);
        else this.answer(draft.n, error);
      }
    }
  }

  /** Shows what was said before the end, own lines included, and gives the seat up. */
  async #goodbye() {
    if (!this.#link) return;
    try {
      for (let events; this.cursor && (events = await this.#api.events(this.cursor.seq, 0)).length; ) this.read(events);
      await this.#api.leave();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error; // without a server the seat ends after the grace time
    }
  }
}
