/** The SOAP service, as wsdl/chat.wsdl describes it: node-soap makes the client from it when the program starts. */
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { fileURLToPath } from "node:url";

import soap from "soap";

import { ChatError, connectionLost } from "../../../javascript/errors.js";

const WSDL = fileURLToPath(new URL("../../../../wsdl/chat.wsdl", import.meta.url));
const ANSWER_TIMEOUT = 10_000; // ms that a server has for an answer, besides the time that it was asked to wait
const PAGE = 200; // events in one answer
const MAX_ANSWER = 4 * 1024 * 1024; // bytes
const MAX_CONNECTIONS = 4; // a poll has one, a draft has one
const USER = "chat"; // WS-Security wants a user name; the access token has none
/** Characters that XML can't carry (XML 1.0, production 2): no server could parse the message. */
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const NUMBERS = ["seq", "prev", "at", "n", "id"]; // fields of an event; the library returns longs as strings

export class Api {
  #address;
  #room;
  #transport;
  #client;
  #seatKey = "";

  constructor({ address, room, token, ca }) {
    [this.#address, this.#room] = [address, room];
    const agent = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#transport = {
      httpAgent: new http.Agent(agent),
      httpsAgent: new https.Agent({ ...agent, ca: ca && readFileSync(ca) }),
      proxy: false,
      maxRedirects: 0,
      maxContentLength: MAX_ANSWER,
    };
    this.#client = this.#made(`${ca ? "https" : "http"}://${address}/soap`, token);
  }

  /** Takes a new seat, or the one that the key opens. The cursor is the last event that was read. */
  async enter(nick, cursor, seatKey) {
    const { seq: after, epoch } = cursor ?? {};
    const welcome = await this.#call("Join", { room: this.#room, nick, seatKey: seatKey || undefined, after, epoch });
    this.#seatKey = welcome.seatKey;
    const { limits } = welcome;
    return {
      ...welcome,
      start: Number(welcome.start),
      head: Number(welcome.head),
      n: Number(welcome.n),
      limits: { textBytes: Number(limits.textBytes) },
    };
  }

  /** Returns the events after a seq; the server waits so many seconds for the first. */
  async events(after, wait, signal) {
    return this.#fetch({ after, limit: PAGE, wait }, { signal, timeout: wait * 1000 + ANSWER_TIMEOUT });
  }

  /** The newest events, oldest first. */
  history(limit) {
    return this.#fetch({ limit: Math.max(1, Math.min(limit, PAGE)), wait: 0 });
  }

  async members() {
    return (await this.#call("Members", { seatKey: this.#seatKey }))?.member ?? [];
  }

  /** The three kinds of draft. The same number is the same draft, however often it is sent. */
  async say({ n, text }, signal) {
    await this.#call("Send", { seatKey: this.#seatKey, n, text: literal(text) }, { signal });
  }

  async edit({ n, id, text }, signal) {
    await this.#call("Edit", { seatKey: this.#seatKey, n, id, text: literal(text) }, { signal });
  }

  async delete({ n, id }, signal) {
    await this.#call("Delete", { seatKey: this.#seatKey, n, id }, { signal });
  }

  async leave() {
    await this.#call("Leave", { seatKey: this.#seatKey });
  }

  async #made(endpoint, token) {
    const client = await soap.createClientAsync(WSDL, { endpoint, preserveWhitespace: true });
    if (token) {
      const options = { passwordType: "PasswordDigest", hasTimeStamp: false, mustUnderstand: true };
      client.setSecurity(new soap.WSSecurity(USER, token, options)); // a new nonce with each call
    }
    return client;
  }

  async #fetch(question, options) {
    const page = await this.#call("Fetch", { seatKey: this.#seatKey, ...question }, options);
    return (page.event ?? []).map((event) => {
      for (const name of NUMBERS) if (name in event) event[name] = Number(event[name]);
      return event;
    });
  }

  /** Returns the response of an operation; throws a ChatError for a fault, and when no response comes. */
  async #call(operation, fields, options = {}) {
    const client = await this.#client;
    try {
      const transport = { ...this.#transport, timeout: ANSWER_TIMEOUT, ...options };
      const [response] = await client[`${operation}Async`](fields, transport);
      return response;
    } catch (error) {
      const fault = error.root?.Envelope?.Body?.Fault;
      if (fault) throw refusal(fault);
      if (error.response) throw this.#stranger(error.response);
      throw connectionLost(this.#address, error);
    }
  }

  #stranger({ status }) {
    const text = `${this.#address} answers ${status} and is not a chat server: is the port right?`;
    return new ChatError(text, "connection_lost");
  }
}

/** Returns the error of a fault. The one element of its detail is named after it: NickTaken for nick_taken. */
function refusal({ faultstring, detail }) {
  const [[name, said] = []] = Object.entries(detail ?? {});
  const code = name?.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase() ?? "error";
  return new ChatError(said?.text ?? faultstring, code, Number(said?.retryAfter ?? 0));
}

/**
 * Returns a text in the form that the library sends unchanged: a text that looks like a CDATA section is not escaped by
 * it, but inside a CDATA section it is a text again. Throws a ChatError for characters that XML can't carry.
 */
function literal(text) {
  const found = NOT_XML.exec(text);
  if (found) {
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    const place = [...text.slice(0, found.index)].length + 1;
    throw new ChatError(`a message may not hold U+${code} (character ${place})`, "bad_text");
  }
  return text.startsWith("<![CDATA[") ? `<![CDATA[${text.replaceAll("]]>", "]]]]><![CDATA[>")}]]>` : text;
}
