// A deployment as the Sentinel sees it, at any second of a day: two brokers, three accounts, two edges, a hub whose
// picture is made by the hub's own code. The market goes by the calendar, with a VI and a halt; faults are put in
// from outside. Nothing here knows a rule.
import { judgeBackup } from "../../../app/hub/query/backup.ts";
import { DayLedger } from "../../../app/hub/query/coverage/day-ledger.ts";
import { dueOf } from "../../../app/hub/query/coverage/due.ts";
import type { StatusNews } from "../../../app/hub/query/coverage/expected.ts";
import type { OpenDay } from "../../../app/hub/query/coverage/open-day.ts";
import { summaryOf } from "../../../app/hub/query/coverage/summary.ts";
import type { MeterPicture } from "../../../app/hub/query/meters/keeper.ts";
import { pictureOf } from "../../../app/hub/query/picture.ts";
import { watchOf } from "../../../app/hub/query/watch.ts";
import { EpochRises } from "../../../app/sentinel/epoch-rises.ts";
import type { EdgeSight, HubSight, Observation } from "../../../app/sentinel/observation.ts";
import { sessionsBetween } from "../../../app/shared/calendar.ts";
import type { EdgeStatus } from "../../../app/shared/gateway-protocol.ts";
import { venueDay } from "../../../app/shared/market-time.ts";
import type { Venue } from "../../../app/shared/tick.ts";
import { hubWatchSchema } from "../../../app/shared/watch.ts";

export const FAULTS = [
  "hub down",
  "feed silent",
  "lease flapping",
  "gaps unrefilled",
  "parity",
  "outbox horizon",
  "disk",
  "clock skew",
  "backup",
  "egress",
  "drift",
  "key expiry",
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  kind: FaultKind;
  fromMs: number;
  toMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Symbol {
  venue: Venue;
  symbol: string;
}
const ACCOUNTS: Record<string, { edge: string; symbols: Symbol[] }> = {
  "kis:1": {
    edge: "kis",
    symbols: [
      { venue: "KRX", symbol: "005930" },
      { venue: "KRX", symbol: "000660" },
    ],
  },
  "kis:2": { edge: "kis", symbols: [{ venue: "NAS", symbol: "AAPL" }] },
  // One symbol alone: when it is quiet, so is the account.
  "kiwoom:1": { edge: "kiwoom", symbols: [{ venue: "KRX", symbol: "035720" }] },
};
const EDGES = ["kis", "kiwoom"];

/** A VI or a halt of one symbol, as the status records of its broker have it. */
export interface Pause {
  symbol: string;
  kind: "vi" | "halt";
  fromMs: number;
  toMs: number;
}

export class World {
  readonly faults: readonly Fault[];
  readonly pauses: readonly Pause[];
  readonly #rises = new EpochRises();
  #epoch = 7;
  /** Of the last look. */
  #known = { nowMs: 0, days: new Map<string, OpenDay>() };

  constructor(faults: readonly Fault[] = [], pauses: readonly Pause[] = []) {
    this.faults = faults;
    this.pauses = pauses;
  }

  /** What one look sees. */
  observe(nowMs: number): Omit<Observation, "channels" | "door"> {
    if (this.#is("lease flapping", nowMs)) this.#epoch += 1;
    const hub = this.#hub(nowMs);
    if (hub.name === "seen") this.#rises.take(hub.watch.accounts, nowMs);
    const edges = EDGES.map((edge): [string, EdgeSight] => [
      edge,
      { name: "seen", status: hub.name === "seen" ? null : this.#status(edge, nowMs) },
    ]);
    return {
      nowMs,
      hub,
      edges: new Map(edges),
      epochRises: this.#rises.lately(nowMs),
      expiries: [{ subject: "kis:1", atMs: nowMs + 200 * DAY }],
    };
  }

  #is(kind: FaultKind, nowMs: number): Fault | null {
    const found = this.faults.find(
      (one) => one.kind === kind && one.fromMs <= nowMs && nowMs < one.toMs,
    );
    return found ?? null;
  }

  #hub(nowMs: number): HubSight {
    if (this.#is("hub down", nowMs)) return { name: "away", reason: "ECONNREFUSED" };
    const started = this.faults.find((one) => one.kind === "hub down" && one.toMs <= nowMs);
    const startedMs = started?.toMs ?? nowMs - 3 * DAY;
    const watch = watchOf(pictureOf(this.#input(nowMs, startedMs)), {
      marketMs: nowMs,
      due: dueOf(this.#days(nowMs), assigned, nowMs),
      disk: { freeBytes: this.#is("disk", nowMs) ? 9e9 : 80e9, totalBytes: 100e9 },
      expiries: this.#is("key expiry", nowMs)
        ? [{ subject: "tickhub-hub", atMs: nowMs + 10 * DAY }]
        : [],
    });
    // As it travels.
    const read = hubWatchSchema.parse(JSON.parse(JSON.stringify(watch)));
    return { name: "seen", watch: read, offset: { offsetMs: 40, errorMs: 90 } };
  }

  #input(nowMs: number, startedMs: number): Parameters<typeof pictureOf>[0] {
    const nobody = { count: 0, p50Ms: null, p99Ms: null, p999Ms: null };
    const days = [...this.#days(nowMs).values()];
    return {
      version: "1.0.0",
      brokers: "real",
      nowMs,
      startedMs,
      health: { ok: true, checkedMs: nowMs },
      identity: { isChecked: true, reason: "" },
      books: {
        ledgers: [],
        leases: Object.entries(ACCOUNTS).map(([account, { edge }]) => ({
          ...{
            account,
            edge,
            mode: "exclusive",
            epoch: account === "kis:1" ? this.#epoch : 3,
            holder: `holder of ${account}`,
          },
          ...{ seenMs: nowMs, releasedMs: null, cap: null },
        })),
        statuses: [],
        phase: null,
      },
      statuses: new Map(
        EDGES.map((edge) => [edge, { seenMs: nowMs - 400, status: this.#status(edge, nowMs) }]),
      ),
      latency: nobody,
      latencyNow: nobody,
      loop: { p99Ms: 1, maxMs: 2 },
      planned: new Map(
        Object.entries(ACCOUNTS).map(([account, { symbols }]) => [account, symbols.length * 2]),
      ),
      connections: new Map(EDGES.map((edge) => [edge, 1])),
      known: new Set<string>(),
      sites: [],
      unbalanced: [],
      coverage: summaryOf(days, nowMs, nowMs, nowMs),
      parity: {
        ...{ left: "kis", right: "kiwoom", open: false, reasons: [] },
        days: [
          { day: "2026-12-21", share: 0.9998, coverage: 0.99 },
          { day: "2026-12-22", share: this.#is("parity", nowMs) ? 0.9981 : 0.9996, coverage: 0.99 },
          { day: "2026-12-23", share: null, coverage: 0 },
        ],
      },
      release: null,
      backup: judgeBackup(
        {
          ...{ format: 1, failure: "", lastSegment: "0", spoolFiles: 0, spoolBytes: 0 },
          ...{ oldestSpoolAt: null, walBytes: 1e9, bucketBytes: 5e9 },
          at: (this.#is("backup", nowMs) ? nowMs - 20 * MINUTE : nowMs - 30 * SECOND) / 1_000,
        },
        nowMs,
      ),
      meters: [this.#meter(nowMs)],
    };
  }

  #meter(nowMs: number): MeterPicture {
    const isHigh = this.#is("egress", nowMs) !== null;
    return {
      ...{ meter: "egress", subject: "kis", month: 202612, unit: "GB", limit: 20, used: 12 },
      ...{ plusMinus: 1, openDays: 14, openDaysBefore: 20, openDaysSince: 14 },
      projected: isHigh ? 17.5 : 14,
      share: isHigh ? 0.875 : 0.7,
      state: isHigh ? "warn" : "ok",
    };
  }

  #status(edge: string, nowMs: number): EdgeStatus {
    const down = this.#is("hub down", nowMs);
    const isStuck = edge === "kis" && this.#is("outbox horizon", nowMs) !== null;
    const skew = edge === "kiwoom" && this.#is("clock skew", nowMs) ? 3_200 : 35;
    const backlogMs = down ? nowMs - down.fromMs : 120;
    return {
      version: "1.0.0",
      outbox: {
        ...{ bytes: 1, rows: 1 },
        oldestMs: isStuck ? 4 * MINUTE : backlogMs,
        secondsLeft: isStuck ? 1_200 : 5_400 - backlogMs / SECOND,
      },
      uplink: { breaker: down ? "open" : "closed", offsetMs: skew },
      ...(edge === "kis" && this.#is("drift", nowMs)
        ? { drifts: ["kis:1 H0STCNT0: 48, known 46"] }
        : {}),
      accounts: Object.fromEntries(
        Object.entries(ACCOUNTS)
          .filter(([, own]) => own.edge === edge)
          .map(([account, { symbols }]) => [
            account,
            {
              feed: "live",
              lease: "holding",
              frameAgeMs: 500,
              tickAgeMs: this.#tickAge(account, symbols, nowMs),
            },
          ]),
      ),
    };
  }

  /** Of the account's last tick: by the calendar, its symbols' pauses, and the fault. */
  #tickAge(account: string, symbols: readonly Symbol[], nowMs: number): number {
    const fault = account === "kis:1" ? this.#is("feed silent", nowMs) : null;
    const untilMs = fault?.fromMs ?? nowMs;
    const last = symbols.map((symbol) => this.#lastTick(symbol, untilMs));
    return nowMs - Math.max(...last);
  }

  #lastTick({ venue, symbol }: Symbol, nowMs: number): number {
    const pause = this.pauses.find(
      (one) => one.symbol === symbol && one.fromMs <= nowMs && nowMs < one.toMs,
    );
    const untilMs = pause?.fromMs ?? nowMs;
    // In continuous trading each second; after hours now and then; in auctions and at night not at all.
    const sessions = sessionsBetween(venue, untilMs - 18 * HOUR, untilMs).filter(
      ({ continuous, fromMs }) => continuous && fromMs <= untilMs,
    );
    const last = sessions.at(-1);
    if (!last) return untilMs - 4 * DAY;
    const stepMs = last.kind === "regular" ? SECOND : 7 * MINUTE;
    const endMs = Math.min(untilMs, last.toMs);
    return endMs - ((endMs - last.fromMs) % stepMs);
  }

  /** Days as the keeper holds them: halts and VI told by the broker, and the gaps. */
  #days(nowMs: number): Map<string, OpenDay> {
    if (this.#known.nowMs === nowMs) return this.#known.days;
    const days = new Map<string, OpenDay>();
    this.#known = { nowMs, days };
    for (const [source, { symbols }] of Object.entries(ACCOUNTS)) {
      const day = venueDay(symbols[0]!.venue, nowMs);
      const ledger = new DayLedger(source, day);
      ledger.facts = { ...ledger.facts, news: this.#news(symbols, nowMs) };
      const gaps = this.#is("gaps unrefilled", nowMs);
      // Others come and are refilled within minutes all day.
      const isUsual = Math.floor(nowMs / MINUTE) % 20 < 3;
      if (source === "kis:1" && (gaps || isUsual)) {
        const toMs = gaps ? gaps.fromMs - 31 * MINUTE : nowMs - 2 * MINUTE;
        ledger.symbol("KRX", "005930");
        ledger.setGap({
          ...{ id: 1, venue: "KRX", symbol: "005930", channel: "trade", refilledRows: 0 },
          ...{ kind: "hole", chain: 0, seqFrom: 10, seqTo: 90, state: "refilling", outcome: null },
          ...{ reason: "FEED_CLOSED", fromMs: toMs - MINUTE, toMs },
        });
      }
      days.set(`${source}/${day}`, { ledger, written: new Map() } as unknown as OpenDay);
    }
    return days;
  }

  #news(symbols: readonly Symbol[], nowMs: number): Map<string, StatusNews[]> {
    const news = new Map<string, StatusNews[]>();
    for (const { venue, symbol } of symbols) {
      const told = this.pauses
        .filter((one) => one.symbol === symbol)
        .flatMap(({ kind, fromMs, toMs }): StatusNews[] => [
          { atMs: fromMs, what: kind, code: kind === "vi" ? "1" : "Y", detail: {} },
          { atMs: toMs, what: kind, code: kind === "vi" ? "2" : "N", detail: {} },
        ])
        .filter(({ atMs }) => atMs <= nowMs);
      if (told.length > 0) news.set(`${venue}/${symbol}`, told);
    }
    return news;
  }
}

const assigned = Object.entries(ACCOUNTS).flatMap(([source, { symbols }]) =>
  symbols.flatMap((symbol) => ["trade", "book"].map((channel) => ({ source, channel, ...symbol }))),
);
