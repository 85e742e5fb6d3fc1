// What a person may write to the bot, or say by `tickhub sentinel`. Pure.
export type Command =
  | { name: "ack"; code: string }
  | { name: "quiet"; minutes: number; reason: string }
  | { name: "loud" }
  | { name: "status" };

/** A day; a longer one belongs into the settings. */
export const QUIET_MINUTES_MAX = 1_440;

/** `/ack K7QF`, `/quiet 60 disk change`, `/quiet off`, `/status`; `/ack@bot` as groups write it. Null: no command. */
export function parseCommand(text: string): Command | null {
  const [word = "", first = "", ...rest] = text.trim().split(/\s+/);
  const name = word.toLowerCase().replace(/^\//, "").replace(/@.*$/, "");
  if (name === "status") return { name: "status" };
  if (name === "ack" && /^[a-z0-9]{4,12}$/i.test(first)) {
    return { name: "ack", code: first.toUpperCase() };
  }
  if (name !== "quiet") return null;
  if (first.toLowerCase() === "off") return { name: "loud" };
  const minutes = Number(first);
  const isSpan = Number.isInteger(minutes) && minutes >= 1 && minutes <= QUIET_MINUTES_MAX;
  return isSpan ? { name: "quiet", minutes, reason: rest.join(" ").slice(0, 200) } : null;
}
