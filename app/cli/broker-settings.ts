// A broker as the settings have it: its hosts, and an account for each of its keys.
import type { EdgeAccount } from "../edge/edge.ts";
import { required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";

/** The broker's hosts, and an account for each key: kis:1, kis:2, … */
export function brokerOf(settings: Settings, broker: "kis" | "kiwoom") {
  const names =
    broker === "kis"
      ? (["KIS_APP_KEY", "KIS_APP_SECRET", "KIS_REST_URL", "KIS_WS_URL"] as const)
      : (["KIWOOM_APP_KEY", "KIWOOM_SECRET_KEY", "KIWOOM_REST_URL", "KIWOOM_WS_URL"] as const);
  const keys = required(settings, names[0]);
  const secrets = required(settings, names[1]);
  if (keys.length !== secrets.length) {
    throw new TickhubError("CONFIG_INVALID", {
      name: names[1],
      wanted: `${keys.length} secrets, one for each ${names[0]}`,
      found: secrets.length,
    });
  }
  const accounts: EdgeAccount[] = keys.map((appKey, index) => ({
    account: `${broker}:${index + 1}`,
    appKey,
    secret: secrets[index]!,
  }));
  return { accounts, restUrl: settings[names[2]], wsUrl: settings[names[3]] };
}

/** Real ticks are dated by the real clock, or they land on the wrong day. */
export function refuseReplayedClock(settings: Settings, urls: readonly string[]): void {
  const loopback = urls.every((url) =>
    ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname),
  );
  if (settings.TICKHUB_MARKET_CLOCK !== "wall" && !loopback) throw new TickhubError("CONFIG_CLOCK");
}
