// A client on Node's own sockets: JSON lines, as docs/protocol.md has them.
const net = require("node:net");
const readline = require("node:readline");

const [host, port, nick, token] = process.argv.slice(2);
const hex = (text) => Buffer.from(text).toString("hex");

function connect(hello) {
  const socket = net.connect(port, host);
  const lines = readline.createInterface({ input: socket })[Symbol.asyncIterator]();
  const tell = (message) => socket.write(JSON.stringify(message) + "\n");
  tell({ kind: "hello", ...hello });
  /** Returns the next message that fulfils a condition. */
  async function until(wanted) {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error("the connection has ended");
      const message = JSON.parse(value);
      if (wanted(message)) return message;
    }
  }
  return { tell, until };
}

const mine = (kind, n) => (message) => message.kind === kind && message.n === n;

(async () => {
  console.log(`version ${process.versions.node.split(".")[0]}`);
  const isError = (message) => message.kind === "error";
  console.log("token", (await connect({ nick }).until(isError)).code);
  console.log("refused", (await connect({ nick: "ann", access: token }).until(isError)).code);

  const { tell, until } = connect({ nick, access: token });
  const welcome = await until((message) => message.kind === "welcome");
  console.log("members", welcome.members.map((member) => member.nick).sort().join(" "));
  let last;
  await until((message) => {
    if (message.kind === "sent") last = message;
    return message.seq === welcome.head; // the replay ends with one's own coming
  });
  console.log("reads", hex(last.text));
  tell({ kind: "history", before: last.seq, limit: 2, ref: 1 });
  const page = await until((message) => message.kind === "page" && message.ref === 1);
  console.log("history", page.events.map((event) => hex(event.text)).join(" "));

  tell({ kind: "say", text: "ä 漢字\n&<>", n: 1 });
  const said = await until(mine("sent", 1));
  console.log("waiting");
  console.log("waits", hex((await until((message) => message.kind === "sent" && message.author === "ann")).text));
  tell({ kind: "edit", id: said.id, text: "漢字 ä\n<&>", n: 2 });
  await until(mine("edited", 2));
  tell({ kind: "delete", id: said.id, n: 3 });
  await until(mine("deleted", 3));
  tell({ kind: "leave" });
})();
