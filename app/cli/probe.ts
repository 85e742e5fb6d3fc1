// `tickhub probe kis|kiwoom`: before an edge is left alone somewhere, one symbol for a minute from that very
// place: hosts, key, allow-list, session, heartbeat, records. The account's lease is asked of the hub first,
// because a broker allows one socket an account. Exits with 0 when nothing failed, with 1 when something did.
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { claimAccount } from "../edge/probe/account-lease.ts";
import type { HeldLease } from "../edge/probe/account-lease.ts";
import { runProbe } from "../edge/probe/probe.ts";
import { judgeProbe } from "../edge/probe/verdict.ts";
import type { Check, LeaseFact } from "../edge/probe/verdict.ts";
import { createTransport, TRANSPORT_TIMINGS } from "../edge/uplink/transport.ts";
import { systemClock } from "../shared/clock.ts";
import { readSettings, required } from "../shared/config.ts";
import type { Settings } from "../shared/config.ts";
import { codeOf, ERRORS, TickhubError } from "../shared/errors.ts";
import type { Evidence } from "../shared/evidence.ts";
import { routeThrough } from "../shared/dial/route.ts";
import { HEARTBEAT } from "../shared/heartbeat.ts";
import { parseMarketClock } from "../shared/market-clock.ts";
import { brokerOf, refuseReplayedClock } from "./broker-settings.ts";
import { deliverEvidence } from "./evidence.ts";
import { printJson, say } from "./output.ts";
import { untilSignal } from "./signal.ts";
import type { Broker } from "./stack.ts";
import { VERSION } from "./version.ts";
import { symbolOf } from "./watchlist.ts";

export interface ProbeOptions {
  account?: string;
  symbol: string;
  seconds: number;
  /** False by --no-hub. */
  hub: boolean;
  out?: string;
  json?: boolean;
}

/** For the broker's quiet time after the account's last holder, 20 s by default. */
const LEASE_WAIT_MS = 40_000;

export async function probe(broker: Broker, options: ProbeOptions): Promise<number> {
  const settings = readSettings(process.env);
  const symbol = symbolOf(options.symbol, "--symbol");
  const { accounts, restUrl, wsUrl } = brokerOf(settings, broker);
  refuseReplayedClock(settings, [restUrl, wsUrl]);
  const account = accounts.find((one) => one.account === (options.account ?? accounts[0]!.account));
  if (!account) {
    const problem = `--account is one of ${accounts.map((one) => one.account).join(", ")}`;
    throw new TickhubError("USAGE", { problem });
  }
  const { TICKHUB_UPLINK_PROXY: uplinkProxy, TICKHUB_BROKER_PROXY: brokerProxy } = settings;
  const signal = untilSignal();
  const told = (step: string) => (options.json ? undefined : say(`tickhub probe: ${step} …`));
  if (options.hub) told("lease");
  const lease = options.hub ? await leaseOf(settings, account.account) : null;
  const startedMs = systemClock.nowMs();
  const lost: Check[] = [];
  void lease?.held.lost.then(() => lost.push(LEASE_LOST));
  try {
    const seen = await runProbe({
      ...{ broker, ...account, restUrl, wsUrl, symbol },
      route: brokerProxy ? routeThrough([uplinkProxy, brokerProxy], systemClock) : undefined,
      watchMs: options.seconds * 1_000,
      clock: systemClock,
      market: parseMarketClock(settings.TICKHUB_MARKET_CLOCK),
      stopped: Promise.race([signal, ...(lease ? [lease.held.lost] : [])]),
      onStep: told,
    });
    const fact: LeaseFact = lease
      ? { name: "held", hub: lease.hub, epoch: lease.held.epoch }
      : { name: "not asked" };
    const checks = [...judgeProbe(seen, fact), ...lost];
    const ok = checks.every(({ state }) => state !== "failed");
    const result = {
      ...{ ok, broker, account: account.account, symbol: `${symbol.venue}:${symbol.symbol}` },
      ...{ host: hostname(), version: VERSION, startedMs, endedMs: systemClock.nowMs() },
      ...{ brokerProxied: brokerProxy !== undefined, checks },
    };
    if (options.out) {
      await writeFile(options.out, `${JSON.stringify({ ...result, seen }, null, 2)}\n`);
    }
    if (options.json) printJson(result);
    else process.stdout.write(tableOf(checks));
    await handIn(settings, result);
    return ok ? 0 : 1;
  } finally {
    await lease?.held.release();
  }
}

interface Result {
  ok: boolean;
  account: string;
  symbol: string;
  host: string;
  endedMs: number;
  checks: readonly Check[];
}

/** For the gates of the migration. Who probes without a hub at hand is told, and has its result all the same. */
async function handIn(settings: Settings, result: Result): Promise<void> {
  const { ok, account, symbol, host, endedMs, checks } = result;
  const { TICKHUB_EDGE_ID: edge, TICKHUB_HUB_URL, TICKHUB_DATABASE_URL } = settings;
  if (edge === undefined || (TICKHUB_HUB_URL ?? TICKHUB_DATABASE_URL) === undefined) {
    return say("tickhub probe: not handed in: TICKHUB_EDGE_ID and TICKHUB_HUB_URL are not set");
  }
  const failed = checks.filter(({ state }) => state === "failed").map(({ check }) => check);
  const verdict = ok ? "passed" : `failed: ${failed.join(", ")}`;
  const evidence: Evidence = {
    ...{ kind: "probe", subject: account, ok, atMs: endedMs },
    summary: `${account} from ${edge} with ${symbol}: ${verdict}`,
    detail: { edge, host, symbol, failed, checks: checks.length },
  };
  try {
    await deliverEvidence(settings, evidence);
  } catch (error) {
    say(`tickhub probe: not handed in (${codeOf(error)}): run it again when the hub answers`);
  }
}

const LEASE_LOST: Check = {
  ...{ check: "lease kept", state: "failed", code: "LEASE_LOST" },
  ...{ says: "the account passed on, or may have; the socket was closed" },
  next: ERRORS.LEASE_LOST.hint,
};

/** The account, held as this edge would hold it. */
async function leaseOf(
  settings: Settings,
  account: string,
): Promise<{ hub: string; held: HeldLease }> {
  const edge = required(settings, "TICKHUB_EDGE_ID");
  const transport = createTransport(required(settings, "TICKHUB_HUB_URL"), {
    ...{ edge, token: settings.TICKHUB_EDGE_TOKEN ?? "", version: VERSION, bootId: randomUUID() },
    ...{ clock: systemClock, heartbeat: HEARTBEAT, ...TRANSPORT_TIMINGS },
    route: routeThrough([settings.TICKHUB_UPLINK_PROXY], systemClock),
    brokers: settings.TICKHUB_BROKERS,
  });
  const held = await claimAccount({
    ...{ transport, account, edge, holder: randomUUID(), clock: systemClock },
    waitMs: LEASE_WAIT_MS,
  });
  return { hub: transport.url, held };
}

const MARKS = { ok: "ok", failed: "FAILED", unsure: "unsure", skipped: "-" } as const;

function tableOf(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.flatMap(({ check, state, says, code, next }) => [
    `  ${MARKS[state].padEnd(6)}  ${check.padEnd(width)}  ${code && state === "failed" ? `${code}: ` : ""}${says}`,
    ...(next ? [`  ${" ".repeat(6)}  ${" ".repeat(width)}  next: ${next}`] : []),
  ]);
  return `${lines.join("\n")}\n`;
}
