// `tickhub release`: wait, for the person who ran `pulumi up`; check and window, for the agent on the hub's
// machine, in the hub's container.
//   wait    follows a roll-out in the hub's /status, or in a report. Exits with 0 when the release runs, with
//           1 when it was reverted or refused, and says why
//   check   sends the canary's batch through the gateway until one is acked
//   window  whether hub and collectors may be restarted now
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Picture } from "../hub/query/picture.ts";
import { createTransport, TRANSPORT_TIMINGS } from "../edge/uplink/transport.ts";
import { CANARY, canaryBatch, canaryToken } from "../shared/canary.ts";
import type { Clock } from "../shared/clock.ts";
import { sleep, systemClock } from "../shared/clock.ts";
import { readSettings, required, webPortOf } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { HEARTBEAT } from "../shared/heartbeat.ts";
import { marketNow, parseMarketClock } from "../shared/market-clock.ts";
import { releaseReportSchema } from "../shared/release-status.ts";
import type { ReleaseReport, ReleaseStatus } from "../shared/release-status.ts";
import { fetchJson } from "./http.ts";
import { printJson, say } from "./output.ts";
import { releaseWindow } from "../shared/release-window.ts";
import { VERSION } from "./version.ts";
import { symbolsOf } from "./watchlist.ts";

export type ReleaseAction = "wait" | "check" | "window";

export interface ReleaseOptions {
  hub?: string;
  /** A file or URL with the agent's report, instead of the hub. */
  report?: string;
  /** Of the release's file; without it, the first one that the agent finds from now on. */
  digest?: string;
  /** Seconds. */
  timeout?: number;
  json?: boolean;
}

const WAIT_S = 900;
const CHECK_S = 60;
const WAIT_POLL_MS = 5_000;
const CHECK_POLL_MS = 1_000;

export async function release(action: ReleaseAction, options: ReleaseOptions): Promise<number> {
  if (action === "wait") return await wait(options, systemClock);
  const settings = readSettings(process.env);
  if (action === "check") return await check(settings, options, systemClock);
  const market = parseMarketClock(settings.TICKHUB_MARKET_CLOCK);
  const venues = [...new Set(symbolsOf(settings).map(({ venue }) => venue))];
  const window = releaseWindow(venues, marketNow(market, systemClock));
  if (options.json) printJson(window);
  else say(window.open ? "open" : `closed until ${window.nextQuietAt ?? ""}`);
  return window.open ? 0 : 1;
}

/**
 * What the two readings say of the release that is waited for: `before` is the first one, and until the
 * agent has looked into the bucket again, its word may be of the release before.
 */
export function outcomeOf(
  now: ReleaseStatus | null,
  before: ReleaseStatus | null,
  digest?: string,
): ReleaseReport | null {
  if (!now?.report) return null;
  const hasLooked = now.seen !== null && now.seen.at !== before?.seen?.at;
  const wanted = digest ?? (hasLooked ? now.seen?.digest : undefined);
  return now.report.digest === wanted && now.step === "idle" ? now.report : null;
}

/** Throws RELEASE_REVERTED, RELEASE_REFUSED, RELEASE_TIMEOUT. */
export async function wait(options: ReleaseOptions, clock: Clock): Promise<number> {
  const untilMs = clock.monoMs() + (options.timeout ?? WAIT_S) * 1_000;
  let before: ReleaseStatus | null | undefined;
  let step = "";
  for (;;) {
    const now = await statusOf(options);
    before ??= now;
    // A report by itself is of one release, and says no more by being waited for.
    const digest = options.digest ?? (options.report ? now?.seen?.digest : undefined);
    const report = outcomeOf(now, before, digest);
    if (report) return verdictOn(report, options);
    const at = now === null ? "the hub does not answer, or has no release agent" : now.step;
    if (at !== step) say(`tickhub release: ${(step = at)}`);
    if (clock.monoMs() >= untilMs) {
      throw new TickhubError("RELEASE_TIMEOUT", { waitedS: options.timeout ?? WAIT_S, last: at });
    }
    await sleep(clock, WAIT_POLL_MS);
  }
}

function verdictOn(report: ReleaseReport, options: ReleaseOptions): number {
  const { version, outcome, reason } = report;
  if (outcome === "reverted") throw new TickhubError("RELEASE_REVERTED", { version, reason });
  if (outcome === "refused") throw new TickhubError("RELEASE_REFUSED", { version, reason });
  if (options.json) printJson({ ok: true, ...report });
  else process.stdout.write(`${version} runs${reason ? ` (${reason})` : ""}\n`);
  return 0;
}

/** Null when nobody answers. A report alone knows of no steps, and of no time but its own. */
async function statusOf({ hub, report }: ReleaseOptions): Promise<ReleaseStatus | null> {
  if (report !== undefined) {
    const parsed = releaseReportSchema.safeParse(await readReport(report)).data;
    if (!parsed) return null;
    const seen = { digest: parsed.digest, at: parsed.at };
    return { format: 1, seen, step: "idle", report: parsed };
  }
  const url = hub ?? `http://127.0.0.1:${webPortOf(readSettings(process.env))}`;
  const picture = await fetchJson<Partial<Picture>>(`${url}/status`);
  return picture?.release ?? null;
}

async function readReport(place: string): Promise<unknown> {
  if (/^https?:/.test(place)) return await fetchJson(place);
  try {
    return JSON.parse(await readFile(place, "utf8"));
  } catch {
    return null;
  }
}

/** Throws the last refusal when no batch was acked in time. */
async function check(settings: Settings, options: ReleaseOptions, clock: Clock): Promise<number> {
  const startMs = clock.monoMs();
  const untilMs = startMs + (options.timeout ?? CHECK_S) * 1_000;
  for (let attempt = 1; ; attempt++) {
    try {
      const { hub, system } = await sendCanary(settings, clock);
      const tookMs = Math.round(clock.monoMs() - startMs);
      if (options.json) printJson({ ok: true, hub, system, attempt, tookMs });
      else process.stdout.write(`hub ${hub} acked a batch after ${tookMs} ms\n`);
      return 0;
    } catch (error) {
      if (clock.monoMs() + CHECK_POLL_MS >= untilMs) throw error;
      await sleep(clock, CHECK_POLL_MS);
    }
  }
}

async function sendCanary(
  settings: Settings,
  clock: Clock,
): Promise<{ hub: string; system: string }> {
  const { TICKHUB_BIND: bind, TICKHUB_PORT: port } = settings;
  const databaseUrl = required(settings, "TICKHUB_DATABASE_URL");
  const host = ["0.0.0.0", "::"].includes(bind) ? "127.0.0.1" : bind;
  const transport = createTransport(`ws://${host.includes(":") ? `[${host}]` : host}:${port}`, {
    edge: CANARY,
    token: canaryToken(databaseUrl),
    version: VERSION,
    bootId: randomUUID(),
    clock,
    ...TRANSPORT_TIMINGS,
    heartbeat: HEARTBEAT,
  });
  try {
    const opened = await transport.open();
    await transport.send(canaryBatch(randomUUID(), clock.nowMs()), randomUUID());
    return opened;
  } finally {
    await transport.close();
  }
}
