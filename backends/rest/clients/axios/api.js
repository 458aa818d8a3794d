/** The REST API, as `GET /openapi.json` describes it: one method for each request, answers as plain objects. */
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

import axios from "axios";

import { ChatError, connectionLost } from "../../../javascript/errors.js";

const ANSWER_TIMEOUT = 10_000; // ms that a server has for an answer, besides the time that it was asked to wait
const PAGE = 200; // events in one answer
const MAX_ANSWER = 4 * 1024 * 1024; // bytes
const MAX_CONNECTIONS = 4; // a poll has one, a draft has one

export class Api {
  #address;
  #http;
  #room;
  #seat = ""; // its public name
  #keyed = {}; // the header with the seat key
  #version = { seq: -1, tag: "" }; // the ETag of the last page, and the seq of the room's head in it

  constructor({ address, room, token, ca }) {
    this.#address = address;
    this.#room = `/rooms/${encodeURIComponent(room)}`;
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#http = axios.create({
      baseURL: `${ca ? "https" : "http"}://${address}`,
      httpAgent: new http.Agent(options),
      httpsAgent: new https.Agent({ ...options, ca: ca && readFileSync(ca) }),
      proxy: false,
      maxRedirects: 0,
      maxContentLength: MAX_ANSWER,
      timeout: ANSWER_TIMEOUT,
      responseType: "text", // parsed in #json: another server may answer with something else
      headers: token ? { Authorization: `Bearer ${asBytes(token)}` } : {},
      validateStatus: (status) => status < 300 || status === 304,
    });
  }

  /** Takes a new seat, or the one that the key opens. The cursor is the last event that was read. */
  async enter(nick, cursor, seatKey) {
    const body = { nick, ...(cursor && { cursor }), ...(seatKey && { seat_key: seatKey }) };
    const { data } = await this.#ask("POST", "/seats", { data: body });
    this.#seat = data.seat;
    this.#keyed = { "Seat-Key": data.seat_key };
    this.#version = { seq: -1, tag: "" };
    const { nick: named, seat, start, epoch, head, n, limits } = data;
    return { nick: named, seat, seatKey: data.seat_key, start, epoch, head, n, limits: { textBytes: limits.text_bytes } };
  }

  /** Returns the events after a seq; the server waits so many seconds for the first. `304 Not Modified`: none. */
  async events(after, wait, signal) {
    const { seq, tag } = this.#version;
    const answer = await this.#ask("GET", "/events", {
      params: { after, limit: PAGE, ...(wait && { wait }) },
      headers: { ...this.#keyed, ...(seq === after && { "If-None-Match": tag }) },
      timeout: wait * 1000 + ANSWER_TIMEOUT,
      signal,
    });
    if (answer.status === 304) return [];
    const { events, head } = answer.data;
    this.#version = { seq: head, tag: answer.headers.etag };
    return events;
  }

  /** The newest events, oldest first. */
  async history(limit) {
    return (await this.#ask("GET", "/events", { params: { limit } })).data.events;
  }

  async members() {
    return (await this.#ask("GET", "/members")).data.members;
  }

  /** The three kinds of draft. The same number is the same draft, however often it is sent. */
  async say({ n, text }, signal) {
    await this.#ask("POST", "/messages", { data: { text }, ...this.#draft(n, signal) });
  }

  async edit({ n, id, text }, signal) {
    await this.#ask("PUT", `/messages/${id}`, { data: { text }, ...this.#draft(n, signal) });
  }

  async delete({ n, id }, signal) {
    await this.#ask("DELETE", `/messages/${id}`, this.#draft(n, signal));
  }

  async leave() {
    await this.#ask("DELETE", `/seats/${this.#seat}`, { headers: this.#keyed });
  }

  #draft(n, signal) {
    return { headers: { ...this.#keyed, "Idempotency-Key": String(n) }, signal };
  }

  /** Returns status, headers and data of a successful answer; throws a ChatError for every other. */
  async #ask(method, path, options = {}) {
    let answer;
    try {
      answer = await this.#http.request({ method, url: this.#room + path, ...options });
    } catch (error) {
      if (!error.response) throw connectionLost(this.#address, error);
      throw this.#refusal(error.response);
    }
    if (answer.status === 204 || answer.status === 304) return answer;
    return { ...answer, data: this.#json(answer) };
  }

  /** Returns the error that problem details (RFC 9457) describe. */
  #refusal(response) {
    const { detail, code, retry_after: retryAfter } = this.#json(response);
    return new ChatError(detail, code, retryAfter ?? (Number(response.headers["retry-after"]) || 0));
  }

  #json({ status, headers, data }) {
    if (/\bjson\b/.test(headers["content-type"])) {
      try {
        return JSON.parse(data);
      } catch {
        // not the chat server's: the error below
      }
    }
    throw new ChatError(`${this.#address} answers ${status} and is not a chat server: is the port right?`, "connection_lost");
  }
}

/** Node writes a header in Latin-1, one byte for each character: this text comes out as UTF-8. */
function asBytes(text) {
  return Buffer.from(text).toString("latin1");
}
