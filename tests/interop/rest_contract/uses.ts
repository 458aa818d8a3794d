// What a client in TypeScript relies on in schema.d.ts, which openapi-typescript makes of the contract.

import createClient from "openapi-fetch";
import type { components, operations, paths } from "./schema.js";

type Schemas = components["schemas"];

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });
const params = { path: { room: "lab" } };

export async function join(): Promise<Schemas["SeatAnswer"] | Schemas["Problem"] | undefined> {
  // Whoever comes for the first time has a nick and nothing else.
  const { data, error } = await client.POST("/rooms/{room}/seats", { params, body: { nick: "ann" } });
  return data ?? error;
}

export const again: Schemas["SeatRequest"] = { nick: "ann", seat_key: null, cursor: { seq: 3, epoch: null } };
export const anew: Schemas["SeatRequest"] = { nick: "ann", seat_key: "key", cursor: null };

export function sizes(event: Schemas["Event"], message: Schemas["Message"], problem: Schemas["Problem"]): number {
  // @ts-expect-error Only some kinds of events have a text.
  const text = event.text.length;
  // @ts-expect-error A message that was not edited has no such time.
  const edited = message.edited_at + 1;
  // @ts-expect-error It is not always known when to try again.
  const retry = problem.retry_after + 1;
  return text + edited + retry + (event.text?.length ?? 0);
}

// The names under which generators offer the operations.
export type Names = operations["deleteMessage"] | operations["editMessage"] | operations["sendMessage"];
