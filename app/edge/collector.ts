// One broker account at this edge: holds its lease, runs its feed while it does, and hands every record to
// the outbox under the epoch it was captured in. Promises: the broker's socket is open only while this
// process holds the account; a hub that does not answer does not stop a collection that was granted.
import { every } from "../shared/clock.ts";
import type { Clock, Timer } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import type { AccountStatus, Standing, Wish } from "../shared/gateway-protocol.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import { sumOf } from "../shared/tick.ts";
import type { Reject, RejectCode, Tick } from "../shared/tick.ts";
import type { Feed, FeedSink, Registration } from "./feed/feed.ts";
import { Sequencer } from "./feed/sequencer.ts";
import type { Outbox } from "./outbox/outbox.ts";

/** How often the lease is asked for, and then kept. */
const LEASE_ASK_MS = 1_000;
/** What an account's records travel as. */
const LANES = ["trade", "book", "status", "quarantine"] as const;

export interface CollectorOptions {
  account: string;
  /** This process's name for itself in leases: a UUID minted at its start. */
  holder: string;
  /** Builds the feed around the collector's sink; `onCap` takes a registration limit the broker enforced. */
  createFeed: (sink: FeedSink, onCap: (cap: number) => void) => Feed;
  /** Keeps the raw frames, when a tape is wanted. */
  keepFrame?: FeedSink["frame"];
  ask: (account: string, holder: string, wish: Wish) => Promise<Standing>;
  outbox: Outbox;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
}

/**
 *   claiming --granted--> holding --lost to another holder--> claiming
 *   any --stop--> stopped
 */
type State =
  | { name: "claiming"; held: string }
  | { name: "holding"; epoch: number; assignmentEpoch: number }
  | { name: "stopped" };

export class Collector {
  readonly account: string;
  readonly #options: CollectorOptions;
  readonly #feed: Feed;
  #state: State = { name: "claiming", held: "" };
  readonly #sequencer: Sequencer;
  /** Resolves when the socket of the lease before is gone. */
  #feedGone: Promise<void> = Promise.resolve();
  #asking: Timer | null = null;
  #askOpen = false;
  /** Nothing is begun any more; a lease that is held is kept until `release`, or a successor would come too soon. */
  #isStopping = false;
  #cap: number | undefined;
  /** Refused since the last heartbeat, by code: events are told per heartbeat, not per record. */
  readonly #refused = new Map<RejectCode, { count: number; reason: string }>();
  #lastTickMs = 0;

  constructor(options: CollectorOptions) {
    this.account = options.account;
    this.#options = options;
    this.#sequencer = new Sequencer({ market: options.market });
    const sink: FeedSink = {
      ticks: (ticks) => this.#take(ticks),
      reject: (reject) => this.#refuse(reject),
      registering: (registration) => this.#sequencer.registering(registration),
      ...(options.keepFrame ? { frame: options.keepFrame } : {}),
    };
    this.#feed = options.createFeed(sink, (cap) => (this.#cap = cap));
  }

  start(): void {
    void this.#ask();
    this.#asking = every(this.#options.clock, LEASE_ASK_MS, () => void this.#ask());
  }

  /** Unsubscribes and closes the broker's socket. The lease stays until `release`, so that nobody else opens one before. */
  async stopFeed(): Promise<void> {
    this.#isStopping = true;
    await this.#feed.stop();
  }

  /** Gives the account back. Does nothing when it was never granted; a hub that is away finds out by itself. */
  async release(): Promise<void> {
    this.#asking?.cancel();
    const held = this.#state.name === "holding";
    this.#state = { name: "stopped" };
    const { account, holder, ask } = this.#options;
    if (held) await ask(account, holder, "release").catch(() => undefined);
  }

  /** What the hub shows of this account. */
  status(): AccountStatus {
    const { account, clock, outbox } = this.#options;
    const feed = this.#feed.state();
    const nowMs = clock.nowMs();
    const age = (thenMs: number) => (thenMs > 0 ? nowMs - thenMs : null);
    return {
      feed: feed.name,
      ...("code" in feed ? { code: feed.code } : {}),
      ...(feed.name === "live" ? { registrations: feed.registrations } : {}),
      frameAgeMs: age(this.#feed.lastFrameMs()),
      tickAgeMs: age(this.#lastTickMs),
      lease: this.#state.name,
      ...(this.#cap === undefined ? {} : { cap: this.#cap }),
      ...(this.#state.name === "holding" ? { assignmentEpoch: this.#state.assignmentEpoch } : {}),
      ledger: sumOf(LANES.map((table) => outbox.ledgerOf(account, table))),
    };
  }

  async #ask(): Promise<void> {
    if (this.#askOpen || this.#state.name === "stopped") return;
    if (this.#isStopping && this.#state.name !== "holding") return;
    this.#askOpen = true;
    this.#tellRefused();
    const { account, holder, ask } = this.#options;
    try {
      const standing = await ask(
        account,
        holder,
        this.#state.name === "holding" ? "hold" : "claim",
      );
      this.#hear(standing);
    } catch (error) {
      // The uplink tells of its own failures. An exclusive lease outlives them: the outbox is the limit.
      if (!(error instanceof TickhubError)) throw error;
    } finally {
      this.#askOpen = false;
    }
  }

  #hear(standing: Standing): void {
    if (this.#stopped()) return;
    const { lease } = standing;
    if (this.#isStopping && lease.state === "granted") return;
    const granted = lease.state === "granted" && typeof lease.epoch === "number";
    if (granted && this.#state.name === "claiming") void this.#begin(lease.epoch!, standing);
    else if (granted && this.#state.name === "holding") this.#goOn(lease.epoch!, standing);
    else if (!granted && this.#state.name === "holding") this.#yield(lease.state);
    else if (this.#state.name === "claiming" && this.#state.held !== lease.state) {
      this.#tell(lease.state, lease.epoch ?? 0);
      if (lease.state === "held") {
        this.#alarm("LEASE_HELD", `edge ${lease.edge ?? "unknown"} holds it`);
      } else if (lease.state === "unknown") {
        this.#alarm("LEASE_UNKNOWN", "the hub has no such account");
      }
      this.#state = { name: "claiming", held: lease.state };
    }
  }

  async #begin(epoch: number, standing: Standing): Promise<void> {
    const plan = standing.assignment ?? [];
    this.#state = { name: "holding", epoch, assignmentEpoch: standing.assignmentEpoch ?? 0 };
    this.#sequencer.assign(plan, standing.positions ?? []);
    this.#tell("granted", epoch);
    await this.#feedGone;
    if (this.#holds(epoch) && !this.#isStopping) this.#feed.start(plan);
  }

  /** Asked anew after an await: the lease may have gone meanwhile. */
  #holds(epoch: number): boolean {
    return this.#state.name === "holding" && this.#state.epoch === epoch;
  }

  /** Still ours; perhaps under a newer epoch or with another assignment. */
  #goOn(epoch: number, standing: Standing): void {
    if (this.#state.name !== "holding") return;
    const assignmentEpoch = standing.assignmentEpoch ?? this.#state.assignmentEpoch;
    if (standing.assignment && assignmentEpoch !== this.#state.assignmentEpoch) {
      const plan: readonly Registration[] = standing.assignment;
      this.#sequencer.assign(plan);
      this.#feed.replan(plan);
    }
    this.#state = { name: "holding", epoch, assignmentEpoch };
  }

  /** Somebody else holds the account now: close the socket before anything else is read from it. */
  #yield(state: string): void {
    this.#state = { name: "claiming", held: state };
    this.#feed.destroy();
    this.#feedGone = this.#feed.stop();
    this.#tell(state, 0);
    this.#alarm("LEASE_LOST", `the hub says ${state}`);
  }

  #take(ticks: readonly Tick[]): void {
    const { account, outbox, clock } = this.#options;
    if (this.#state.name !== "holding") return;
    const nowMs = clock.monoMs();
    for (const tick of ticks) {
      const row = this.#sequencer.accept(tick);
      if (row.kind === "reject") this.#noteRefused(row);
      outbox.push(account, this.#state.epoch, row, nowMs);
    }
    this.#lastTickMs = clock.nowMs();
  }

  #refuse(reject: Reject): void {
    const { account, outbox, clock } = this.#options;
    if (this.#state.name !== "holding") return;
    this.#noteRefused(reject);
    outbox.push(account, this.#state.epoch, this.#sequencer.stamp(reject), clock.monoMs());
  }

  #noteRefused({ code, reason }: Reject): void {
    const noted = this.#refused.get(code);
    if (noted) noted.count += 1;
    else this.#refused.set(code, { count: 1, reason });
  }

  #tellRefused(): void {
    const { account: source, emit } = this.#options;
    for (const [code, { count, reason }] of this.#refused) {
      emit({ event: "record_quarantined", source, code, count, reason });
    }
    this.#refused.clear();
  }

  #stopped(): boolean {
    return this.#state.name === "stopped";
  }

  #alarm(code: ErrorCode, reason: string): void {
    this.#options.emit({ event: "feed_alarmed", source: this.#options.account, code, reason });
  }

  #tell(state: string, epoch: number): void {
    this.#options.emit({ event: "lease_moved", account: this.#options.account, state, epoch });
  }
}
