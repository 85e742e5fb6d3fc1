// The loop between outbox and hub: opens the link when the breaker allows, keeps a window of batches under
// way, settles what is committed, and after any failure waits until nothing is under way before it sends
// again from where the hub stands. Promises: a batch leaves the outbox by a verdict only; while the link is
// down nothing but time is spent; a database that is not the one before gets nothing.
import type { BrokerKind } from "../../shared/brokers.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import { codeOf, TickhubError } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import type { Standing } from "../../shared/gateway-protocol.ts";
import { HEARTBEAT } from "../../shared/heartbeat.ts";
import type { HeartbeatTimes } from "../../shared/heartbeat.ts";
import { RollingLatency } from "../../shared/latency.ts";
import type { Route } from "../../shared/dial/route.ts";
import type { SocketBytes } from "../../shared/socket-bytes.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { Breaker } from "./breaker.ts";
import type { BreakerOptions } from "./breaker.ts";
import { createTransport, TRANSPORT_TIMINGS } from "./transport.ts";
import type { Opened, Question, Transport } from "./transport.ts";

/** Batches of one stream that may be unanswered; they commit in order, so more would only wait. */
const WINDOW_PER_STREAM = 16;
const LATENCY_SPAN_MS = 60_000;
/** The outbox is looked at this often: a batch that fills up early waits no longer than that. */
const LOOK_MS = 25;
/** Never sooner, or a full window would be looked at without end. */
const LOOK_MIN_MS = 5;
/**
 * A hub that is back is found again within five seconds. A probe is answered or fails within the transport's
 * own limits; ended earlier, a database that stores slowly would be taken for one that does not.
 */
const BREAKER = {
  ...{ failuresMax: 3, cooldownMs: 500, cooldownMaxMs: 5_000 },
  probeTimeoutMs: TRANSPORT_TIMINGS.verdictMs + TRANSPORT_TIMINGS.answerMs,
};
/** How long a drain goes on for log lines alone. */
const LOG_DRAIN_MS = 2_000;
/** After which news or log lines that were not stored are sent again; what is live does not stop for them. */
const REST_MS = 5_000;
/** Streams whose last acked number is remembered. */
const STREAMS_MAX = 1_000;

/** The hub will not take these bytes however often they come. Any other error is the link's or the hub's state. */
const REFUSALS = new Set([
  "BATCH_CORRUPT",
  "BATCH_VERSION",
  "BATCH_TOO_LARGE",
  "BATCH_ID_REUSED",
  "OUTSIDE_LEASE",
]);

export interface SenderOptions {
  url: string;
  edge: string;
  token: string;
  version: string;
  bootId: string;
  /** Whose ticks this edge carries. */
  brokers?: BrokerKind | undefined;
  outbox: Outbox;
  clock: Clock;
  emit: Emit;
  /** Through proxies. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  /** Of the link; default HEARTBEAT. */
  heartbeat?: HeartbeatTimes;
  /** Default: by the URL's scheme. */
  connect?: () => Transport;
  breaker?: Partial<BreakerOptions>;
}

export type SenderStatus = {
  breaker: string;
  link: Link["name"];
  /** From a batch's first row to its ack, over the last minute or two. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** The other side's wall clock minus ours. */
  offsetMs: number | null;
};

/**
 *   down --breaker allows--> opening --accepted--> up --a failure--> recovering --nothing under way--> up or down
 *                               +--another database--> replaced --breaker allows--> opening
 *   any --stop()--> stopped
 */
type Link =
  | { name: "down" }
  | { name: "replaced" }
  | { name: "opening"; transport: Transport }
  | Up
  | (Omit<Up, "name"> & { name: "recovering"; isGone: boolean })
  | { name: "stopped" };

interface Up {
  name: "up";
  transport: Transport;
  opened: Opened;
  sinceMs: number;
  /** Last number acked of each stream before this link: none of its answers is older. */
  ackedBefore: ReadonlyMap<string, number>;
}

type NextBatch = NonNullable<ReturnType<Outbox["next"]>>;

export class Sender {
  readonly #options: SenderOptions;
  readonly #connect: () => Transport;
  readonly #breaker: Breaker;
  readonly #latency: RollingLatency;
  readonly #holders = new Map<string, string>();
  #link: Link = { name: "down" };
  /** The database that this process's batches went to; empty until the first was sent. */
  #system = "";
  #offsetMs: number | null = null;
  #inFlight = 0;
  #inFlightBytes = 0;
  /** The breaker's one probe is ours and unused: whoever opened the link may send one batch. */
  #isProbe = false;
  /** The hub answers, and the last batch it answered was not stored: only a stored one proves it can again. */
  #isRefusing = false;
  #lastCode = "UPLINK_UNREACHABLE";
  /** Last number the hub acked, by stream. */
  readonly #acked = new Map<string, number>();
  #timer: Timer | null = null;
  #drained: (() => void) | null = null;

  constructor(options: SenderOptions) {
    const { url, edge, token, version, bootId, brokers, clock, route, bytes } = options;
    const { heartbeat = HEARTBEAT } = options;
    const ours = { edge, token, version, bootId, brokers, clock, route, bytes };
    this.#options = options;
    this.#connect =
      options.connect ?? (() => createTransport(url, { ...ours, heartbeat, ...TRANSPORT_TIMINGS }));
    this.#breaker = new Breaker({ ...BREAKER, random: () => clock.random(), ...options.breaker });
    this.#latency = new RollingLatency(LATENCY_SPAN_MS, clock.monoMs());
  }

  /** Names this process's holder of an account; before its first batch. */
  addHolder(account: string, holder: string): void {
    this.#holders.set(account, holder);
  }

  start(): void {
    this.#pump();
  }

  /** Rejects with UPLINK_UNREACHABLE while the link is down. */
  async ask(question: Question): Promise<Standing> {
    const link = this.#link;
    if (link.name !== "up" && link.name !== "recovering") {
      throw new TickhubError("UPLINK_UNREACHABLE", { last: this.#lastCode });
    }
    const { clock } = this.#options;
    const askedMs = clock.nowMs();
    const standing = await link.transport.ask(question);
    this.#offsetMs = standing.nowMs - (askedMs + clock.nowMs()) / 2;
    // Another database behind the same hub: a new link finds out what it means.
    if (standing.system === link.opened.system) {
      if (!this.#isRefusing) this.#breakerSucceeded();
    } else {
      await link.transport.close();
      this.#gone(link.transport, new TickhubError("DATABASE_REPLACED", { now: standing.system }));
    }
    return standing;
  }

  status(): SenderStatus {
    const { p50Ms, p99Ms } = this.#latency.percentiles(this.#options.clock.monoMs());
    const { name: link } = this.#link;
    return { breaker: this.#breaker.state().name, link, p50Ms, p99Ms, offsetMs: this.#offsetMs };
  }

  /**
   * Seals and sends until the outbox is empty, at the latest until `untilMs` (monotonic). For log lines alone
   * nobody waits longer than LOG_DRAIN_MS.
   */
  async drain(untilMs: number): Promise<void> {
    const { outbox, clock } = this.#options;
    const nowMs = clock.monoMs();
    outbox.flush(nowMs);
    if (outbox.drainEmpty()) return;
    await new Promise<void>((resolve) => {
      this.#drained = () => {
        const logsToo = clock.monoMs() < nowMs + LOG_DRAIN_MS;
        if (outbox.drainEmpty(logsToo)) resolve();
      };
      clock.after(LOG_DRAIN_MS, () => this.#drained?.());
      clock.after(Math.max(0, untilMs - nowMs), resolve);
      this.#pump();
    });
    this.#drained = null;
  }

  async stop(): Promise<void> {
    const link = this.#link;
    this.#link = { name: "stopped" };
    this.#timer?.cancel();
    if ("transport" in link) await link.transport.close();
  }

  /** Does what can be done now, and says when to look again. */
  #pump(): void {
    const { clock, outbox } = this.#options;
    const nowMs = clock.monoMs();
    const { name } = this.#link;
    if (name === "stopped") return;
    if ((name === "down" || name === "replaced") && this.#isAllowed(nowMs)) void this.#open();
    if (this.#link.name === "up") this.#send(this.#link, nowMs);
    const wakeMs = name === "up" ? outbox.nextWake(nowMs) : this.#breaker.nextWake(nowMs);
    this.#timer?.cancel();
    this.#timer = clock.after(Math.min(LOOK_MS, Math.max(LOOK_MIN_MS, wakeMs)), () => this.#pump());
  }

  #isAllowed(nowMs: number): boolean {
    if (this.#breaker.state().name === "closed") return true;
    this.#isProbe ||= this.#moved(() => this.#breaker.allows(nowMs), this.#lastCode);
    return this.#isProbe;
  }

  async #open(): Promise<void> {
    const { clock, emit, url } = this.#options;
    try {
      const transport = this.#connect();
      this.#link = { name: "opening", transport };
      transport.onClosed((error) => this.#gone(transport, error));
      const opened = await transport.open();
      if (this.#isStopped()) return await transport.close();
      if (this.#system !== "" && this.#system !== opened.system) {
        await transport.close();
        throw new TickhubError("DATABASE_REPLACED", { before: this.#system, now: opened.system });
      }
      this.#options.outbox.hubTakes(opened.tables);
      const ackedBefore = new Map(this.#acked);
      this.#link = { name: "up", transport, opened, sinceMs: clock.monoMs(), ackedBefore };
      emit({ event: "uplink_opened", url: transport.url, hub: opened.hub });
    } catch (error) {
      if (this.#isStopped()) return;
      const code = codeOf(error);
      this.#link = { name: code === "DATABASE_REPLACED" ? "replaced" : "down" };
      this.#isProbe = false;
      this.#failed(code);
      if (error instanceof TickhubError && !error.retry) {
        emit({ event: "uplink_refused", url: new URL(url).host, code, hint: error.hint });
      }
    }
    this.#pump();
  }

  #send(link: Up, nowMs: number): void {
    const { inFlightMax, inFlightBytesMax } = link.opened;
    while (this.#inFlight < inFlightMax && this.#inFlightBytes < inFlightBytesMax) {
      if (!this.#isAllowed(nowMs)) return;
      const batch = this.#options.outbox.next(nowMs, WINDOW_PER_STREAM);
      if (!batch) return;
      this.#isProbe = false;
      void this.#deliver(link, batch);
    }
  }

  async #deliver(link: Up, batch: NextBatch): Promise<void> {
    const { outbox, clock } = this.#options;
    const { stream, number, bytes, account, table, rows, firstMs } = batch;
    const isMarket = table !== "news" && table !== "log";
    this.#system = link.opened.system;
    this.#inFlight++;
    this.#inFlightBytes += bytes.length;
    try {
      const verdict = await link.transport.send(bytes, this.#holders.get(account) ?? "");
      this.#isRefusing = false;
      this.#breakerSucceeded();
      // There is no arguing with a hub whose counts do not add up: set aside, alarmed, the lane goes on.
      if (outbox.settle(verdict) === "mismatch") outbox.refuse(stream, number, "UPLINK_PROTOCOL");
      this.#remember(stream, number);
      if (rows > 0 && isMarket) this.#latency.record(clock.nowMs() - firstMs, clock.monoMs());
      this.#drained?.();
    } catch (error) {
      const code = codeOf(error);
      const isForgotten = isHoleIn(error, this.#acked.get(stream));
      const isFinal = REFUSALS.has(code) || isHoleIn(error, link.ackedBefore.get(stream));
      if (isFinal) {
        // An answer, if not the one hoped for: the next heartbeat may end the breaker's probe.
        this.#isRefusing = false;
        outbox.refuse(stream, number, code);
      } else if (isMarket || isForgotten || this.#breaker.state().name !== "closed") {
        this.#trouble(link.transport, code, isForgotten);
      } else outbox.rest(stream, clock.monoMs() + REST_MS);
      // A new link tells: there, no answer can be older than what was acked.
      if (!isFinal && isForgotten) await link.transport.close();
    } finally {
      this.#inFlight--;
      this.#inFlightBytes -= bytes.length;
      this.#recover();
      this.#pump();
    }
  }

  #remember(stream: string, number: number): void {
    this.#acked.delete(stream);
    this.#acked.set(stream, number);
    if (this.#acked.size > STREAMS_MAX) this.#acked.delete(this.#acked.keys().next().value ?? "");
  }

  #gone(transport: Transport, error: TickhubError): void {
    const link = this.#link;
    if (!("opened" in link) || link.transport !== transport) return;
    const { clock, emit } = this.#options;
    const openMs = clock.monoMs() - link.sinceMs;
    emit({ event: "uplink_closed", url: transport.url, code: error.code, openMs });
    this.#trouble(transport, error.code, true);
    this.#recover();
  }

  /** Stops sending. Counts as one failure, however many batches were under way. */
  #trouble(transport: Transport, code: string, isGone: boolean): void {
    const link = this.#link;
    if (!("opened" in link) || link.transport !== transport) return;
    if (link.name === "up") {
      this.#isRefusing = !isGone;
      this.#failed(code);
    }
    const wasGone = link.name === "recovering" && link.isGone;
    this.#link = { ...link, name: "recovering", isGone: isGone || wasGone };
  }

  /** Once every batch under way has its verdict or its error, what has none is sent again. */
  #recover(): void {
    const link = this.#link;
    if (link.name !== "recovering" || this.#inFlight > 0) return;
    const { isGone, ...up } = link;
    this.#options.outbox.rewind();
    this.#link = isGone ? { name: "down" } : { ...up, name: "up" };
  }

  #breakerSucceeded(): void {
    this.#isProbe = false;
    this.#moved(() => this.#breaker.success(this.#options.clock.monoMs()), "OK");
  }

  #failed(code: string): void {
    this.#lastCode = code;
    this.#moved(() => this.#breaker.failure(this.#options.clock.monoMs()), code);
  }

  /** Tells when what `run` does to the breaker moves it. */
  #moved<T>(run: () => T, code: string): T {
    const from = this.#breaker.state().name;
    const result = run();
    const to = this.#breaker.state().name;
    if (from !== to) this.#options.emit({ event: "breaker_moved", from, to, code });
    return result;
  }

  #isStopped(): boolean {
    return this.#link.name === "stopped";
  }
}

/** A hole at a number that was acked: a restored database. That stream can never go on. */
function isHoleIn(error: unknown, acked = 0): boolean {
  if (!(error instanceof TickhubError) || error.code !== "STREAM_HOLE") return false;
  return Number(error.context["expected"]) <= acked;
}
