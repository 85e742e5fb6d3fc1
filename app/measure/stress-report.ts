// The report of a stress run: the checks as a table, and how everything went over time.
import { linePlot } from "../report/plot.ts";
import type { Rule, Series } from "../report/plot.ts";
import { pageOf, paragraph, tableOf } from "../report/page.ts";
import type { Markup } from "../report/page.ts";
import { amount, unreadSeconds } from "./stress.ts";
import type { Check, Conservation, Sample } from "./stress.ts";

export interface StressOutcome {
  ok: boolean;
  summary: string;
  profile: string;
  speed: number;
  seconds: number;
  symbols: number;
  accounts: number;
  /** The hub that was loaded; null: one of the run's own. */
  target: string | null;
  local: boolean;
  records: Conservation;
  checks: readonly Check[];
  samples: readonly Sample[];
  /** Epoch ms. */
  madeMs: number;
}

/** The whole HTML file. */
export function stressReport(outcome: StressOutcome): string {
  const { ok, summary, profile, speed, seconds, checks, samples, records, madeMs } = outcome;
  const limit = (name: Check["name"]): Rule[] =>
    checks
      .filter((check) => check.name === name)
      .map((check) => ({ y: check.limit, label: "limit" }));
  const plot = (caption: string, y: string, series: Series[], rules: Rule[] = []): Markup =>
    linePlot({ caption, x: { label: "seconds since the open" }, y: { label: y }, series, rules });
  const line = (name: string, of: (sample: Sample) => number | null): Series => {
    const points = samples.flatMap((sample) => {
      const value = of(sample);
      return value === null ? [] : [{ x: sample.atMs / 1_000, y: value }];
    });
    return { name, points };
  };
  const percent = (value: number | null) => (value === null ? null : 100 * value);
  const unread = unreadSeconds(samples);
  return pageOf({
    title: `Stress: ${profile} at ${speed} times its rate`,
    verdict: { ok, text: summary },
    made: `tickhub stress --profile ${profile} --speed ${speed}, ${new Date(madeMs).toISOString()}`,
    sections: [
      {
        heading: "Verdict",
        content: [
          paragraph(
            `${seconds.toFixed(0)} s, ${outcome.symbols} symbols over ${outcome.accounts} accounts of two brokers. ` +
              (outcome.target !== null
                ? `Into the hub at ${outcome.target}; generator and edges were here.`
                : outcome.local
                  ? "Generator, edges, hub and database shared one machine."
                  : "The database was on another machine."),
          ),
          tableOf(
            ["threshold", "found", "limit", ""],
            checks.map(({ says, value, limit: at, unit, over }) => [
              says,
              value === null ? "unknown" : amount(value, unit),
              amount(at, unit),
              over ? "over" : "",
            ]),
          ),
          tableOf(["record", "count"], Object.entries(records)),
        ],
      },
      {
        heading: "Flow",
        content: [
          plot("Records a second", "records/s", [
            rate("sent by the brokers", samples, ({ sent }) => sent),
            rate("committed", samples, ({ committed }) => committed),
          ]),
          plot("Held in the outboxes", "records", [line("held", ({ held }) => held)]),
          plot(
            "Age of the oldest record in an outbox, and of what no edge has read",
            "s",
            [
              line("outbox", ({ outboxOldestMs }) => outboxOldestMs / 1_000),
              {
                name: "unread",
                points: samples.map(({ atMs }, i) => ({ x: atMs / 1_000, y: unread[i]! })),
              },
            ],
            limit("outbox"),
          ),
        ],
      },
      {
        heading: "Delays",
        content: [
          plot(
            "Receive to commit, of the last second or two",
            "ms",
            [line("p50", ({ p50NowMs }) => p50NowMs), line("p99", ({ p99NowMs }) => p99NowMs)],
            limit("commit99"),
          ),
          plot("Event loop, p99 of each second", "ms", [
            line("edges", ({ edgeLoopMs }) => edgeLoopMs),
            line("hub", ({ hubLoopMs }) => hubLoopMs),
          ]),
        ],
      },
      {
        heading: "Database and its host",
        content: [
          plot("Processor and I/O", "%", [
            line("host's CPU", ({ cpu }) => percent(cpu)),
            line("of this run", ({ ownCpu }) => percent(ownCpu)),
            line("I/O wait", ({ ioWait }) => percent(ioWait)),
            line("somebody waits for I/O", ({ ioStall }) => percent(ioStall)),
          ]),
          plot("WAL written", "MB/s", [
            line("WAL", ({ walBytesPerS }) => (walBytesPerS === null ? null : walBytesPerS / 1e6)),
          ]),
          plot("One flush of WAL, and a commit of our own", "ms", [
            line("flush, mean", ({ walSyncMs }) => walSyncMs),
            line("commit", ({ commitMs }) => commitMs),
          ]),
          plot("Connections and locks that wait", "count", [
            line("connections", ({ connections }) => connections),
            line("locks waiting", ({ locksWaiting }) => locksWaiting),
          ]),
        ],
      },
    ],
  });
}

function rate(name: string, samples: readonly Sample[], of: (sample: Sample) => number): Series {
  const points = samples.slice(1).map((sample, i) => {
    const before = samples[i]!;
    const seconds = Math.max(0.001, (sample.atMs - before.atMs) / 1_000);
    return { x: sample.atMs / 1_000, y: (of(sample) - of(before)) / seconds };
  });
  return { name, points };
}
