/** Events as lines for a terminal. */

/** Characters that a terminal would act on instead of showing them; newline and tab are fine. */
export const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

export function printable(text) {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** Returns an event as a line for people; further lines of a text are indented. */
export function lineOf({ kind, id, author, technique, text = "" }) {
  const indented = text.replaceAll("\n", "\n    ");
  switch (kind) {
    case "opened":
      return "* the room was opened";
    case "joined":
      return `* ${author} joined (${technique})`;
    case "resumed":
      return `* ${author} moved to ${technique}`;
    case "left":
      return `* ${author} left (${technique})`;
    case "sent":
      return `[${id}] ${author} (${technique}): ${indented}`;
    case "edited":
      return `[${id}] ${author} (${technique}) changed it: ${indented}`;
    case "deleted":
      return `[${id}] ${author} (${technique}) deleted it`;
    default:
      return `* ${author}: an event that this program does not know`;
  }
}
