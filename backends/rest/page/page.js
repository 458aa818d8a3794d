// The page: shows a session, and hands over what is typed. All text goes in as text, never as HTML.

import { Api, Session } from "./client.js";
import { FRENCH } from "./french.js";
import { lesson, typed } from "./lesson.js";

const ROWS = 500; // messages that stay on the page
const REQUESTS = 100;
const SECRET = new Set(["Authorization", "Seat-Key"]);
const KEPT = "chat"; // in sessionStorage: as long as the tab, also over a reload

const at = (id) => document.getElementById(id);
const french = navigator.language.startsWith("fr");
const t = (text) => (french && FRENCH[text]) || text;
const explain = ({ code, message }) => (french && (FRENCH[message] ?? FRENCH[code])) || message; // the server's is English
const api = new Api(showRequest);
let session = null;
let editing = null; // the row of the message that is being edited
const rows = new Map(); // messages on the page, by their ids

/** Makes an element with a class and a text or with children. */
function make(tag, kind, ...inside) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}

const bytes = (text) => new TextEncoder().encode(text).length;
const clock = (time) => new Date(time).toTimeString().slice(0, 5);

// --- the requests: this is a lesson ---------------------------------------------------------------

let asked = 0;
let empty = 0;

function showRequest({ method, path, headers, sent, status, received, ms, note }) {
  at("asked").textContent = ++asked;
  at("empty").textContent = empty += status === 304 || (method === "GET" && received.startsWith('{"events":[],'));
  const shown = Object.entries(headers).map(([name, value]) => `${name}: ${SECRET.has(name) ? "•••" : value}`);
  const line = make(
    "summary",
    "",
    make("b", "", method),
    make("span", "path", path),
    make("span", "", status ? String(status) : t(note)),
    make("span", "", `${bytes(sent)} B ${t("up")}, ${bytes(received)} B ${t("down")}`),
    make("span", "", `${Math.round(ms)} ms`),
  );
  const [asks, says] = [sent, received].map((body) => body.replace(/("seat_key":")[^"]*/, "$1•••"));
  const more = make("pre", "", [...shown, asks, "", says].join("\n").trim());
  at("requests").prepend(make("li", status >= 400 || !status ? "bad" : "", make("details", "", line, more)));
  if (at("requests").children.length > REQUESTS) at("requests").lastChild.remove();
}

// --- what the session says ------------------------------------------------------------------------

const page = {
  onSeat({ nick, room, members, limits }, isNew) {
    at("where").textContent = `${room}, ${t("as")} ${nick}`;
    at("text").dataset.bytes = limits.text_bytes;
    at("join").hidden = true;
    at("chat").hidden = at("leave").hidden = false;
    showMembers(members);
    if (isNew) {
      note(t("Your seat had ended. You have a new one; what you said before can no longer be changed."));
    }
  },

  onAnew() {
    clear();
    note(t("The room has another history than before: here are its newest messages."));
  },

  onEvents(events) {
    const list = at("messages");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    let coming = false;
    for (const event of events) {
      coming ||= event.kind === "joined" || event.kind === "left" || event.kind === "resumed";
      showEvent(event);
    }
    while (list.children.length > ROWS) {
      rows.delete(Number(list.firstChild.dataset.id));
      list.firstChild.remove();
    }
    if (atEnd) list.scrollTop = list.scrollHeight;
    if (coming) session.members().then(showMembers, () => {});
  },

  onPolling(long) {
    at("state").textContent = `● ${t(long ? "in the room, long polling" : "in the room, polling each second")}`;
  },

  onWaiting(problem, seconds) {
    at("state").textContent = `◌ ${explain(problem)} (${t("again in")} ${seconds} s)`;
  },

  onRefused({ body }, problem) {
    tell(`${t("Not done:")} ${explain(problem)}${body ? `\n${body.text}` : ""}`);
  },

  onOver(problem) {
    const lost = stop();
    at("asks").hidden &&= problem.status !== 401;
    tell(explain(problem) + lost);
  },

  onKeep(keep) {
    sessionStorage.setItem(KEPT, JSON.stringify({ ...keep, long: at("long").checked, token: api.token }));
  },
};

function tell(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function note(text) {
  at("messages").append(make("li", "note", text));
}

function showMembers(members) {
  at("count").textContent = members.length;
  at("members").replaceChildren(
    ...members.map(({ nick, technique }) => make("li", "", make("bdi", "author", nick), ` (${technique})`)),
  );
}

function showEvent({ kind, seq, at: time, author, seat, technique, id, text }) {
  let said;
  if (kind === "joined" || kind === "left" || kind === "resumed") {
    note(`${clock(time)} ${author} ${kind === "resumed" ? `${t("goes on over")} ${technique}` : `${t(kind)} (${technique})`}`);
  } else if (kind === "sent" && (said = lesson(author, text, t))) {
    if (said.verb === "clear") clear();
    note(`${clock(time)} ${said.line}`);
  } else if (kind === "sent") {
    const own = seat === session.keep.seat;
    const words = make("bdi", "text", text);
    const about = make("div", "about", `${clock(time)} `, make("bdi", "author", author), ` (${technique}) `);
    const row = { id, seq, words, mark: make("span", ""), item: make("li", own ? "own" : "", about, words) };
    about.append(row.mark);
    if (own) about.prepend(make("span", "tools", button(t("Edit"), () => edit(row)), button(t("Delete"), () => remove(row))));
    row.item.dataset.id = id;
    rows.set(id, row);
    at("messages").append(row.item);
  } else if (rows.has(id)) {
    const row = rows.get(id);
    row.seq = seq;
    row.mark.textContent = t(kind);
    row.words.textContent = kind === "edited" ? text : t("deleted");
    if (kind === "deleted") {
      row.item.classList.add("gone");
      row.item.querySelector(".tools")?.remove();
    }
  }
}

function button(text, pressed) {
  const made = make("button", "", text);
  made.type = "button";
  made.addEventListener("click", pressed);
  return made;
}

// --- what the person does -------------------------------------------------------------------------

function edit(row) {
  editing = row;
  at("editing").hidden = !row;
  at("send").textContent = t(row ? "Save" : "Send");
  at("text").value = row ? row.words.textContent : "";
  at("text").focus();
}

function remove({ id, seq }) {
  if (confirm(t("Delete this message?"))) session.delete(id, seq);
}

async function start(keep) {
  tell("");
  stop();
  clear();
  session = new Session(api, page, keep);
  session.long = at("long").checked;
  try {
    await session.run();
    at("text").focus();
  } catch (problem) {
    page.onOver(problem);
  }
}

function clear() {
  rows.clear();
  at("messages").replaceChildren();
}

/** Returns, for the person, what was written and has no answer. */
function stop() {
  const lost = (session?.keep.drafts ?? []).map(({ body }) => (body ? `\n${body.text}` : "")).join("");
  session = null;
  sessionStorage.removeItem(KEPT);
  at("where").textContent = t("REST, in a web page");
  at("state").textContent = t("○ not in a room");
  at("join").hidden = false;
  at("chat").hidden = at("leave").hidden = true;
  return lost && `\n${t("Without an answer, so maybe not sent:")}${lost}`;
}

at("join").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("asks").hidden) api.token = at("token").value.trim();
  start({ room: at("room").value.trim(), nick: at("nick").value.trim() });
});

at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (!text.trim()) return;
  if (bytes(text) > at("text").dataset.bytes) {
    return tell(`${t("Too long, in bytes:")} ${bytes(text)} > ${at("text").dataset.bytes}`);
  }
  tell("");
  if (editing) session.edit(editing.id, editing.seq, text);
  else session.say(typed(text));
  edit(null);
});

at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  at("composer").requestSubmit();
});

at("cancel").addEventListener("click", () => edit(null));

at("leave").addEventListener("click", () => {
  session.leave().catch(() => {}); // without an answer the seat ends by itself
  tell(stop().trim());
});

at("long").addEventListener("change", () => {
  if (!session) return;
  session.polling = at("long").checked;
  page.onKeep(session.keep);
});

// A phone that slept has run no timer, and its connection may be dead: ask at once.
for (const [where, event] of [[document, "visibilitychange"], [document, "resume"], [window, "online"], [window, "pageshow"]]) {
  where.addEventListener(event, () => document.hidden || session?.wake());
}

window.addEventListener("pagehide", () => session?.fade());

// --- the beginning --------------------------------------------------------------------------------

if (french) {
  document.documentElement.lang = "fr";
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const [, before, text, after] = /^(\s*)([^]*?)(\s*)$/.exec(texts.currentNode.data);
    texts.currentNode.data = before + t(text.replace(/\s+/g, " ")) + after;
  }
  at("text").placeholder = at("text").ariaLabel = t("Message");
}

const given = new URLSearchParams(location.hash.slice(1)).get("token"); // behind #: no browser sends that
if (location.hash) history.replaceState(null, "", location.pathname);
const { long = false, token = "", ...keep } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
api.token = given ?? token;
at("long").checked = long;
if (keep.key) start({ ...keep, epoch: "", seq: 0 }); // the messages are gone from the page: replay the newest
else at("nick").focus();
