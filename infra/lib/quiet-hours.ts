// Whether a collector may be restarted now. Its restart costs the records of half a minute: its drain, its
// broker's pause between two sockets, its start. Pure.
import { releaseWindow } from "../../app/shared/release-window.ts";

/** Why not, with the time from which it is allowed; null when it is allowed. A day no table knows is a trading day. */
export function sessionNow(nowMs: number): string | null {
  const { nextQuietAt } = releaseWindow(["KRX"], nowMs);
  if (nextQuietAt === null) return null;
  const format = {
    timeZone: "Asia/Seoul",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  } as const;
  const until = new Intl.DateTimeFormat("en-GB", format).format(Date.parse(nextQuietAt));
  return `KRX trades, or is about to, until ${until} in Korea`;
}
