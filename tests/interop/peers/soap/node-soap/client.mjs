// A client on node-soap, which makes the calls from the WSDL.
import { createRequire } from "node:module";
import soap from "soap";

const [host, port, nick, token] = process.argv.slice(2);
const { version } = createRequire(import.meta.url)("soap/package.json");
const direct = { proxy: false };  // Axios, below, would go through a proxy of the environment
const chat = await soap.createClientAsync(`http://${host}:${port}/soap?wsdl`, {
  preserveWhitespace: true,  // or it trims every text
  wsdl_options: direct,
});
const proof = new soap.WSSecurity(nick, token, { passwordType: "PasswordDigest", hasTimeStamp: false });
const hex = (text) => Buffer.from(text).toString("hex");

async function call(operation, fields) {
  const [answer] = await chat[`${operation}Async`](fields, direct);
  return answer;
}

/** Prints the fault that refuses a join, in the way of the room's codes. */
async function refused(step, nick) {
  try {
    await call("Join", { room: "lab", nick });
  } catch (error) {
    const [name] = Object.keys(error.root.Envelope.Body.Fault.detail);
    console.log(step, name.replace(/\B[A-Z]/g, "_$&").toLowerCase());
  }
}

/** Returns the messages of a page: an empty one has no event at all. */
const said = (page) => (page.event ?? []).filter((event) => event.kind === "sent");

console.log("version", version);
await refused("token", nick);
chat.setSecurity(proof);
await refused("refused", "ann");
const { seatKey, start } = await call("Join", { room: "lab", nick });
const { member } = await call("Members", { seatKey });
console.log("members", ...member.map((one) => one.nick).sort());
const last = said(await call("Fetch", { seatKey, after: start, limit: 200, wait: 0 })).at(-1);
console.log("reads", hex(last.text));
const older = said(await call("Fetch", { seatKey, before: last.seq, limit: 2, wait: 0 }));
console.log("history", ...older.map((event) => hex(event.text)));

const { seq: id } = await call("Send", { seatKey, n: 1, text: "ä 漢字\n&<>" });
console.log("waiting");
const [later] = said(await call("Fetch", { seatKey, after: id, limit: 200, wait: 20 }));
console.log("waits", hex(later.text));
await call("Edit", { seatKey, n: 2, id, text: "漢字 ä\n<&>" });
await call("Delete", { seatKey, n: 3, id });
await call("Leave", { seatKey });
