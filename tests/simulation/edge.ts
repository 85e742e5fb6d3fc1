// An edge process of a run, composed as app/edge/edge.ts composes it: real collectors, outbox, sender and
// gateway transport; the feed's socket and the link are virtual. It also asks for refills, as the hub's
// word on gaps and the broker's REST let it.
import { Collector } from "../../app/edge/collector.ts";
import type { FeedSink } from "../../app/edge/feed/feed.ts";
import type { PastTrade } from "../../app/edge/feed/history.ts";
import { Outbox, OUTBOX_DEFAULTS } from "../../app/edge/outbox/outbox.ts";
import { GatewayTransport } from "../../app/edge/uplink/gateway-transport.ts";
import { Sender } from "../../app/edge/uplink/sender.ts";
import { every, sleep, type Clock } from "../../app/shared/clock.ts";
import { TickhubError } from "../../app/shared/errors.ts";
import { HEARTBEAT } from "../../app/shared/heartbeat.ts";
import type { Trade } from "../../app/shared/tick.ts";
import { NO_COUNT } from "../../app/shared/tick.ts";
import type { Wish } from "../../app/shared/gateway-protocol.ts";
import { createVirtualFeed } from "./feed.ts";
import type { Process } from "./host.ts";
import type { Captured } from "./laws.ts";
import { type Gap, tradesFor } from "./refill.ts";
import type { World } from "./world.ts";

/** Shorter than production's, as all times of a run are. */
const TIMINGS = { answerMs: 2_000, verdictMs: 8_000 };
const BREAKER = { cooldownMaxMs: 2_000 };
const REFILL_MS = 2_000;
const DRAIN_MS = 6_000;
const RELEASE_MS = 2_000;

export class EdgeProcess {
  readonly process: Process;
  readonly edge: string;
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly collectors: readonly Collector[];
  readonly holders = new Map<string, string>();
  /** What it took, by account; a record's place is its capture number. */
  readonly captured = new Map<string, Captured[]>();
  /** Set at its end: what it held then. */
  heldAtEnd: number | null = null;
  /** No answer about its lease comes to it, although its batches get through. */
  isDeaf = false;
  #endedMs: number | null = null;
  readonly #world: World;
  readonly #sinks = new Map<string, FeedSink>();
  #isStopping = false;

  constructor(world: World, process: Process, edge: string, accounts: readonly string[]) {
    this.#world = world;
    this.process = process;
    this.edge = edge;
    const clock = this.#clock();
    this.outbox = this.#watched(
      new Outbox({
        ...OUTBOX_DEFAULTS,
        bytesMax: world.outboxBytes,
        mintStream: () => world.mintStream(this),
      }),
    );
    const emit = world.emitOf(process);
    this.sender = new Sender({
      ...{ url: "ws://hub.sim", edge, token: "", version: "sim", bootId: process.name },
      ...{ outbox: this.outbox, clock: process.clock, emit, breaker: BREAKER },
      connect: () => this.#transport(),
    });
    this.collectors = accounts.map((account) => {
      const holder = world.uuid();
      this.holders.set(account, holder);
      this.captured.set(account, []);
      this.sender.addHolder(account, holder);
      return new Collector({
        ...{ account, holder, outbox: this.outbox, clock, emit, market: (wallMs) => wallMs },
        createFeed: (sink) => this.#feed(account, sink),
        ask: (name, holderId, wish) => this.#ask(name, holderId, wish),
      });
    });
  }

  start(): void {
    this.sender.start();
    for (const collector of this.collectors) collector.start();
    every(this.process.clock, REFILL_MS, () => this.#refill());
  }

  get isOver(): boolean {
    return this.#endedMs !== null;
  }

  /** When it ended, true time; Infinity while it lives. */
  get endedMs(): number {
    return this.#endedMs ?? Infinity;
  }

  /** SIGKILL. What it held is lost with it. */
  crash(): void {
    if (this.isOver) return;
    this.heldAtEnd = this.outbox.ledger().held;
    this.#endedMs = this.process.host.timeline.nowMs;
    this.process.kill();
  }

  /** SIGTERM: close, drain, release, as app/edge/edge.ts does. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { clock } = this.process;
    await Promise.all(this.collectors.map((collector) => collector.stopFeed()));
    await this.sender.drain(clock.monoMs() + DRAIN_MS);
    const released = Promise.all(this.collectors.map((collector) => collector.release()));
    await Promise.race([released, sleep(clock, RELEASE_MS)]);
    await this.sender.stop();
    this.crash();
  }

  /** The clock of the collectors. Planted: one on which a suspend does not show. */
  #clock(): Clock {
    const { clock } = this.process;
    if (!this.#world.plant.keepsLeaseOverSuspend) return clock;
    const originMs = clock.nowMs() - clock.monoMs();
    return { ...clock, nowMs: () => originMs + clock.monoMs() };
  }

  /** Tells the laws of every record that is taken and every verdict that is heard. */
  #watched(outbox: Outbox): Outbox {
    const { laws } = this.#world;
    const [push, settle] = [outbox.push.bind(outbox), outbox.settle.bind(outbox)];
    outbox.push = (account, epoch, row, nowMs) => {
      if (row.kind !== "news" && row.kind !== "log") laws.captured(this, account, epoch, row);
      push(account, epoch, row, nowMs);
    };
    outbox.settle = (verdict) => {
      laws.acked(this, verdict);
      return settle(verdict);
    };
    return this.#world.plant.trimsInFlight ? trimmingInFlight(outbox, settle) : outbox;
  }

  #transport(): GatewayTransport {
    const { process, edge } = this;
    const transport = new GatewayTransport(new URL(`ws://${process.name}.sim`), {
      ...{ edge, token: "t", version: "sim", bootId: process.name, clock: process.clock },
      ...{ ...TIMINGS, heartbeat: HEARTBEAT },
    });
    const send = transport.send.bind(transport);
    transport.send = (bytes, holder) => {
      this.#world.laws.sending(this, bytes);
      return send(bytes, holder);
    };
    return transport;
  }

  #feed(account: string, sink: FeedSink) {
    this.#sinks.set(account, sink);
    const { laws, plant } = this.#world;
    return createVirtualFeed({
      ...{
        source: account,
        sink,
        clock: this.process.clock,
        emit: this.#world.emitOf(this.process),
      },
      dial: () => this.#world.dialBroker(this.process, account),
      took: (bytes, take) => laws.tookFrame(this, account, bytes, take),
      ignoresCount: plant.ignoresCount ?? false,
    });
  }

  async #ask(account: string, holder: string, wish: Wish) {
    if (this.isDeaf) throw new TickhubError("UPLINK_TIMEOUT", { account });
    const accounts = Object.fromEntries(this.collectors.map((one) => [one.account, one.status()]));
    this.#world.laws.wished(this, account, wish);
    return this.sender.ask({ account, holder, edge: this.edge, wish, status: { accounts } });
  }

  /** Gets what the hub misses from the broker's REST, where this process holds the account. */
  #refill(): void {
    if (this.#isStopping || this.sender.status().link !== "up") return;
    for (const collector of this.collectors) {
      if (collector.status().feed !== "live" || collector.status().lease !== "holding") continue;
      for (const gap of this.#world.openGaps(collector.account)) this.#refillGap(gap);
    }
  }

  #refillGap(gap: Gap): void {
    const name = `${gap.account} ${gap.symbol} ${gap.seqFrom} ${gap.seqTo}`;
    const rest = this.#world.broker.rest(gap.account, gap.symbol, gap.seqFrom, gap.seqTo);
    const rows = tradesFor(gap, rest, this.#world.plant.unclippedRefill ?? false);
    this.process.host.timeline.note(`${this.process.name} refills ${name}: ${rows.length}`);
    const edgeRecvMs = this.process.clock.nowMs();
    this.#sinks.get(gap.account)?.ticks(rows.map((past) => tradeOf(gap, past, edgeRecvMs)));
  }
}

/** Planted: when much waits, the oldest batch that was sent is given up with the rest. */
function trimmingInFlight(outbox: Outbox, settle: Outbox["settle"]): Outbox {
  const [next, ledger] = [outbox.next.bind(outbox), outbox.ledger.bind(outbox)];
  let sent: { stream: string; number: number; rows: number } | null = null;
  let trimmed = 0;
  outbox.next = (nowMs, window) => {
    const parcel = next(nowMs, window);
    if (sent && ledger().held > 100) {
      const { stream, number, rows } = sent;
      const given = { stream, number, committed: 0, duplicate: 0, quarantined: rows };
      if (settle(given) === "settled") trimmed += rows;
    }
    sent = parcel;
    return parcel;
  };
  outbox.ledger = () => {
    const sum = ledger();
    return { ...sum, quarantined: sum.quarantined - trimmed, lost: sum.lost + trimmed };
  };
  return outbox;
}

function tradeOf({ symbol }: Gap, past: PastTrade, edgeRecvMs: number): Trade {
  const iso = new Date(past.exchangeMs + 9 * 3_600_000).toISOString();
  const day = Number(iso.slice(0, 10).replaceAll("-", ""));
  return {
    ...past,
    ...{ kind: "trade", symbol, venue: "KRX", day, edgeRecvMs, capture: 0, chain: 0 },
    ...{ extra: null, session: 2, sellCount: NO_COUNT, buyCount: NO_COUNT },
  };
}
