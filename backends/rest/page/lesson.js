// The teacher's means (docs/protocol.md): messages that begin with /class, as sentences.

const SENTENCES = {
  teacher: () => "{who} is a teacher here",
  freeze: () => "{who} has frozen the room: only teachers may write. /hand raises your hand",
  thaw: () => "{who} has thawed the room: everybody may write",
  mute: () => "{who} has muted {what}",
  unmute: () => "{who} lets {what} write again",
  slow: (seconds) => (seconds ? "slow mode: {seconds} seconds between two messages of a person" : "slow mode is over"),
  to: () => "{who} asks everybody to go on over {what}",
  clear: () => "{who} has cleared the room: what was said before is not shown",
  fault: (seconds) => (seconds ? "a fault for everybody, {seconds} seconds: {what}" : "no fault for everybody any more"),
  hand: (_, what) => (what ? "{who} takes the hand down" : "{who} raises a hand"),
  lower: (_, what) => (what ? "{who} has answered {what}" : "{who} has lowered all hands"),
};

/** Returns the verb of such a message and the sentence for it, which `t` translates; null: it is none. */
export function lesson(who, text, t) {
  const [, verb, argument] = /^\/class +(\w+) *([^]*?)\s*$/.exec(text) ?? [];
  if (!Object.hasOwn(SENTENCES, verb ?? "")) return null;
  const seconds = parseFloat(argument);
  const what = verb === "fault" ? argument.replace(/^\S+ */, "") : argument;
  const parts = { who, what, seconds };
  return { verb, line: t(SENTENCES[verb](seconds, what)).replace(/{(\w+)}/g, (_, name) => parts[name]) };
}

/** Returns what to send for what was typed: a hand is raised by a message of the class. */
export const typed = (text) => text.replace(/^\/hand( +down)?\s*$/, (_, down) => (down ? "/class hand down" : "/class hand"));
