// The sender's decisions, with time in the test's hands and a hub of a few lines.
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Outbox, OUTBOX_DEFAULTS } from "../../../app/edge/outbox/outbox.ts";
import { Sender } from "../../../app/edge/uplink/sender.ts";
import type { Opened, Question, Transport } from "../../../app/edge/uplink/transport.ts";
import { readHeader } from "../../../app/shared/batch.ts";
import { TickhubError } from "../../../app/shared/errors.ts";
import type { Event } from "../../../app/shared/events.ts";
import type { Standing } from "../../../app/shared/gateway-protocol.ts";
import { TABLES_TAKEN } from "../../../app/shared/table.ts";
import { isBalanced } from "../../../app/shared/tick.ts";
import type { Verdict } from "../../../app/shared/tick.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { trades } from "../../support/hub.ts";

/** A hub with the rules that matter here: numbers in order, each once; and every way to fail. */
class ModelHub {
  system = "7000000000000000001";
  reachable = true;
  /** Answers nothing until released. */
  isHolding = false;
  /** Refuses each batch with it. */
  fails: (stream: string, number: number) => TickhubError | null = () => null;
  /** Rows the next verdict leaves out. */
  short = 0;
  readonly last = new Map<string, number>();
  /** stream/number, in the order of arrival. */
  readonly arrived: string[] = [];
  committed = 0;
  opens = 0;
  transport: ModelTransport | null = null;
  #waiting: (() => void)[] = [];

  connect = (): Transport => (this.transport = new ModelTransport(this));

  async take(bytes: Uint8Array): Promise<Verdict> {
    const { stream, number, rows } = readHeader(bytes);
    this.arrived.push(`${stream}/${number}`);
    if (this.isHolding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const failure = this.fails(stream, number);
    if (failure) throw failure;
    const last = this.last.get(stream) ?? 0;
    if (number > last + 1) throw new TickhubError("STREAM_HOLE", { expected: last + 1 });
    const isNew = number === last + 1;
    if (isNew) this.last.set(stream, number);
    if (isNew) this.committed += rows;
    const committed = rows - this.short;
    this.short = 0;
    return { stream, number, committed, duplicate: 0, quarantined: 0, lost: 0 };
  }

  release(): void {
    this.isHolding = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

class ModelTransport implements Transport {
  readonly url = "ws://model";
  readonly #hub: ModelHub;
  #closed: (error: TickhubError) => void = () => undefined;
  #isGone = false;
  #rejects = new Set<(error: TickhubError) => void>();

  constructor(hub: ModelHub) {
    this.#hub = hub;
  }

  async open(): Promise<Opened> {
    this.#hub.opens++;
    await Promise.resolve();
    if (!this.#hub.reachable) throw new TickhubError("UPLINK_UNREACHABLE");
    return {
      system: this.#hub.system,
      hub: "model",
      hubMs: 0,
      inFlightMax: 8,
      inFlightBytesMax: 1e6,
      tables: TABLES_TAKEN,
    };
  }
  ask(): Promise<Standing> {
    return Promise.resolve({
      system: this.#hub.system,
      nowMs: 5,
      lease: { state: "granted", epoch: 1 },
    });
  }
  send(bytes: Uint8Array): Promise<Verdict> {
    if (this.#isGone) return Promise.reject(new TickhubError("UPLINK_CLOSED"));
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject);
      this.#hub.take(bytes).then(resolve, reject);
    });
  }
  onClosed(listener: (error: TickhubError) => void): void {
    this.#closed = listener;
  }
  close(): Promise<void> {
    this.#isGone = true;
    return Promise.resolve();
  }
  /** The link breaks: everything under way is rejected. */
  break(): void {
    this.#isGone = true;
    const error = new TickhubError("UPLINK_CLOSED");
    for (const reject of this.#rejects) reject(error);
    this.#closed(error);
  }
}

function setUp() {
  const clock = new FakeClock();
  const hub = new ModelHub();
  const events: Event[] = [];
  const outbox = new Outbox({ ...OUTBOX_DEFAULTS, bytesMax: 1e7, mintStream: randomUUID });
  const sender = new Sender({
    ...{ url: "ws://model", edge: "kis", token: "", version: "t", bootId: "b" },
    ...{ outbox, clock, connect: hub.connect },
    emit: (event) => events.push(event),
  });
  sender.addHolder("kis:1", randomUUID());
  let seq = 0;
  return {
    ...{ clock, hub, events, outbox, sender },
    push: (count: number) => {
      for (const row of trades(count, seq, {}, clock)) outbox.push("kis:1", 1, row, clock.monoMs());
      seq += count * 10;
    },
    /** Lets time pass, and promises have their turns. */
    pass: (ms: number) => clock.advanceSlowly(ms, 5),
    refused: () => events.filter((event) => event.event === "uplink_refused"),
  };
}

describe("sender", () => {
  test("rows are sent when their seal time is over, and leave the outbox by the verdict", async () => {
    const { sender, outbox, hub, push, pass } = setUp();
    sender.start();
    await pass(20);
    push(7);
    await pass(60);
    expect(hub.committed).toBe(0);
    await pass(60);
    expect(hub.committed).toBe(7);
    expect(outbox.ledger()).toMatchObject({ received: 7, committed: 7, held: 0 });
    expect(sender.status()).toMatchObject({ breaker: "closed", link: "up" });
    expect(sender.status().p50Ms).toBeGreaterThanOrEqual(100);
  });

  test("a full batch does not wait for its seal time", async () => {
    const { sender, hub, push, pass } = setUp();
    sender.start();
    await pass(20);
    push(1_000);
    await pass(30);
    expect(hub.committed).toBe(1_000);
  });

  test("no more is under way than the other side allows", async () => {
    const { sender, hub, push, pass } = setUp();
    hub.isHolding = true;
    sender.start();
    for (let i = 0; i < 50; i++) {
      push(1_000);
      await pass(20);
    }
    expect(hub.arrived).toHaveLength(8);
    hub.release();
    await pass(2_000);
    expect(hub.committed).toBe(50_000);
  });

  test("after the link broke, what has no verdict goes again: same numbers, in order, before the rest", async () => {
    const { sender, outbox, hub, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.isHolding = true;
    for (let i = 0; i < 3; i++) {
      push(1_000);
      await pass(20);
    }
    const first = [...hub.arrived];
    hub.transport!.break();
    hub.release();
    push(1_000);
    await pass(2_000);
    expect(hub.arrived.slice(3, 6)).toEqual(first);
    expect(hub.arrived).toHaveLength(7);
    // The broken link had delivered them: they hear their first verdict, and every row is stored once.
    expect(outbox.ledger()).toMatchObject({
      received: 4_000,
      held: 0,
      committed: 4_000,
      duplicate: 0,
    });
    expect(hub.committed).toBe(4_000);
  });

  test("one failed batch fails the breaker once, however many were under way", async () => {
    const { sender, hub, events, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.isHolding = true;
    for (let i = 0; i < 8; i++) {
      push(1_000);
      await pass(10);
    }
    let failures = 8;
    hub.fails = () => (failures-- > 0 ? new TickhubError("DATABASE_UNREACHABLE") : null);
    hub.release();
    await pass(100);
    expect(hub.committed).toBe(8_000);
    expect(events.filter(({ event }) => event === "breaker_moved")).toEqual([]);
  });

  test("while the database is away the hub gets one probe per cool-down, then everything", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.fails = () => new TickhubError("DATABASE_UNREACHABLE");
    push(10);
    await pass(60_000);
    expect(sender.status()).toMatchObject({ link: "up", breaker: "open" });
    // 3 to open it; then cool-downs of 0.375, 0.75, 1.5, 3 and 3.75 s for the rest of the minute.
    expect(hub.arrived.length).toBeLessThan(25);
    expect(hub.arrived.length).toBeGreaterThan(10);
    hub.fails = () => null;
    await pass(5_000);
    expect(hub.committed).toBe(10);
    expect(outbox.ledger().held).toBe(0);
    expect(sender.status().breaker).toBe("closed");
  });

  test("a database that refuses batches is not taken for well because it answers heartbeats", async () => {
    const { sender, hub, outbox, push, pass, events } = setUp();
    sender.start();
    await pass(20);
    hub.fails = () => new TickhubError("DATABASE_FULL");
    for (let second = 0; second < 60; second++) {
      push(1_000);
      // Each batch is under way for half a second, and heartbeats are answered meanwhile.
      hub.isHolding = true;
      await pass(500);
      await sender.ask({} as Question);
      hub.release();
      await pass(500);
    }
    // A window of 8, thrice at most, until the breaker opens; then one batch a cool-down.
    expect(hub.arrived.length).toBeLessThan(3 * 8 + 25);
    expect(sender.status()).toMatchObject({ link: "up", breaker: "open" });
    expect(events.filter((event) => event.event === "breaker_moved").at(-1)).toMatchObject({
      code: "DATABASE_FULL",
    });
    hub.fails = () => null;
    await pass(6_000);
    expect(outbox.ledger()).toMatchObject({ received: 60_000, committed: 60_000, held: 0 });
    expect(hub.opens).toBe(1);
  });

  test("a probe that the hub refuses for good is an answer too: the next heartbeat ends it", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.fails = () => new TickhubError("DATABASE_FULL");
    push(1_000);
    await pass(3_000);
    expect(sender.status().breaker).toBe("open");
    hub.fails = (_stream, number) => (number === 1 ? new TickhubError("BATCH_CORRUPT") : null);
    await pass(5_000);
    expect(sender.status().breaker).toBe("probing");
    await sender.ask({} as Question);
    expect(sender.status().breaker).toBe("closed");
    hub.fails = () => null;
    push(1_000);
    await pass(1_000);
    expect(outbox.ledger()).toMatchObject({ committed: 1_000, held: 1_000 });
  });

  test("a database that needs half a minute for a batch is slow, not away: it gets the next at once", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.fails = () => new TickhubError("DATABASE_SLOW");
    hub.isHolding = true;
    for (let i = 0; i < 5; i++) {
      push(1_000);
      await pass(20);
    }
    hub.release();
    await pass(3_000);
    expect(sender.status().breaker).toBe("open");
    hub.fails = () => null;
    hub.isHolding = true;
    const { length } = hub.arrived;
    await pass(30_000);
    expect(hub.arrived).toHaveLength(length + 1);
    hub.release();
    for (let i = 0; i < 10; i++) push(1_000);
    await pass(1_000);
    expect(outbox.ledger()).toMatchObject({ committed: 15_000, held: 0 });
  });

  test("an unreachable hub is tried ever more rarely, and found within five seconds of its return", async () => {
    const { sender, hub, push, pass } = setUp();
    hub.reachable = false;
    sender.start();
    push(10);
    await pass(120_000);
    expect(hub.opens).toBeGreaterThan(20);
    expect(hub.opens).toBeLessThan(45);
    await expect(sender.ask({} as Question)).rejects.toMatchObject({ code: "UPLINK_UNREACHABLE" });
    hub.reachable = true;
    await pass(5_000);
    expect(hub.committed).toBe(10);
  });

  test("a batch the hub will never take stands aside, and the rows behind it flow", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    push(10);
    await pass(200);
    hub.fails = (_stream, number) => (number === 2 ? new TickhubError("BATCH_CORRUPT") : null);
    push(20);
    await pass(200);
    push(30);
    await pass(1_000);
    expect(outbox.ledger()).toMatchObject({ committed: 40, held: 20 });
    expect(isBalanced(outbox.ledger())).toBe(true);
  });

  test("a verdict that does not add up sets its batch aside with an alarm, and the lane goes on", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.short = 1;
    push(1_000);
    await pass(500);
    push(1_000);
    await pass(500);
    expect(outbox.ledger()).toMatchObject({ received: 2_000, committed: 1_000, held: 1_000 });
    expect(outbox.drainEmpty()).toBe(true);
  });

  test("another database gets nothing; once the old one is back, everything goes on", async () => {
    const { sender, hub, outbox, push, pass, refused } = setUp();
    sender.start();
    await pass(20);
    push(10);
    await pass(200);
    const { system } = hub;
    hub.system = "7000000000000000002";
    hub.transport!.break();
    push(10);
    await pass(30_000);
    expect(hub.committed).toBe(10);
    expect(outbox.ledger().held).toBe(10);
    expect(sender.status().link).toBe("replaced");
    expect(refused()[0]).toMatchObject({ code: "DATABASE_REPLACED" });
    hub.system = system;
    await pass(6_000);
    expect(hub.committed).toBe(20);
  });

  test("a database that changes behind a standing link is noticed with the next question", async () => {
    const { sender, hub, push, pass } = setUp();
    sender.start();
    await pass(20);
    push(10);
    await pass(200);
    hub.system = "7000000000000000002";
    await sender.ask({} as Question);
    push(10);
    await pass(5_000);
    expect(sender.status().link).toBe("replaced");
    expect(hub.committed).toBe(10);
  });

  test("a process that has sent nothing yet takes the database it finds", async () => {
    const { sender, hub, push, pass } = setUp();
    sender.start();
    await pass(20);
    hub.system = "7000000000000000002";
    hub.transport!.break();
    await pass(1_000);
    push(10);
    await pass(1_000);
    expect(hub.committed).toBe(10);
  });

  test("a hub that forgot what it acked stops that stream, not the lane", async () => {
    const { sender, hub, outbox, push, pass } = setUp();
    sender.start();
    await pass(20);
    for (let i = 0; i < 3; i++) {
      push(10);
      await pass(200);
    }
    const stream = [...hub.last.keys()][0]!;
    hub.last.set(stream, 1);
    push(10);
    await pass(1_000);
    push(10);
    await pass(1_000);
    expect(outbox.ledger()).toMatchObject({ received: 50, committed: 40, held: 10 });
  });

  test("draining seals what waits and ends as soon as nothing is left", async () => {
    const { sender, hub, clock, push, pass } = setUp();
    sender.start();
    await pass(20);
    push(10);
    let isDone = false;
    void sender.drain(clock.monoMs() + 10_000).then(() => (isDone = true));
    await pass(20);
    expect(hub.committed).toBe(10);
    expect(isDone).toBe(true);
  });

  test("draining ends at its deadline when the hub is away", async () => {
    const { sender, hub, clock, push, pass } = setUp();
    hub.reachable = false;
    sender.start();
    push(10);
    let isDone = false;
    void sender.drain(clock.monoMs() + 10_000).then(() => (isDone = true));
    await pass(9_900);
    expect(isDone).toBe(false);
    await pass(200);
    expect(isDone).toBe(true);
  });

  test("an answer from before an ack does not make a stream forgotten; a new link's answer does", async () => {
    const { sender, hub, outbox, events, push, pass } = setUp();
    const stuck = () => outbox.stats(0).batches;
    sender.start();
    await pass(20);
    push(1);
    await pass(200);
    const opens = hub.opens;
    // The answer to an older copy of batch 2 overtakes: it knows nothing of batch 1.
    let late = 1;
    hub.fails = () => (late-- > 0 ? new TickhubError("STREAM_HOLE", { expected: 1 }) : null);
    push(1);
    await pass(3_000);
    expect(hub.opens).toBe(opens + 1);
    expect(outbox.ledger()).toMatchObject({ held: 0, committed: 2 });
    // A database that has really forgotten says so again.
    hub.last.clear();
    push(1);
    await pass(3_000);
    expect(outbox.ledger()).toMatchObject({ held: 1, committed: 2 });
    expect(events.filter(({ event }) => event === "uplink_refused")).toEqual([]);
    push(1);
    await pass(3_000);
    expect(outbox.ledger()).toMatchObject({ held: 1, committed: 3 });
    expect(stuck()).toBe(1);
    await sender.stop();
  });
});
