// `tickhub hub`: the hub process of a deployment.
import { dirname } from "node:path";
import { startHub } from "../hub/hub.ts";
import { CANARY } from "../shared/canary.ts";
import { systemClock } from "../shared/clock.ts";
import { logShipOf, readSettings, required, webPortOf } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { createReporter } from "../shared/report.ts";
import { printJson, say } from "./output.ts";
import { openServer } from "./server.ts";
import { untilSignal } from "./signal.ts";
import { accountsOf, placementOf, sitesOf, symbolsOf } from "./watchlist.ts";
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
  if (edges.has(CANARY)) {
    const reason = "the name of the batch that proves a release";
    throw new TickhubError("CONFIG_INVALID", {
      name: "TICKHUB_EDGE_TOKENS",
      value: CANARY,
      reason,
    });
  }
  // Hashed by now; the database's processes inherit what is left of the environment.
  delete process.env["TICKHUB_EDGE_TOKENS"];
  delete process.env["TICKHUB_ADMIN_TOKEN"];
  delete process.env["TICKHUB_SENTINEL_TOKEN"];
  const reporter = createReporter("hub", settings.TICKHUB_LOG_LEVEL);
  const ending = untilSignal();
  const server = await openServer(settings.TICKHUB_STATE_DIR, settings.TICKHUB_DATABASE_URL);
  try {
    const running = await startHub({
      databaseUrl: server.url,
      port: settings.TICKHUB_PORT,
      // 0, and the gateway's own number, mean one port for both.
      webPort:
        webPortOf(settings) === settings.TICKHUB_PORT ? undefined : settings.TICKHUB_WEB_PORT,
      bind: settings.TICKHUB_BIND,
      allowPublic: settings.TICKHUB_ALLOW_PUBLIC,
      brokers: settings.TICKHUB_BROKERS,
      edges,
      edgeTags,
      adminToken: settings.TICKHUB_ADMIN_TOKEN,
      symbols: symbolsOf(settings),
      accounts: accountsOf(settings),
      placement: placementOf(settings),
      sites: sitesOf(settings),
      leaseTimings: {
        quietMs: settings.TICKHUB_QUIET_MS,
        killGraceMs: settings.TICKHUB_KILL_GRACE_MS,
        ttlMs: settings.TICKHUB_LEASE_TTL_MS,
      },
      retainDays: settings.TICKHUB_RETAIN_DAYS,
      logs: {
        ...logShipOf(settings),
        retainDays: settings.TICKHUB_LOG_RETAIN_DAYS,
        bytesMax: settings.TICKHUB_LOG_MAX_MB * 1024 * 1024,
      },
      backupStatus: settings.TICKHUB_BACKUP_STATUS,
      sentinelToken: settings.TICKHUB_SENTINEL_TOKEN,
      diskPath: diskPathOf(settings),
      meterLimits: settings.TICKHUB_METER_LIMITS ?? new Map<string, number>(),
      egressBudgets: settings.TICKHUB_EGRESS_BUDGET ?? new Map<string, number>(),
      version: VERSION,
      clock: systemClock,
      market: parseMarketClock(settings.TICKHUB_MARKET_CLOCK),
      reporter,
    });
    reporter.emit({ event: "process_started", role: "hub", version: VERSION });
    const { url, gatewayUrl } = running;
    printJson({ event: "hub_listening", url, gatewayUrl });
    if (!options.json) say(`tickhub hub: ${url}`);
    const signal = await ending;
    reporter.emit({ event: "process_stopping", role: "hub", signal });
    await running.stop();
  } finally {
    await server.stop();
  }
  return 0;
}

/**
 * A folder on the volume that the database is on: the embedded one's, or the upload's note, which the machine keeps
 * on the same volume (images/compose.yaml). Of a database elsewhere nothing is known.
 */
function diskPathOf(settings: Settings): string | undefined {
  if (settings.TICKHUB_DATABASE_URL === undefined) return settings.TICKHUB_STATE_DIR;
  const note = settings.TICKHUB_BACKUP_STATUS;
  return note === undefined ? undefined : dirname(note);
}
