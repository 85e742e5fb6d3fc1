// One broker account at this edge: holds its lease, runs its feed while it does, and hands every record to
// the outbox under the epoch it was captured in. Promises: the broker's socket is open only while this
// process holds the account; a hub that does not answer does not stop a collection that was granted, except
// by a time limit that was granted with it; a process that was stopped meanwhile closes its socket before
// it takes another record.
import { every } from "../shared/clock.ts";
import type { Clock, Timer } from "../shared/clock.ts";
import { TickhubError } from "../shared/errors.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { Emit } from "../shared/events.ts";
import type { AccountStatus, FeedSession, Standing, Wish } from "../shared/gateway-protocol.ts";
import type { MarketClock } from "../shared/market-clock.ts";
import { sumOf } from "../shared/tick.ts";
import type { Ledger, Reject, Tick } from "../shared/tick.ts";
import type { Feed, FeedSink, Registration } from "./feed/feed.ts";
import { Sequencer } from "./feed/sequencer.ts";
import { SessionLog } from "./feed/session-log.ts";
import { LeaseClock } from "./lease-clock.ts";
import type { Doubt, Moment, Terms } from "./lease-clock.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { Refiller } from "./refill/refiller.ts";
import { RefusedTally } from "./refused-tally.ts";

/** How often the lease is asked for, and then kept. */
const LEASE_ASK_MS = 1_000;
/** How often the lease is looked at while no record comes; with one, before it is taken. */
const LEASE_LOOK_MS = 250;
/** How long a revoked account's lease is kept so that its rows get out; those left behind are stored all the same. */
const LEAVE_DRAIN_MS = 20_000;
/** What an account's records travel as. */
const LANES = ["trade", "book", "status", "quarantine", "backfill"] as const;

export interface CollectorOptions {
  account: string;
  /** This process's name for itself in leases: a UUID minted at its start. */
  holder: string;
  /** Builds the feed around the collector's sink; `onCap` takes a registration limit the broker enforced. */
  createFeed: (sink: FeedSink, onCap: (cap: number) => void) => Feed;
  /** Keeps the raw frames, when a tape is wanted. */
  keepFrame?: FeedSink["frame"];
  /** Asks the broker for what is missing; without one the hub hands out nothing. */
  refiller?: Refiller;
  ask: (account: string, holder: string, wish: Wish) => Promise<Standing>;
  /** True for a holder whose process is known to be dead, and its socket with it. */
  isDead?: (holder: string) => boolean;
  outbox: Outbox;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
}

/**
 *   claiming --granted--> holding --lost to another holder--> claiming
 *   holding --in doubt--> returning --released, or not ours any more--> claiming
 *   holding --revoked--> leaving --socket closed, drained or out of patience--> returning
 *   any --stop--> stopped
 * A lease in doubt is given back before it is claimed again: a new socket needs the broker's quiet time.
 */
type State =
  | { name: "claiming"; told: string }
  | { name: "holding"; epoch: number; assignmentEpoch: number; lease: LeaseClock }
  | { name: "leaving"; epoch: number; lease: LeaseClock; untilMs: number }
  | { name: "returning" }
  | { name: "stopped" };

const WISHES: Readonly<Record<Exclude<State["name"], "stopped">, Wish>> = {
  claiming: "claim",
  holding: "hold",
  leaving: "hold",
  returning: "release",
};

export class Collector {
  readonly account: string;
  readonly #options: CollectorOptions;
  readonly #feed: Feed;
  #state: State = { name: "claiming", told: "" };
  readonly #sequencer: Sequencer;
  readonly #sessions = new SessionLog();
  #plan: readonly Registration[] = [];
  /** Resolves when the socket of the lease before is gone. */
  #feedGone: Promise<void> = Promise.resolve();
  #asking: Timer | null = null;
  #looking: Timer | null = null;
  #askOpen = false;
  /** Of a lease that is left: its socket is closed. */
  #isSocketGone = false;
  /** Nothing is begun any more; a lease that is held is kept until `release`, or a successor would come too soon. */
  #isStopping = false;
  #cap: number | undefined;
  readonly #refused: RefusedTally;
  #lastTickMs = 0;
  /** The frame in hand when a doubt was found, until its last record: not the market's, but ours to keep. */
  #reading: { epoch: number; doubt: Doubt } | null = null;

  constructor(options: CollectorOptions) {
    this.account = options.account;
    this.#options = options;
    this.#refused = new RefusedTally(options.account, options.emit);
    this.#sequencer = new Sequencer({ market: options.market });
    const sink: FeedSink = {
      ticks: (ticks) => this.#take(ticks),
      reject: (reject) => this.#refuse(reject),
      registering: (registration) => this.#sequencer.registering(registration),
      ...(options.keepFrame ? { frame: options.keepFrame } : {}),
      moved: (line, to, code) => this.#sessions.moved(line, to, this.#marketMs(), code),
      heard: (line, edgeRecvMs) => this.#heard(line, edgeRecvMs),
      silent: (_line, sinceMs) => this.#sessions.end("FEED_SILENT", sinceMs),
    };
    this.#feed = options.createFeed(sink, (cap) => (this.#cap = cap));
  }

  start(): void {
    void this.#ask();
    this.#asking = every(this.#options.clock, LEASE_ASK_MS, () => void this.#ask());
    this.#looking = every(this.#options.clock, LEASE_LOOK_MS, () => {
      if (this.#doubt() === null) this.#finishLeaving();
    });
  }

  /** Unsubscribes and closes the broker's socket. The lease stays until `release`, so that nobody else opens one before. */
  async stopFeed(): Promise<void> {
    this.#isStopping = true;
    this.#options.refiller?.hold(null);
    await this.#feed.stop();
  }

  /** Gives the account back. Does nothing when it was never granted; a hub that is away finds out by itself. */
  async release(): Promise<void> {
    this.#asking?.cancel();
    const held = this.#state.name !== "claiming" && this.#state.name !== "stopped";
    this.#looking?.cancel();
    this.#state = { name: "stopped" };
    const { account, holder, ask } = this.#options;
    if (held) await ask(account, holder, "release").catch(() => undefined);
    else if (this.#sessions.told().length > 0) {
      await ask(account, holder, "report").catch(() => undefined);
    }
  }

  /** What the hub shows of this account. */
  status(): AccountStatus {
    const { holder, clock, refiller } = this.#options;
    const feed = this.#feed.state();
    const nowMs = clock.nowMs();
    const sessions = this.#toldSessions();
    const age = (thenMs: number) => (thenMs > 0 ? nowMs - thenMs : null);
    return {
      holder,
      feed: feed.name,
      ...("code" in feed ? { code: feed.code } : {}),
      ...(feed.name === "live" ? { registrations: feed.registrations } : {}),
      frameAgeMs: age(this.#feed.lastFrameMs()),
      tickAgeMs: age(this.#lastTickMs),
      lease: this.#state.name,
      ...(this.#cap === undefined ? {} : { cap: this.#cap }),
      ...(this.#state.name === "holding" ? { assignmentEpoch: this.#state.assignmentEpoch } : {}),
      ...(sessions.length === 0 ? {} : { sessions }),
      ledger: this.#ledger(),
      ...(refiller ? { refills: [...refiller.answers] } : {}),
    };
  }

  #ledger(): Ledger {
    const { account, outbox } = this.#options;
    return sumOf(LANES.map((lane) => outbox.ledgerOf(account, lane)));
  }

  /** With what dies with this process, should it die now: the hub declares it from there on. */
  #toldSessions(): FeedSession[] {
    const { outbox, clock } = this.#options;
    const drainedMs = clock.nowMs() - outbox.stats(clock.monoMs()).oldestMs;
    return this.#sessions.told().map((one) => (one.toMs === null ? { ...one, drainedMs } : one));
  }

  /** True while this process does not hold the account: another collects it, or nobody yet. */
  isStandingBy(): boolean {
    return this.#state.name !== "holding" && this.#state.name !== "leaving";
  }

  async #ask(): Promise<void> {
    if (this.#askOpen || this.#state.name === "stopped") return;
    this.#askOpen = true;
    this.#refused.tell();
    const { account, holder, ask, refiller } = this.#options;
    try {
      const wish = WISHES[this.#state.name];
      if (wish === "release") await this.#feedGone;
      const asked = this.#now();
      const sessions = this.#sessions.told();
      const answers = refiller?.answers ?? [];
      const standing = await ask(account, holder, wish);
      this.#sessions.confirm(sessions);
      refiller?.confirmed(answers);
      this.#hear(wish, asked, standing);
      this.#refill(standing);
    } catch (error) {
      // The uplink tells of its own failures. An exclusive lease outlives them: the outbox is the limit.
      if (!(error instanceof TickhubError)) throw error;
    } finally {
      this.#askOpen = false;
    }
  }

  /** What the hub hands out is for this process only while it holds the account. */
  #refill({ refills }: Standing): void {
    const state = this.#state;
    const { refiller } = this.#options;
    const isOurs = state.name === "holding" && !this.#isStopping;
    refiller?.hold(isOurs ? state.epoch : null);
    if (isOurs && refills) refiller?.take(refills);
  }

  #hear(wish: Wish, asked: Moment, standing: Standing): void {
    const { lease } = standing;
    const granted = lease.state === "granted" && typeof lease.epoch === "number";
    switch (this.#state.name) {
      case "claiming":
        if (granted) void this.#begin(lease.epoch!, asked, standing);
        else this.#wait(standing);
        return;
      case "holding":
        // A process that was stopped finds answers from before.
        if (this.#doubt() !== null) return;
        if (granted) this.#goOn(lease.epoch!, asked, standing);
        else this.#yield(lease.state);
        if (lease.revoked) this.#leave();
        return;
      case "leaving":
        if (this.#doubt() !== null) return;
        if (granted) this.#state.lease.renew(asked, termsOf(standing));
        else this.#yield(lease.state);
        return;
      case "returning":
        if (wish === "release") this.#state = { name: "claiming", told: "" };
        return;
      case "stopped":
    }
  }

  #wait({ lease }: Standing): void {
    const { state, holder } = lease;
    if (holder && this.#options.isDead?.(holder)) void this.#bury(holder);
    if (this.#state.name !== "claiming" || this.#state.told === state) return;
    this.#tell(state, lease.epoch ?? 0);
    if (state === "held") this.#alarm("LEASE_HELD", `edge ${lease.edge ?? "unknown"} holds it`);
    if (state === "unknown") this.#alarm("LEASE_UNKNOWN", "the hub has no such account");
    if (state === "ineligible") this.#alarm("LEASE_INELIGIBLE", "it is placed at other edges");
    this.#state = { name: "claiming", told: state };
  }

  /** Gives back what a process left behind that died here: nobody has to wait for its silence. */
  async #bury(holder: string): Promise<void> {
    const { account, ask } = this.#options;
    // With it, the hub would take our own sessions for the dead one's.
    if (this.#sessions.told().length > 0) return;
    try {
      await ask(account, holder, "release");
      this.#tell("buried", 0);
    } catch (error) {
      if (!(error instanceof TickhubError)) throw error;
    }
  }

  async #begin(epoch: number, asked: Moment, standing: Standing): Promise<void> {
    const lease = new LeaseClock(asked, termsOf(standing));
    const assignmentEpoch = standing.assignmentEpoch ?? 0;
    this.#state = { name: "holding", epoch, assignmentEpoch, lease };
    this.#isSocketGone = false;
    this.#tell("granted", epoch);
    // The answer may have lain here while the process was stopped.
    if (this.#doubt() !== null) return;
    this.#plan = standing.assignment ?? [];
    this.#sequencer.assign(this.#plan, standing.positions ?? []);
    await this.#feedGone;
    if (this.#holds(lease) && !this.#isStopping) this.#feed.start(this.#plan);
  }

  /** Asked anew after an await: the lease may have gone meanwhile. */
  #holds(lease: LeaseClock): boolean {
    return this.#state.name === "holding" && this.#state.lease === lease;
  }

  /** Still ours; perhaps under a newer epoch or with another assignment. */
  #goOn(epoch: number, asked: Moment, standing: Standing): void {
    if (this.#state.name !== "holding") return;
    const { lease } = this.#state;
    lease.renew(asked, termsOf(standing));
    const assignmentEpoch = standing.assignmentEpoch ?? this.#state.assignmentEpoch;
    if (standing.assignment && assignmentEpoch !== this.#state.assignmentEpoch) {
      this.#plan = standing.assignment;
      this.#sequencer.assign(this.#plan);
      this.#feed.replan(this.#plan);
    }
    this.#state = { name: "holding", epoch, assignmentEpoch, lease };
  }

  /** The account is to be collected elsewhere: unregisters and closes; what arrives until then is still ours. */
  #leave(): void {
    if (this.#state.name !== "holding" || this.#isStopping) return;
    const { epoch, lease } = this.#state;
    const untilMs = this.#options.clock.monoMs() + LEAVE_DRAIN_MS;
    this.#state = { name: "leaving", epoch, lease, untilMs };
    this.#tell("revoked", epoch);
    this.#options.refiller?.hold(null);
    this.#feedGone = this.#feed.stop().then(() => {
      if (this.#state.name === "leaving" && this.#state.lease === lease) this.#isSocketGone = true;
    });
  }

  /** Gives the account back once its socket is gone and its rows are stored; a link that stalls does not hold it. */
  #finishLeaving(): void {
    if (this.#state.name !== "leaving" || !this.#isSocketGone) return;
    const { held } = this.#ledger();
    if (held > 0) {
      if (this.#options.clock.monoMs() < this.#state.untilMs) return;
      this.#alarm(
        "LEASE_REVOKED",
        `${held} records wait here; they are stored when the hub is back`,
      );
    }
    this.#state = { name: "returning" };
    void this.#ask();
  }

  /** Somebody else holds the account now. */
  #yield(state: string): void {
    this.#state = { name: "claiming", told: state };
    this.#dropFeed(state, `the hub says ${state}`);
  }

  /** Looks whether the lease can still be trusted; if not, the socket is gone when this returns. */
  #doubt(): Doubt | null {
    if (this.#state.name !== "holding" && this.#state.name !== "leaving") return null;
    const { epoch, lease } = this.#state;
    const doubt = lease.observe(this.#now());
    if (doubt === null) return null;
    this.#state = { name: "returning" };
    this.#reading = { epoch, doubt };
    queueMicrotask(() => (this.#reading = null));
    this.#dropFeed(doubt, DOUBTS[doubt]);
    return doubt;
  }

  #dropFeed(state: string, reason: string): void {
    this.#sessions.end("LEASE_LOST");
    this.#feed.destroy();
    this.#feedGone = this.#feed.stop();
    this.#options.refiller?.hold(null);
    this.#tell(state, 0);
    this.#alarm("LEASE_LOST", reason);
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { monoMs: clock.monoMs(), wallMs: clock.nowMs() };
  }

  #marketMs(): number {
    return this.#options.market(this.#options.clock.nowMs());
  }

  /** What lay in the socket while this process was stopped is no sign of life. */
  #heard(line: string, edgeRecvMs: number): void {
    if (this.#doubt() === null) this.#sessions.heard(line, this.#options.market(edgeRecvMs));
  }

  #take(ticks: readonly Tick[]): void {
    const { account, outbox, clock } = this.#options;
    const captured = this.#capturing();
    if (captured === null) return;
    const { epoch, doubt } = captured;
    const nowMs = clock.monoMs();
    for (const tick of ticks) {
      const row =
        doubt === null
          ? this.#sequencer.accept(tick)
          : this.#sequencer.outsideLease(tick, DOUBTS[doubt]);
      if (row.kind === "reject") this.#refused.note(row);
      outbox.push(account, epoch, row, nowMs);
    }
    this.#lastTickMs = clock.nowMs();
  }

  /** Under which epoch a record comes, and the doubt that keeps it out of its table; null: not ours. */
  #capturing(): { epoch: number; doubt: Doubt | null } | null {
    if (this.#state.name !== "holding" && this.#state.name !== "leaving") return this.#reading;
    const { epoch } = this.#state;
    return { epoch, doubt: this.#doubt() };
  }

  #refuse(reject: Reject): void {
    const { account, outbox, clock } = this.#options;
    const captured = this.#capturing();
    if (captured === null) return;
    const { epoch, doubt } = captured;
    const row = this.#sequencer.stamp(reject);
    if (doubt !== null) {
      // A decoder that is mended later must not store what was read without the lease.
      row.reason = `${DOUBTS[doubt]}; ${row.reason}`;
      row.code = "OUTSIDE_LEASE";
    }
    this.#refused.note(row);
    outbox.push(account, epoch, row, clock.monoMs());
  }

  #alarm(code: ErrorCode, reason: string): void {
    this.#options.emit({ event: "feed_alarmed", source: this.#options.account, code, reason });
  }

  #tell(state: string, epoch: number): void {
    this.#options.emit({ event: "lease_moved", account: this.#options.account, state, epoch });
  }
}

const DOUBTS: Readonly<Record<Doubt, string>> = {
  expired: "no answer for as long as the lease was granted for",
  suspended: "the host slept, or its clock was set",
  stalled: "this process was stopped for so long that another may have been granted it",
};

/** A hub of the release before tells no terms: exclusive, and nothing to be late for. */
function termsOf({ lease: { mode, silenceMs, validMs } }: Standing): Terms {
  return {
    mode: mode ?? "exclusive",
    silenceMs: silenceMs ?? Infinity,
    validMs: validMs ?? Infinity,
  };
}
