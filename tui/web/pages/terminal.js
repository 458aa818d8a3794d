// Starts textual-serve's terminal (textual.js, loaded behind this) so that no key is lost: those typed before
// the terminal is there, and those typed before its connection is open.
"use strict";

// textual.js takes orders from the address (?ping=URL, ?delay): ours has none.
if (location.search || location.hash) history.replaceState(null, "", location.pathname);

const KEYS = { Enter: "\r", Tab: "\t", Backspace: "\x7f", Escape: "\x1b" };
let early = "";
let socket = null;

function focus() {
  document.querySelector(".xterm-helper-textarea")?.focus();
}

function keepEarly(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typed = event.key.length === 1 ? event.key : KEYS[event.key];
  if (typed === undefined) return;
  early += typed;
  event.preventDefault();
}

document.addEventListener("keydown", keepEarly);

// Alt+Enter and Shift+Enter begin a new line, as in a terminal; xterm.js would make Enter of them.
function newLine(event) {
  if (event.key !== "Enter" || !(event.altKey || event.shiftKey) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  socket.send(JSON.stringify(["stdin", "\n"]));
}

window.WebSocket = class extends WebSocket {
  constructor(address) {
    super(address);
    this.waiting = [];
    socket = this;
    this.addEventListener("open", () => {
      for (const one of this.waiting.splice(0)) super.send(one);
      if (document.hasFocus()) super.send(JSON.stringify(["focus"]));
    });
    this.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      const [kind, text] = JSON.parse(event.data);
      if (kind === "ended") document.querySelector("#why").textContent = text;
    });
    this.addEventListener("close", (event) => {
      const why = document.querySelector("#why");
      if (!why.textContent && event.code !== 1000) {
        why.textContent = why.dataset.lost;
      }
      setTimeout(() => document.querySelector("#again").focus()); // textual.js shows it in its own listener
    });
  }

  send(message) {
    if (this.readyState === WebSocket.CONNECTING) this.waiting.push(message);
    else super.send(message);
  }
};

document.addEventListener("DOMContentLoaded", () => {
  const terminal = document.querySelector("#terminal");
  terminal.dataset.sessionWebsocketUrl = location.origin.replace(/^http/, "ws") + "/ws";
  document.querySelector("#again").addEventListener("click", () => location.reload());
  const begin = window.onload; // textual.js has set it
  window.onload = async (event) => {
    await document.fonts.load('16px "Roboto Mono"').catch(() => {}); // xterm.js measures its cells once
    begin(event);
    document.removeEventListener("keydown", keepEarly);
    terminal.addEventListener("keydown", newLine, true);
    if (early) socket.send(JSON.stringify(["stdin", early]));
    focus();
    window.addEventListener("focus", focus);
  };
});
