// One socket at Kiwoom: what it has registered, its heartbeat, and the rows waiting to share a frame.
import type { Timer } from "../../shared/clock.ts";
import { every } from "../../shared/clock.ts";
import type { BrokerContext } from "../broker.ts";
import type { RecordKind } from "../counts.ts";
import type { Faults } from "../faults.ts";
import type { Instrument } from "../market/event.ts";
import type { Wire } from "../wire.ts";
import { defaultFrame, kiwoomLayout } from "./layout.ts";
import { joinRows, readTemplate } from "./template.ts";

const ENVELOPE = readTemplate(defaultFrame(kiwoomLayout("0B")!));
const EXTRA_FID = `"values":{"99999":"7",`;

export const SYSTEM = {
  R10001: "동일한 App key로 접속이 되었습니다. 기존 세션은 종료가 됩니다",
  R10002: "사용자 프로그램으로부터 Heartbeat(연결유지) 메시지가 오지않아서 접속을 종료합니다",
  R10004: "접속허용요청이 들어오지 않았습니다",
} as const;

export class KiwoomSession {
  readonly wire: Wire;
  /** Which of the two sockets this is: domestic or US. */
  readonly market: Instrument["market"];
  /** App key; null until LOGIN. */
  account: string | null = null;
  readonly #context: BrokerContext;
  readonly #faults: Faults;
  readonly #itemsByType = new Map<string, Set<string>>();
  #waiting: { rows: string[]; kinds: RecordKind[] } = { rows: [], kinds: [] };
  #unansweredSinceMs: number | undefined;
  #timer: Timer;

  constructor(wire: Wire, market: Instrument["market"], context: BrokerContext, faults: Faults) {
    this.wire = wire;
    this.market = market;
    this.#context = context;
    this.#faults = faults;
    const { clock, options } = context;
    this.#timer = clock.after(options.loginTimeoutMs, () => this.dismiss("R10004"));
  }

  /** LOGIN was accepted: from now on there are heartbeats. */
  enter(account: string): void {
    this.account = account;
    this.#timer.cancel();
    const { clock, options } = this.#context;
    this.#timer = every(clock, options.pingMs, () => this.#beat());
  }

  get hasAny(): boolean {
    return [...this.#itemsByType.values()].some((items) => items.size > 0);
  }

  has(type: string, item: string): boolean {
    return this.#itemsByType.get(type)?.has(item) ?? false;
  }

  /** Distinct items: types do not count, nor does the empty item (kiwoom.md §2, caps). */
  itemsWith(more: readonly string[]): number {
    const items = new Set(more);
    for (const known of this.#itemsByType.values()) for (const item of known) items.add(item);
    items.delete("");
    return items.size;
  }

  add(type: string, items: readonly string[]): void {
    const played = playedType(type);
    const known = this.#itemsByType.get(played) ?? new Set();
    for (const item of items) known.add(item);
    this.#itemsByType.set(played, known);
  }

  remove(type: string, items: readonly string[]): void {
    const known = this.#itemsByType.get(playedType(type));
    for (const item of items) known?.delete(item);
  }

  removeAll(): void {
    this.#itemsByType.clear();
  }

  answered(): void {
    this.#unansweredSinceMs = undefined;
  }

  /** Sends a row; a few rows share a frame. */
  queue(kind: RecordKind, row: string): void {
    if (this.#faults.take("truncate")) {
      this.flush();
      const frame = joinRows(ENVELOPE, [row]);
      this.wire.data(frame.slice(0, frame.length / 2), ["garbage"]);
      return;
    }
    const isExtra = this.#faults.take("extra-field");
    this.#waiting.rows.push(isExtra ? row.replace(`"values":{`, EXTRA_FID) : row);
    this.#waiting.kinds.push(kind);
    if (this.#waiting.rows.length >= this.#context.options.rowsMax) this.flush();
  }

  flush(): void {
    const { rows, kinds } = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = { rows: [], kinds: [] };
    this.wire.data(joinRows(ENVELOPE, rows), kinds);
  }

  /** Another session has logged in with the same app key. */
  evict(): void {
    this.dismiss("R10001");
  }

  /** Says why, and closes the way the broker does. */
  dismiss(code: keyof typeof SYSTEM): void {
    this.wire.control({ trnm: "SYSTEM", code, message: SYSTEM[code] });
    this.wire.socket.close(1000, "Bye");
  }

  /** The socket is gone. */
  end(): void {
    this.#timer.cancel();
    this.#waiting = { rows: [], kinds: [] };
  }

  #beat(): void {
    if (this.wire.isStalled) return;
    const { clock, options } = this.#context;
    const nowMs = clock.monoMs();
    const sinceMs = this.#unansweredSinceMs;
    if (sinceMs !== undefined && nowMs - sinceMs >= options.echoTimeoutMs) {
      this.dismiss("R10002");
      return;
    }
    this.#unansweredSinceMs ??= nowMs;
    this.wire.control({ trnm: "PING" });
  }
}

/** The broker acks types it does not know; all of them share one place, so a client cannot fill memory. */
function playedType(type: string): string {
  return kiwoomLayout(type) ? type : "other";
}
