/** Errors of the chat, with texts for a person. */

/** Errors that may be gone at the next try. After any other error the same request would fail again. */
const PASSING = new Set(["closing", "connection_lost", "full", "not_stored", "slow_reader", "too_fast"]);

/** The server's refusal, or the reason why there is no connection. */
export class ChatError extends Error {
  constructor(message, code, retryAfter = 0) {
    super(message);
    this.code = code; // docs/protocol.md lists the codes
    this.retryAfter = retryAfter; // seconds; 0: not known
  }

  get passing() {
    return PASSING.has(this.code) || (this.code === "nick_taken" && this.retryAfter > 0);
  }
}

/** Returns the reason why an HTTP request got no answer, from an error of Node's http or of Axios. */
export function connectionLost(address, error) {
  const code = error.code ?? error.cause?.code ?? "";
  const why = () => {
    if (code === "ECONNREFUSED") return `nothing listens on ${address}: start a server there with chat serve`;
    if (code === "ECONNRESET" || code === "EPIPE") return "the server closed the connection";
    if (code === "ETIMEDOUT" || code === "ECONNABORTED") return `no answer from ${address}`;
    if (code.startsWith("HPE_")) return `what listens at ${address} does not speak HTTP: is the port right?`;
    return `no connection to ${address}: ${error.message}`;
  };
  return new ChatError(why(), "connection_lost");
}
