// A client on js-xdr: its types are those of protos/chat.x. No RPC library lives on npm, so the records are ours.
import { readFileSync } from "node:fs";
import net from "node:net";
import XDR from "js-xdr";

const [host, port, nick, token] = process.argv.slice(2);
const [JOIN, LEAVE, SEND, EDIT, DELETE, FETCH, MEMBERS] = [1, 2, 3, 4, 5, 6, 7];
const [NICK_TAKEN, ACCESS_DENIED] = [5, 6];
const [AFTER, BEFORE, NEWEST] = [1, 2, 3];
const SENT = 5;
const WAIT_MS = 20_000;
const LAST = 0x80000000; // in a record mark: no fragment follows

const types = XDR.config((xdr) => {
  const text = xdr.string();
  const number = xdr.uhyper();
  const uint = xdr.uint();
  const struct = (name, ...fields) => xdr.struct(name, fields);
  const result = (name, ok) =>
    xdr.union(name, {
      switchOn: xdr.int(),
      switches: [[0, ok ? "ok" : xdr.void()]],
      arms: { error: xdr.lookup("Refusal"), ...(ok && { ok: xdr.lookup(ok) }) },
      defaultArm: "error",
    });

  struct("Call", ...["xid", "type", "rpc", "program", "version", "procedure"].map((name) => [name, uint]),
    ...["flavor", "size", "verifier", "verifierSize"].map((name) => [name, uint]));
  struct("Refusal", ["text", text], ["n", number], ["retryAfterMs", uint]);
  struct("Event", ["kind", uint], ["seq", number], ["prev", number], ["at", number], ["author", text],
    ["seat", text], ["technique", text], ["n", number], ["id", number], ["text", text]);
  struct("Member", ["seat", text], ["nick", text], ["technique", text]);
  struct("Cursor", ["seq", number], ["epoch", text]);
  struct("Limits", ...["textBytes", "nickChars", "nickBytes", "frameBytes", "burst"].map((name) => [name, uint]),
    ["rate", xdr.double()], ["replay", uint], ["page", uint], ["grace", xdr.double()], ["rooms", uint], ["seats", uint]);
  struct("JoinArgs", ["room", text], ["nick", text], ["access", text], ["seatKey", text],
    ["cursor", xdr.option(xdr.lookup("Cursor"))]);
  struct("Joined", ["room", text], ["nick", text], ["seat", text], ["seatKey", text], ["epoch", text],
    ...["first", "head", "n", "start"].map((name) => [name, number]), ["limits", xdr.lookup("Limits")]);
  struct("KeyArgs", ["seatKey", text]);
  struct("SendArgs", ["seatKey", text], ["n", number], ["text", text]);
  struct("EditArgs", ["seatKey", text], ["n", number], ["id", number], ["text", text]);
  struct("DeleteArgs", ["seatKey", text], ["n", number], ["id", number]);
  struct("Drafted", ["n", number], ["seq", number]);
  xdr.union("Place", {
    switchOn: xdr.int(),
    switches: [[AFTER, "after"], [BEFORE, "before"], [NEWEST, xdr.void()]],
    arms: { after: number, before: number },
  });
  struct("FetchArgs", ["seatKey", text], ["place", xdr.lookup("Place")], ["limit", uint], ["waitMs", uint]);
  struct("Fetched", ["events", xdr.varArray(xdr.lookup("Event"), 200)], ["head", number]);
  struct("MembersArgs", ["seatKey", text], ["skip", uint]);
  struct("Page", ["members", xdr.varArray(xdr.lookup("Member"), 200)], ["more", xdr.bool()]);
  result("JoinResult", "Joined");
  result("DraftResult", "Drafted");
  result("FetchResult", "Fetched");
  result("MembersResult", "Page");
  result("LeaveResult");
});

// --- calls: one at a time

const socket = net.connect(Number(port), host);
let received = Buffer.alloc(0);
let wake = () => {};
socket.on("data", (data) => {
  received = Buffer.concat([received, data]);
  wake();
});

async function take(size) {
  while (received.length < size) await new Promise((resolve) => (wake = resolve));
  const taken = received.subarray(0, size);
  received = received.subarray(size);
  return taken;
}

let xid = 0;

/** Returns the result, which is a union with a status. */
async function call(procedure, args, result) {
  const head = { xid: ++xid, type: 0, rpc: 2, program: 600000001, version: 1, procedure };
  const call = new types.Call({ ...head, flavor: 0, size: 0, verifier: 0, verifierSize: 0 });
  const record = Buffer.concat([call.toXDR(), args.toXDR()]);
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE(LAST + record.length);
  socket.write(Buffer.concat([mark, record]));
  const fragments = [];
  for (let last = false; !last; ) {
    const size = (await take(4)).readUInt32BE();
    last = size >= LAST;
    fragments.push(await take(last ? size - LAST : size));
  }
  const reply = Buffer.concat(fragments);
  const [id, ...accepted] = [0, 4, 8, 12, 16, 20].map((at) => reply.readUInt32BE(at));
  if (id !== xid || accepted.join() !== "1,0,0,0,0") throw new Error(`no reply to this call: ${accepted}`);
  return result.fromXDR(reply.subarray(24));
}

async function done(procedure, args, result) {
  const answer = await call(procedure, args, result);
  if (answer.switch() !== 0) throw new Error(String(answer.get("error").text()));
  return answer.value();
}

function join(nick, access) {
  const args = new types.JoinArgs({ room: "lab", nick, access, seatKey: "", cursor: undefined });
  return call(JOIN, args, types.JoinResult);
}

async function fetch(place, limit, waitMs) {
  const page = await done(FETCH, new types.FetchArgs({ seatKey, place, limit, waitMs }), types.FetchResult);
  return page.events();
}

// --- the round

const number = (value) => new XDR.UnsignedHyper(value);
const hex = (text) => Buffer.from(text).toString("hex"); // js-xdr hands a string over as its bytes
const { version } = JSON.parse(readFileSync(new URL("node_modules/js-xdr/package.json", import.meta.url)));
console.log(`version ${version}`);
if ((await join(nick, "")).switch() === ACCESS_DENIED) console.log("token access_denied");
if ((await join("ann", token)).switch() === NICK_TAKEN) console.log("refused nick_taken");
const joined = (await join(nick, token)).get("ok");
const seatKey = joined.seatKey();

const members = await done(MEMBERS, new types.MembersArgs({ seatKey, skip: 0 }), types.MembersResult);
console.log("members", ...members.members().map((member) => String(member.nick())).sort());
const last = (await fetch(new types.Place(NEWEST), 200, 0)).findLast((event) => event.kind() === SENT);
console.log("reads", hex(last.text()));
const page = await fetch(new types.Place(BEFORE, last.seq()), 2, 0);
console.log("history", ...page.map((event) => hex(event.text())));

const say = new types.SendArgs({ seatKey, n: number(1), text: "ä 漢字\n&<>" });
const id = (await done(SEND, say, types.DraftResult)).seq();
console.log("waiting");
let cursor = id;
let said;
while (!said) {
  for (const event of await fetch(new types.Place(AFTER, cursor), 200, WAIT_MS)) {
    cursor = event.seq();
    if (event.kind() === SENT && String(event.author()) === "ann") said = event;
  }
}
console.log("waits", hex(said.text()));
await done(EDIT, new types.EditArgs({ seatKey, n: number(2), id, text: "漢字 ä\n<&>" }), types.DraftResult);
await done(DELETE, new types.DeleteArgs({ seatKey, n: number(3), id }), types.DraftResult);
await done(LEAVE, new types.KeyArgs({ seatKey }), types.LeaveResult);
socket.end();
