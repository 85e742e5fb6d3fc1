// `tickhub edge`: the collector process of a deployment.
import { startEdge } from "../edge/edge.ts";
import type { EdgeAccount } from "../edge/edge.ts";
import { createTapeKeeper } from "../edge/tape-keeper.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings, required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { createReporter } from "../shared/report.ts";
import { printJson } from "./output.ts";
import { untilSignal } from "./signal.ts";
import { VERSION } from "./version.ts";

/** How long the end may take: what Northflank and systemd grant before they kill. */
const DRAIN_MS = 20_000;

export async function edge(options: { feed: "kis" | "kiwoom"; json?: boolean }): Promise<number> {
  const settings = readSettings(process.env);
  const broker = options.feed;
  const market = parseMarketClock(settings.TICKHUB_MARKET_CLOCK);
  const { accounts, restUrl, wsUrl } = brokerOf(settings, broker);
  refuseReplayedClock(settings, [restUrl, wsUrl]);
  const reporter = createReporter("edge", settings.TICKHUB_LOG_LEVEL);
  const tape = settings.TICKHUB_TAPE
    ? await createTapeKeeper({
        path: settings.TICKHUB_TAPE,
        market: settings.TICKHUB_MARKET_CLOCK,
        broker,
        clock: systemClock,
      })
    : null;
  const running = await startEdge({
    edge: required(settings, "TICKHUB_EDGE_ID"),
    version: VERSION,
    broker,
    accounts,
    restUrl,
    wsUrl,
    hubUrl: required(settings, "TICKHUB_HUB_URL"),
    token: settings.TICKHUB_EDGE_TOKEN ?? "",
    outboxBytes: settings.TICKHUB_OUTBOX_MB * 1024 * 1024,
    statusPort: settings.TICKHUB_STATUS_PORT,
    keepFrame: tape?.keep,
    clock: systemClock,
    market,
    reporter,
  });
  reporter.emit({ event: "process_started", role: `edge ${broker}`, version: VERSION });
  printJson({ event: "edge_listening", url: running.statusUrl });
  const signal = await untilSignal();
  reporter.emit({ event: "process_stopping", role: `edge ${broker}`, signal });
  const report = await running.stop(DRAIN_MS);
  await tape?.close();
  reporter.emit({ event: "process_stopped", role: `edge ${broker}`, held: report.ledger.held });
  printJson({ event: "edge_stopped", ...report });
  return report.ledger.held === 0 ? 0 : 1;
}

/** The broker's hosts, and an account for each key: kis:1, kis:2, … */
function brokerOf(settings: Settings, broker: "kis" | "kiwoom") {
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
function refuseReplayedClock(settings: Settings, urls: readonly string[]): void {
  const loopback = urls.every((url) =>
    ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname),
  );
  if (settings.TICKHUB_MARKET_CLOCK !== "wall" && !loopback) throw new TickhubError("CONFIG_CLOCK");
}
