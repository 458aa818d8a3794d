// A client of the REST API: one method for each request, and a session that outlives what breaks.
// Nothing here knows the page. openapi.json describes the requests.

export const WAIT = 20; // seconds that the server may keep a long poll open
const IDLE = 250; // ms between two long polls that bring nothing, at least
const EVERY = 1000; // ms between two polls
const PATIENCE = 15000; // ms for an answer, besides the time that the server was asked to wait
const LONGEST = 10000; // ms between two tries without a connection
const LATER = new Set([429, 503]); // the same request may go well later
/** After these the seat is taken again before anything else: the server may be another one, which knows more or less. */
const BREAKS = new Set(["closing", "connection_lost", "seat_gone", "seat_taken"]);

/** An answer that is an error: a problem (RFC 9457), or none at all (status 0). */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter = 0) {
    super(detail);
    Object.assign(this, { status, code, retryAfter });
  }

  get passes() {
    return this.status === 0 || LATER.has(this.status);
  }
}

/** Makes requests, and tells of each: `onRequest` gets what was asked, what came, and how long it took. */
export class Api {
  constructor(onRequest) {
    this.onRequest = onRequest;
    this.token = "";
  }

  /** Returns the status, the ETag and the body (from JSON) of an answer; throws a Problem for an error. */
  async ask(method, path, { key, headers = {}, body, wait = 0, signal, keepalive = false } = {}) {
    const sent = body === undefined ? "" : JSON.stringify(body);
    const all = {
      ...(this.token && { Authorization: `Bearer ${encodeURIComponent(this.token)}` }),
      ...(key && { "Seat-Key": key }),
      ...headers,
      ...(sent && { "Content-Type": "application/json" }),
    };
    const told = { method, path, headers: all, sent, status: 0, received: "", ms: 0, note: "no answer" };
    const begun = performance.now();
    const limit = AbortSignal.timeout(PATIENCE + wait * 1000);
    try {
      const answer = await fetch(path, {
        method,
        headers: all,
        cache: "no-store",
        keepalive,
        signal: signal && AbortSignal.any ? AbortSignal.any([signal, limit]) : (signal ?? limit),
        ...(sent && { body: sent }),
      });
      told.status = answer.status;
      told.received = await answer.text();
      const json = told.received && JSON.parse(told.received);
      if (answer.ok || answer.status === 304) return { status: answer.status, tag: answer.headers.get("ETag"), json };
      const after = json.retry_after || Number(answer.headers.get("Retry-After"));
      throw new Problem(answer.status, json.code, json.detail, after);
    } catch (error) {
      if (error instanceof Problem && error.status) throw error;
      if (signal?.aborted) {
        told.note = "given up";
        throw signal.reason;
      }
      throw new Problem(0, "connection_lost", "the server does not answer");
    } finally {
      told.ms = performance.now() - begun;
      this.onRequest(told);
    }
  }
}

/** Waits so many milliseconds, or until the signal is given. */
function sleep(ms, signal) {
  return new Promise((done) => {
    if (signal.aborted) return done();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}

/**
 * A seat in a room, and the place up to which its events were read. `keep` is what must outlive the page.
 *
 * The page gives: onEvents(events), onSeat(answer, isNew), onAnew(), onPolling(long), onWaiting(problem, seconds),
 * onRefused(draft, problem), onOver(problem), onKeep(keep).
 */
export class Session {
  #waker = new AbortController(); // given: what waits goes on at once
  #over = false;
  #gone = false; // the page is hidden, maybe for good: it does not poll
  #broken = false; // the seat must be taken again
  #sending = false;
  #head = 0; // of the room, when the seat was taken
  #caughtUp = false; // the events up to that were read, so a draft that was stored is known
  #tag = ""; // of the newest state, if everything up to it was read

  constructor(api, page, keep) {
    Object.assign(this, { api, page, long: false });
    this.keep = { seat: "", key: "", epoch: "", seq: 0, n: 0, drafts: [], ...keep };
    this.path = `/rooms/${encodeURIComponent(keep.room)}`;
  }

  /** Takes the seat, and polls until the session is over. Throws the Problem of the first try for a new seat. */
  async run() {
    if (this.keep.key) this.#broken = true;
    else await this.#enter();
    this.#poll();
  }

  /** Something has changed, or the page is there again: do not wait any longer. */
  wake() {
    this.#gone = false;
    this.#interrupt();
  }

  #interrupt() {
    this.#waker.abort(new Problem(0, "woken", ""));
    this.#waker = new AbortController();
  }

  set polling(long) {
    this.long = long;
    this.page.onPolling(long);
    this.wake();
  }

  async members() {
    return (await this.api.ask("GET", `${this.path}/members`)).json.members;
  }

  async leave() {
    this.#over = true;
    this.wake();
    await this.api.ask("DELETE", `${this.path}/seats/${this.keep.seat}`, { key: this.keep.key, keepalive: true });
  }

  /**
   * The page goes, maybe for good. Its seat is taken once more: from then on it lasts for the grace time (15 s), as
   * that of everybody who has just come, and not for a minute. A page that comes back is back in time.
   */
  fade() {
    if (this.#broken) return;
    this.#gone = true;
    this.#interrupt(); // a poll that waits would keep the seat
    const { nick, key, epoch, seq } = this.keep;
    const body = { nick, seat_key: key, cursor: { epoch, seq } };
    this.api.ask("POST", `${this.path}/seats`, { body, keepalive: true }).catch(() => {});
  }

  // --- the seat ---------------------------------------------------------------------------------

  async #enter() {
    const { nick, key, epoch, seq } = this.keep;
    const body = { nick, ...(key && { seat_key: key }), ...(epoch && { cursor: { epoch, seq } }) };
    const { status, json } = await this.api.ask("POST", `${this.path}/seats`, { body });
    const isNew = status === 201 && key !== "";
    const { seat, seat_key, start, head, n } = json;
    const [draft] = this.keep.drafts; // it may be under way, with a number that the server has not seen yet
    const mine = draft?.seat === seat ? draft.n : 0;
    this.#save({ nick: json.nick, seat, key: seat_key, epoch: json.epoch, seq: start, n: Math.max(n, mine) });
    this.#tag = "";
    this.#caughtUp = start >= head;
    this.#head = head;
    this.#broken = false;
    this.page.onSeat(json, isNew);
    if (this.#caughtUp) this.#send();
  }

  #save(changes) {
    Object.assign(this.keep, changes);
    this.page.onKeep(this.keep);
  }

  #end(problem) {
    this.#over = true;
    this.page.onOver(problem);
  }

  /** Waits as long as the server wants, or longer each time if there is no answer. */
  async #rest(problem, tries) {
    const ms = problem.retryAfter * 1000 || Math.min(LONGEST, 500 * 2 ** tries);
    this.page.onWaiting(problem, Math.ceil(ms / 1000));
    await sleep(ms, this.#waker.signal);
  }

  // --- events -----------------------------------------------------------------------------------

  async #poll() {
    for (let tries = 0; !this.#over; ) {
      const begun = performance.now();
      const waker = this.#waker.signal;
      if (this.#gone) {
        await sleep(PATIENCE, waker);
        continue;
      }
      try {
        if (this.#broken) await this.#enter();
        const more = await this.#news(waker);
        tries = 0;
        this.page.onPolling(this.long);
        const rest = (this.long ? IDLE : EVERY) - (performance.now() - begun);
        if (!more && rest > 0) await sleep(rest, waker);
      } catch (problem) {
        if (problem.code === "woken" || this.#over) continue;
        if (problem.code === "stale_cursor") {
          this.#save({ epoch: "", seq: 0 });
          this.page.onAnew();
        } else if (BREAKS.has(problem.code)) this.#break();
        else if (!problem.passes) return this.#end(problem);
        if (problem.passes) await this.#rest(problem, tries++);
      }
    }
  }

  #break() {
    this.#broken = true;
    this.#caughtUp = false;
  }

  /** Asks once; returns whether to ask again at once. */
  async #news(signal) {
    const { key, seq } = this.keep;
    const wait = this.long ? WAIT : 0;
    const { status, tag, json } = await this.api.ask("GET", `${this.path}/events?after=${seq}${wait ? `&wait=${wait}` : ""}`, {
      key,
      wait,
      signal,
      headers: this.#tag ? { "If-None-Match": this.#tag } : {},
    });
    if (status === 304) return false;
    const { events, head } = json;
    const last = events.length ? events.at(-1).seq : seq;
    this.#tag = last >= head ? tag : "";
    for (const event of events) this.#answered(event);
    this.page.onEvents(events);
    if (events.length) this.#save({ seq: last });
    if (!this.#caughtUp && last >= this.#head) {
      this.#caughtUp = true;
      this.#send();
    }
    return events.length > 0 && (this.long || last < head);
  }

  // --- drafts: numbered, one after the other, each until it is answered -------------------------

  say(text) {
    this.#draft({ method: "POST", path: "/messages", body: { text } });
  }

  /** `seq` names the state of the message that was read: if it has changed since, nothing happens (412). */
  edit(id, seq, text) {
    this.#draft({ method: "PUT", path: `/messages/${id}`, seq, body: { text } });
  }

  delete(id, seq) {
    this.#draft({ method: "DELETE", path: `/messages/${id}`, seq });
  }

  #draft(draft) {
    this.#save({ drafts: [...this.keep.drafts, draft] });
    this.#send();
  }

  /** A draft that the room has stored, though its answer was lost, is not sent again. */
  #answered(event) {
    const [draft] = this.keep.drafts;
    if (draft?.n && event.n === draft.n && event.seat === draft.seat) this.#save({ drafts: this.keep.drafts.slice(1) });
  }

  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    for (let tries = 0; this.keep.drafts.length && this.#caughtUp && !this.#over; ) {
      const [draft] = this.keep.drafts;
      if (draft.seat !== this.keep.seat) {
        Object.assign(draft, { seat: this.keep.seat, n: this.keep.n + 1 });
        this.#save({ n: draft.n });
      }
      const headers = { "Idempotency-Key": String(draft.n) };
      if (draft.seq) headers["If-Match"] = `"${this.keep.epoch}-${draft.seq}"`;
      let refusal = null;
      try {
        await this.api.ask(draft.method, this.path + draft.path, { key: this.keep.key, headers, body: draft.body });
        tries = 0;
      } catch (problem) {
        if (BREAKS.has(problem.code)) {
          this.#break(); // the polls take the seat again, and look whether the room has it; then it goes on here
          this.wake();
          break;
        }
        if (problem.passes) {
          await this.#rest(problem, tries++);
          continue;
        }
        refusal = problem;
      }
      if (this.keep.drafts[0] === draft) this.#save({ drafts: this.keep.drafts.slice(1) });
      if (refusal) this.page.onRefused(draft, refusal);
      else if (!this.long) this.wake(); // it is in the room: ask for it
    }
    this.#sending = false;
  }
}
