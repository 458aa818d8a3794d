// A client of openapi-client-axios, which makes its methods of the contract when it starts.
import { createRequire } from "node:module";
import { OpenAPIClientAxios } from "openapi-client-axios";

const [host, port, nick, token] = process.argv.slice(2);
const room = { room: "lab" };
const hex = (text) => Buffer.from(text).toString("hex");

const { version } = createRequire(import.meta.url)("openapi-client-axios/package.json");
console.log(`version ${version}`);
const definition = await (await fetch(`http://${host}:${port}/openapi.json`)).json();
// A refusal is an answer like others. Not over a proxy.
const axiosConfigDefaults = { validateStatus: () => true, proxy: false };
const chat = await new OpenAPIClientAxios({ definition, axiosConfigDefaults }).init();

console.log(`token ${(await chat.takeSeat(room, { nick })).data.code}`);
const headers = { Authorization: `Bearer ${token}` };
console.log(`refused ${(await chat.takeSeat(room, { nick: "ann" }, { headers })).data.code}`);

const seat = (await chat.takeSeat(room, { nick }, { headers })).data;
headers["Seat-Key"] = seat.seat_key;
const { members } = (await chat.listMembers(room, null, { headers })).data;
console.log(`members ${members.map((member) => member.nick).sort().join(" ")}`);

async function said(place) {
  const page = (await chat.listEvents({ ...room, ...place }, null, { headers })).data;
  return page.events.filter((event) => event.kind === "sent");
}

const last = (await said({ after: seat.start })).at(-1);
console.log(`reads ${hex(last.text)}`);
const older = await said({ before: last.seq, limit: 2 });
console.log(`history ${older.map((event) => hex(event.text)).join(" ")}`);

const draft = (n) => ({ headers: { ...headers, "Idempotency-Key": String(n) } });
const { id } = (await chat.sendMessage(room, { text: "ä 漢字\n&<>" }, draft(1))).data;
console.log("waiting");
console.log(`waits ${hex((await said({ after: id, wait: 20 }))[0].text)}`);
await chat.editMessage({ ...room, id }, { text: "漢字 ä\n<&>" }, draft(2));
await chat.deleteMessage({ ...room, id }, null, draft(3));
await chat.leaveRoom({ ...room, seat: seat.seat }, null, { headers });
