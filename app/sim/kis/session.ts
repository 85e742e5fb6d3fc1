// One socket at KIS: what it has registered, its heartbeat, and the trades waiting to share a frame.
import type { Timer } from "../../shared/clock.ts";
import { every } from "../../shared/clock.ts";
import type { BrokerContext } from "../broker.ts";
import type { RecordKind } from "../counts.ts";
import type { Faults } from "../faults.ts";
import { kst } from "../time.ts";
import type { Wire } from "../wire.ts";
import { joinRecords } from "./template.ts";

const EXTRA_FIELD = "^7";

export class KisSession {
  readonly wire: Wire;
  /** App key; null until the first registration. */
  account: string | null = null;
  readonly #context: BrokerContext;
  readonly #faults: Faults;
  readonly #keysByTr = new Map<string, Set<string>>();
  #registrations = 0;
  #waiting: { tr: string; key: string; kind: RecordKind; records: string[] } | undefined;
  #unansweredSinceMs: number | undefined;
  readonly #heartbeat: Timer;

  constructor(wire: Wire, context: BrokerContext, faults: Faults) {
    this.wire = wire;
    this.#context = context;
    this.#faults = faults;
    this.#heartbeat = every(context.clock, context.options.pingpongMs, () => this.#beat());
  }

  get registrations(): number {
    return this.#registrations;
  }

  get hasAny(): boolean {
    return this.#registrations > 0;
  }

  has(tr: string, key: string): boolean {
    return this.#keysByTr.get(tr)?.has(key) ?? false;
  }

  add(tr: string, key: string): void {
    const keys = this.#keysByTr.get(tr);
    if (keys) keys.add(key);
    else this.#keysByTr.set(tr, new Set([key]));
    this.#registrations += 1;
  }

  remove(tr: string, key: string): void {
    this.flush();
    if (this.#keysByTr.get(tr)?.delete(key)) this.#registrations -= 1;
  }

  /** The client answered PINGPONG, in either of the two ways. */
  answered(): void {
    this.#unansweredSinceMs = undefined;
  }

  /** Sends a record; consecutive trades of one registration share a frame. */
  queue(tr: string, key: string, kind: RecordKind, record: string): void {
    if (this.#faults.take("truncate")) {
      this.flush();
      const cut = joinRecords(tr, 1, [record]).slice(0, -Math.ceil(record.length / 2));
      this.wire.data(cut, ["garbage"]);
      return;
    }
    if (this.#waiting?.tr !== tr || this.#waiting.key !== key) this.flush();
    this.#waiting ??= { tr, key, kind, records: [] };
    this.#waiting.records.push(record);
    const recordsMax = kind === "trade" ? this.#context.options.recordsMax : 1;
    if (this.#waiting.records.length >= recordsMax) this.flush();
  }

  flush(): void {
    if (!this.#waiting) return;
    const { tr, kind, records } = this.#waiting;
    this.#waiting = undefined;
    const kinds = Array<RecordKind>(records.length).fill(kind);
    // A frame has one of the two at most: a wrong count over an unknown width cannot be read for sure.
    if (this.#faults.take("extra-field")) {
      const wide = records.map((record) => record + EXTRA_FIELD);
      this.wire.data(joinRecords(tr, wide.length, wide), kinds);
    } else if (this.#faults.take("wrong-count")) {
      this.wire.data(joinRecords(tr, records.length === 1 ? 2 : 1, records), kinds);
    } else this.wire.data(joinRecords(tr, records.length, records), kinds);
  }

  /** OPSP8996, which names no registration (kis.md §2.2), and a cut. */
  evict(): void {
    this.wire.controlAndCut({
      header: { tr_id: "(null)", tr_key: "", encrypt: "N" },
      body: { rt_cd: "9", msg_cd: "OPSP8996", msg1: "ALREADY IN USE appkey" },
    });
  }

  /** The socket is gone. */
  end(): void {
    this.#heartbeat.cancel();
    this.#waiting = undefined;
  }

  #beat(): void {
    if (this.wire.isStalled) return;
    const { clock, options } = this.#context;
    const nowMs = clock.monoMs();
    if (this.#unansweredSinceMs !== undefined) {
      if (nowMs - this.#unansweredSinceMs >= options.pongTimeoutMs) {
        this.wire.socket.close(1000);
        return;
      }
    }
    this.#unansweredSinceMs ??= nowMs;
    const { date, time } = kst(clock.nowMs());
    this.wire.control({ header: { tr_id: "PINGPONG", datetime: date + time } });
  }
}
