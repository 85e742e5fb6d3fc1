// `tickhub hub`: the hub process of a deployment.
import { startHub } from "../hub/hub.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings, required } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { createReporter } from "../shared/report.ts";
import { printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import { untilSignal } from "./signal.ts";
import { accountsOf, placementOf, symbolsOf } from "./watchlist.ts";
import { VERSION } from "./version.ts";

export async function hub(options: { json?: boolean }): Promise<number> {
  const settings = readSettings(process.env);
  const edges = required(settings, "TICKHUB_EDGE_TOKENS");
  const edgeTags = settings.TICKHUB_EDGE_TAGS ?? new Map<string, string[]>();
  for (const edge of edgeTags.keys()) {
    if (!edges.has(edge)) {
      const reason = "not an edge of TICKHUB_EDGE_TOKENS";
      throw new TickhubError("CONFIG_INVALID", { name: "TICKHUB_EDGE_TAGS", value: edge, reason });
    }
  }
  // Hashed by now; the database's processes inherit what is left of the environment.
  delete process.env["TICKHUB_EDGE_TOKENS"];
  const reporter = createReporter("hub", settings.TICKHUB_LOG_LEVEL);
  const ending = untilSignal();
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  try {
    const running = await startHub({
      databaseUrl: server.url,
      port: settings.TICKHUB_PORT,
      bind: settings.TICKHUB_BIND,
      allowPublic: settings.TICKHUB_ALLOW_PUBLIC,
      edges,
      edgeTags,
      symbols: symbolsOf(settings),
      accounts: accountsOf(settings),
      placement: placementOf(settings),
      leaseTimings: {
        quietMs: settings.TICKHUB_QUIET_MS,
        killGraceMs: settings.TICKHUB_KILL_GRACE_MS,
        ttlMs: settings.TICKHUB_LEASE_TTL_MS,
      },
      version: VERSION,
      clock: systemClock,
      market: parseMarketClock(settings.TICKHUB_MARKET_CLOCK),
      reporter,
    });
    reporter.emit({ event: "process_started", role: "hub", version: VERSION });
    printJson({ event: "hub_listening", url: running.url });
    if (!options.json) say(`tickhub hub: ${running.url}`);
    const signal = await ending;
    reporter.emit({ event: "process_stopping", role: "hub", signal });
    await running.stop();
  } finally {
    await server.stop();
  }
  return 0;
}
