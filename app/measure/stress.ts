// The verdict of a stress run: what was seen once a second, boiled down to one figure a threshold, and each
// figure against its limit. Pure. A figure that could not be had is null, and decides nothing; a generator
// that was late decides everything, because then the load was not what it claims to be.

/** One look. Shares are of the second before it. */
export interface Sample {
  /** Since the market opened. */
  atMs: number;
  /** Records handed to the brokers' sockets so far. */
  sent: number;
  /** Records the edges have read, and what became of them. */
  received: number;
  committed: number;
  held: number;
  lost: number;
  quarantined: number;
  /** Age of the oldest record in an outbox, over both edges. */
  outboxOldestMs: number;
  outboxBytes: number;
  /** Until the fuller outbox would be full. */
  outboxLeftS: number;
  breakers: readonly string[];
  edgeLoopMs: number | null;
  hubLoopMs: number | null;
  /** Receive to commit of the last second or two, and of the last minute or two. */
  p50NowMs: number | null;
  p99NowMs: number | null;
  p50Ms: number | null;
  p99Ms: number | null;
  p999Ms: number | null;
  /** Of the database's host. */
  cpu: number | null;
  ioWait: number | null;
  ioStall: number | null;
  /** Of the run's own processes, in shares of this machine; null where the database is elsewhere. */
  ownCpu: number | null;
  walBytesPerS: number | null;
  walSyncMs: number | null;
  checkpointsRequested: number | null;
  commitMs: number | null;
  connections: number | null;
  locksWaiting: number | null;
}

/** What was sent, what became of it, and what SQL finds, counted apart. */
export interface Conservation {
  sent: number;
  received: number;
  committed: number;
  duplicate: number;
  held: number;
  quarantined: number;
  lost: number;
  rows: number;
  doubleSockets: number;
}

export interface Lateness {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** Every threshold: what it means, its default limit and its unit. Order is the order of the report. */
export const THRESHOLDS = {
  "generator-late": { limit: 1_000, unit: "ms", says: "generator: from due to sent, p99" },
  unread: { limit: 3, unit: "s", says: "sent by the brokers and not read by the edges" },
  commit99: { limit: 3_000, unit: "ms", says: "receive to commit, p99 of the worst minute" },
  outbox: { limit: 5, unit: "s", says: "oldest record in an outbox" },
  "edge-loop": { limit: 1_000, unit: "ms", says: "edges' event loop, p99, in 19 of 20 seconds" },
  "hub-loop": { limit: 1_000, unit: "ms", says: "hub's event loop, p99, in 19 of 20 seconds" },
  cpu: { limit: 95, unit: "%", says: "database host's CPU, mean" },
  "io-wait": { limit: 40, unit: "%", says: "database host's I/O wait, mean" },
  "io-stall": { limit: 80, unit: "%", says: "time in which somebody waited for I/O (PSI), mean" },
  "wal-sync": { limit: 50, unit: "ms", says: "one flush of WAL to disk, mean" },
  "commit-probe": { limit: 1_000, unit: "ms", says: "a commit of our own, p95" },
  checkpoints: { limit: 2, unit: "", says: "checkpoints forced by WAL or asked for" },
} as const satisfies Record<string, { limit: number; unit: string; says: string }>;
export type ThresholdName = keyof typeof THRESHOLDS;
export type Limits = Record<ThresholdName, number>;

export const LIMITS = Object.fromEntries(
  Object.entries(THRESHOLDS).map(([name, { limit }]) => [name, limit]),
) as Limits;

export interface Check {
  name: ThresholdName;
  says: string;
  unit: string;
  /** Null: could not be had. */
  value: number | null;
  limit: number;
  over: boolean;
}

export interface Verdict {
  /** Everything was kept, nothing is over its limit, and the load was what it claims to be. */
  ok: boolean;
  /** False: the generator could not keep up, and nothing can be said. */
  valid: boolean;
  checks: Check[];
  /** Facts that no limit can be set for. */
  losses: string[];
  /** One line. */
  summary: string;
}

export function judge(
  samples: readonly Sample[],
  lateness: Lateness | null,
  sums: Conservation,
  limits: Limits,
): Verdict {
  const figures = figuresOf(samples, lateness);
  const checks = (Object.keys(THRESHOLDS) as ThresholdName[]).map((name): Check => {
    const { says, unit } = THRESHOLDS[name];
    const value = figures[name];
    const limit = limits[name];
    return { name, says, unit, value, limit, over: value !== null && value > limit };
  });
  const losses = lossesOf(sums);
  const valid = checks[0]!.value !== null && !checks[0]!.over;
  const over = checks.filter((check) => check.over && check.name !== "generator-late");
  const ok = valid && losses.length === 0 && over.length === 0;
  return { ok, valid, checks, losses, summary: summaryOf(valid, losses, over, checks[0]!) };
}

function summaryOf(
  valid: boolean,
  losses: readonly string[],
  over: readonly Check[],
  generator: Check,
): string {
  const bad = [...losses, ...over.map(shown)];
  if (valid) return bad.length === 0 ? "nothing lost, nothing over its limit" : bad.join("; ");
  const late =
    generator.value === null
      ? "the generator sent nothing"
      : `the generator could not keep up (${shown(generator)})`;
  return [`${late}: no verdict on the rest`, ...losses].join("; ");
}

/** `receive to commit, p99 of the worst minute 5,210 ms, limit 2,000 ms`. */
function shown({ says, value, limit, unit }: Check): string {
  return `${says} ${amount(value!, unit)}, limit ${amount(limit, unit)}`;
}

export function amount(value: number, unit: string): string {
  const number = value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
  return unit === "" ? number : `${number} ${unit}`;
}

function figuresOf(
  samples: readonly Sample[],
  lateness: Lateness | null,
): Record<ThresholdName, number | null> {
  const of = (read: (sample: Sample) => number | null) =>
    samples.map(read).filter((value) => value !== null);
  const percent = (read: (sample: Sample) => number | null) => {
    const value = mean(of(read));
    return value === null ? null : 100 * value;
  };
  // Where all of it runs on one machine, what others do there is not this run's load.
  const isOwn = samples.some(({ ownCpu }) => ownCpu !== null);
  return {
    "generator-late": lateness?.p99Ms ?? null,
    unread: most(unreadSeconds(samples)),
    commit99: most(of(({ p99Ms }) => p99Ms)),
    outbox: most(of(({ outboxOldestMs }) => outboxOldestMs / 1_000)),
    "edge-loop": quantile(
      of(({ edgeLoopMs }) => edgeLoopMs),
      0.95,
    ),
    "hub-loop": quantile(
      of(({ hubLoopMs }) => hubLoopMs),
      0.95,
    ),
    cpu: percent(({ cpu, ownCpu }) => (isOwn ? ownCpu : cpu)),
    "io-wait": percent(({ ioWait }) => ioWait),
    "io-stall": percent(({ ioStall }) => ioStall),
    "wal-sync": mean(of(({ walSyncMs }) => walSyncMs)),
    "commit-probe": quantile(
      of(({ commitMs }) => commitMs),
      0.95,
    ),
    checkpoints: sum(of(({ checkpointsRequested }) => checkpointsRequested)),
  };
}

/** How long ago the brokers had sent what the edges have read by now. */
export function unreadSeconds(samples: readonly Sample[]): number[] {
  const START = { atMs: 0, sent: 0 };
  return samples.map(({ atMs, sent, received }, i) => {
    if (received >= sent) return 0;
    const at = samples.slice(0, i).findLastIndex((earlier) => earlier.sent <= received);
    const [from, to] = [samples[at] ?? START, samples[at + 1]!];
    // Between two looks the brokers are taken to have sent evenly.
    const share = (received - from.sent) / Math.max(1, to.sent - from.sent);
    return (atMs - (from.atMs + share * (to.atMs - from.atMs))) / 1_000;
  });
}

/** A sentence for each thing that does not add up. */
function lossesOf(sums: Conservation): string[] {
  const { sent, received, committed, duplicate, held, quarantined, lost, rows } = sums;
  const n = (count: number) => count.toLocaleString("en-US");
  return [
    ...(received === sent ? [] : [`brokers sent ${n(sent)}, edges received ${n(received)}`]),
    ...(lost === 0 ? [] : [`${n(lost)} lost`]),
    ...(quarantined === 0 ? [] : [`${n(quarantined)} quarantined`]),
    ...(held === 0 ? [] : [`${n(held)} still held at the end`]),
    ...(duplicate === 0 ? [] : [`${n(duplicate)} duplicate`]),
    ...(rows === committed ? [] : [`${n(committed)} committed, SQL finds ${n(rows)}`]),
    ...(sums.doubleSockets === 0 ? [] : [`${n(sums.doubleSockets)} double sockets`]),
  ];
}

function most(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : (sum(values) ?? 0) / values.length;
}

function sum(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((total, value) => total + value, 0);
}

/** The smallest value that `share` of them do not exceed. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
