// `tickhub edge`: the collector process of a deployment, a broker's or the light one.
import type { CoreOptions, Edge } from "../edge/core.ts";
import { startEdge } from "../edge/edge.ts";
import { readSources } from "../edge/feed/news/sources.ts";
import { startNewsEdge } from "../edge/news-edge.ts";
import { createTapeKeeper } from "../edge/tape-keeper.ts";
import { systemClock } from "../shared/clock.ts";
import { logShipOf, readSettings, required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { createReporter } from "../shared/report.ts";
import type { Reporter } from "../shared/report.ts";
import { brokerOf, refuseReplayedClock } from "./broker-settings.ts";
import { printJson } from "./output.ts";
import { untilSignal } from "./signal.ts";
import { VERSION } from "./version.ts";

type Kind = "kis" | "kiwoom" | "news";

/** An edge that runs, and what is to be closed after it. */
interface Running {
  edge: Edge;
  close?: () => Promise<unknown>;
}

export async function edge(options: { feed: Kind; json?: boolean }): Promise<number> {
  const settings = readSettings(process.env);
  const { feed } = options;
  const role = `edge ${feed}`;
  const start = feed === "news" ? prepareNews(settings) : prepareBroker(settings, feed);
  const reporter = createReporter("edge", settings.TICKHUB_LOG_LEVEL);
  const running = await start(reporter);
  reporter.emit({ event: "process_started", role, version: VERSION });
  printJson({ event: "edge_listening", url: running.edge.statusUrl });
  const signal = await untilSignal();
  reporter.emit({ event: "process_stopping", role, signal });
  const report = await running.edge.stop(settings.TICKHUB_DRAIN_SECONDS * 1_000);
  await running.close?.();
  reporter.emit({ event: "process_stopped", role, held: report.ledger.held });
  printJson({ event: "edge_stopped", ...report });
  return report.ledger.held === 0 ? 0 : 1;
}

/** Settings are checked before anything starts. */
function prepareBroker(settings: Settings, broker: "kis" | "kiwoom") {
  const market = parseMarketClock(settings.TICKHUB_MARKET_CLOCK);
  const { accounts, restUrl, wsUrl } = brokerOf(settings, broker);
  refuseReplayedClock(settings, [restUrl, wsUrl]);
  return async (reporter: Reporter): Promise<Running> => {
    const tape = settings.TICKHUB_TAPE
      ? await createTapeKeeper({
          path: settings.TICKHUB_TAPE,
          market: settings.TICKHUB_MARKET_CLOCK,
          broker,
          clock: systemClock,
        })
      : null;
    const running = await startEdge({
      ...coreOptions(settings, reporter),
      ...{ broker, accounts, restUrl, wsUrl, market },
      brokerProxy: settings.TICKHUB_BROKER_PROXY,
      keepFrame: tape?.keep,
    });
    return { edge: running, ...(tape ? { close: () => tape.close() } : {}) };
  };
}

function prepareNews(settings: Settings) {
  const sources = readSources(settings.TICKHUB_NEWS_FEEDS);
  return async (reporter: Reporter): Promise<Running> => ({
    edge: await startNewsEdge({
      ...coreOptions(settings, reporter),
      sources,
      keys: {
        dartUrl: settings.OPENDART_API_URL,
        dartKey: settings.OPENDART_API_KEY,
        naverUrl: settings.NAVER_API_URL,
        naverId: settings.NAVER_CLIENT_ID,
        naverSecret: settings.NAVER_CLIENT_SECRET,
      },
    }),
  });
}

function coreOptions(settings: Settings, reporter: Reporter): CoreOptions {
  return {
    edge: required(settings, "TICKHUB_EDGE_ID"),
    version: VERSION,
    hubUrl: required(settings, "TICKHUB_HUB_URL"),
    token: settings.TICKHUB_EDGE_TOKEN ?? "",
    brokers: settings.TICKHUB_BROKERS,
    uplinkProxy: settings.TICKHUB_UPLINK_PROXY,
    outboxBytes: settings.TICKHUB_OUTBOX_MB * 1024 * 1024,
    statusPort: settings.TICKHUB_STATUS_PORT,
    statusBind: settings.TICKHUB_STATUS_BIND,
    allowPublic: settings.TICKHUB_ALLOW_PUBLIC,
    logShip: logShipOf(settings),
    clock: systemClock,
    reporter,
  };
}
