// A client of openapi-fetch, whose types openapi-typescript makes of the contract.
import { createRequire } from "node:module";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

const [host, port, nick, token] = process.argv.slice(2) as [string, string, string, string];
const baseUrl = `http://${host}:${port}`;
const path = { room: "lab" };
const hex = (text = "") => Buffer.from(text).toString("hex");
const said = (page?: Schemas["EventPage"]) => (page?.events ?? []).filter((event) => event.kind === "sent");

/** Returns the data of an answer; throws what refused it. */
function good<Data>({ data, error }: { data?: Data; error?: unknown }): Data {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const { version } = createRequire(import.meta.url)("openapi-fetch/package.json");
console.log(`version ${version}`);
const guest = createClient<paths>({ baseUrl });
const closed = await guest.POST("/rooms/{room}/seats", { params: { path }, body: { nick } });
console.log(`token ${closed.error?.code}`);
const access = { Authorization: `Bearer ${token}` };
const insider = createClient<paths>({ baseUrl, headers: access });
const taken = await insider.POST("/rooms/{room}/seats", { params: { path }, body: { nick: "ann" } });
console.log(`refused ${taken.error?.code}`);

const seat = good(await insider.POST("/rooms/{room}/seats", { params: { path }, body: { nick } }));
const chat = createClient<paths>({ baseUrl, headers: { ...access, "Seat-Key": seat.seat_key } });
const { members } = good(await chat.GET("/rooms/{room}/members", { params: { path } }));
console.log(`members ${members.map((member) => member.nick).sort().join(" ")}`);

async function events(query: { after?: number; before?: number; limit?: number; wait?: number }) {
  return said(good(await chat.GET("/rooms/{room}/events", { params: { path, query } })));
}

const last = (await events({ after: seat.start })).at(-1);
console.log(`reads ${hex(last?.text)}`);
const older = await events({ before: last?.seq, limit: 2 });
console.log(`history ${older.map((event) => hex(event.text)).join(" ")}`);

const draft = (n: number) => ({ "Idempotency-Key": String(n) });
const { id } = good(
  await chat.POST("/rooms/{room}/messages", { params: { path, header: draft(1) }, body: { text: "ä 漢字\n&<>" } }),
);
console.log("waiting");
console.log(`waits ${hex((await events({ after: id, wait: 20 }))[0]?.text)}`);
const message = { ...path, id };
await chat.PUT("/rooms/{room}/messages/{id}", {
  params: { path: message, header: draft(2) },
  body: { text: "漢字 ä\n<&>" },
});
await chat.DELETE("/rooms/{room}/messages/{id}", { params: { path: message, header: draft(3) } });
await chat.DELETE("/rooms/{room}/seats/{seat}", { params: { path: { ...path, seat: seat.seat } } });
