// The market and the broker of a run: prints and books happen whether anybody listens or not; one socket
// an account is told of them, in frames as KIS sends them; REST knows every print of the day. The broker
// counts for itself: sockets of one account that were open side by side, and all it has sent.
import { kisLayout } from "../../app/sim/kis/layout.ts";
import type { Process } from "./host.ts";
import { BEGIN_MS, type Timeline } from "./timeline.ts";
import type { Connection, End } from "./wire.ts";

/** One execution as the exchange has it. */
export interface Print {
  symbol: string;
  /** Cumulative volume after it. */
  seq: number;
  size: number;
  price: number;
  /** In whole seconds, epoch ms. */
  tsMs: number;
  /** Under which REST has it: the second in which its clearing saw it, sometimes the next. */
  restTsMs: number;
}

/** A frame's records, counted. */
export interface FrameSent {
  account: string;
  records: number;
  bytes: Uint8Array;
}

export const SYMBOLS = ["005930", "000660", "035720"] as const;

const TRADE_LAYOUT = kisLayout("H0STCNT0")!;
const BOOK_LAYOUT = kisLayout("H0STASP0")!;
/** The broker gives up on a socket that has not answered for so long. */
const PATIENCE_MS = 5_000;
const PING_MS = 1_500;

interface Session {
  account: string;
  end: End;
  heardMs: number;
}

export class Broker {
  readonly process: Process;
  readonly #timeline: Timeline;
  readonly #waitMaxMs: number;
  readonly #sessions = new Map<string, Session[]>();
  /** Every print, by account and symbol, in order. */
  readonly #prints = new Map<string, Print[]>();
  /** How many prints of a symbol had been when the present socket was opened: none of them is repeated. */
  readonly #saidFrom = new Map<string, number>();
  readonly #lastBook = new Map<string, Uint8Array>();
  /** Sockets that were open beside another of the same account. */
  overlaps = 0;
  opened = 0;
  recordsSent = 0;
  onOverlap: (account: string) => void = () => undefined;
  isOpen = true;

  constructor(
    timeline: Timeline,
    process: Process,
    { accounts, framesPerSecond }: { accounts: readonly string[]; framesPerSecond: number },
  ) {
    this.#timeline = timeline;
    this.process = process;
    this.#waitMaxMs = 2_000 / framesPerSecond;
    for (const account of accounts) {
      for (const symbol of SYMBOLS) this.#prints.set(`${account} ${symbol}`, []);
      this.#happen(account);
    }
    this.#ping();
  }

  /** A socket comes in; which account it is for was in its login. */
  accept(connection: Connection, account: string): void {
    const end = connection.ends[1];
    if (!end.isOpen) return;
    const open = this.#open(account);
    this.opened++;
    for (const symbol of SYMBOLS) {
      const name = `${account} ${symbol}`;
      this.#saidFrom.set(name, this.#prints.get(name)!.length);
    }
    if (open.length > 0) {
      this.overlaps++;
      this.onOverlap(account);
    }
    const session = { account, end, heardMs: this.#timeline.nowMs };
    this.#sessions.set(account, [...open, session]);
    end.listen({
      message: () => (session.heardMs = this.#timeline.nowMs),
      closed: () => this.#forget(session),
    });
    end.send({ kind: "text", data: "welcome" });
  }

  /** Every print of (after, upTo] and what shares its seconds: REST pages by the second. */
  rest(account: string, symbol: string, after: number, upTo: number): Print[] {
    const prints = this.#prints.get(`${account} ${symbol}`) ?? [];
    const wanted = prints.filter(({ seq }) => seq > after && seq <= upTo);
    const seconds = new Set(wanted.map(({ restTsMs }) => restTsMs));
    return prints.filter(({ restTsMs }) => seconds.has(restTsMs));
  }

  prints(account: string, symbol: string): readonly Print[] {
    return this.#prints.get(`${account} ${symbol}`) ?? [];
  }

  #open(account: string): Session[] {
    return (this.#sessions.get(account) ?? []).filter(({ end }) => end.isOpen);
  }

  #forget(session: Session): void {
    const left = this.#open(session.account).filter((one) => one !== session);
    this.#sessions.set(session.account, left);
  }

  #ping(): void {
    for (const sessions of this.#sessions.values()) {
      for (const session of sessions) {
        if (this.#timeline.nowMs - session.heardMs > PATIENCE_MS) {
          session.end.close(1006);
          this.#forget(session);
        } else session.end.send({ kind: "ping", data: "" });
      }
    }
    this.#timeline.after(PING_MS, () => this.#ping());
  }

  #happen(account: string): void {
    if (!this.isOpen) return;
    const symbol = this.#timeline.pick(SYMBOLS);
    const isBook = this.#timeline.chance(0.3);
    const frame = isBook ? this.#book(account, symbol) : this.#trades(account, symbol);
    for (const { end } of this.#open(account)) {
      end.send({ kind: "text", data: frame.bytes });
      this.recordsSent += frame.records;
    }
    this.#timeline.after(this.#timeline.random() * this.#waitMaxMs, () => this.#happen(account));
  }

  /** One to five prints of one symbol in one frame; now and then the frame before once more. */
  #trades(account: string, symbol: string): FrameSent {
    const prints = this.#prints.get(`${account} ${symbol}`)!;
    const random = this.#timeline;
    const said = this.#saidFrom.get(`${account} ${symbol}`) ?? 0;
    const isRepeat = prints.length - said > 3 && random.chance(0.03);
    const fresh = isRepeat ? prints.slice(-2) : this.#newPrints(symbol, prints);
    const records = fresh.map((print) => tradeRecord(print));
    const count = String(records.length).padStart(3, "0");
    return {
      account,
      records: records.length,
      bytes: Buffer.from(`0|H0STCNT0|${count}|${records.join("^")}`, "latin1"),
    };
  }

  #newPrints(symbol: string, prints: Print[]): Print[] {
    const random = this.#timeline;
    const count = random.chance(0.5) ? 1 : 1 + Math.floor(random.between(1, 5));
    const tsMs = Math.floor((BEGIN_MS + random.nowMs) / 1_000) * 1_000;
    const fresh = Array.from({ length: count }, () => {
      const size = 1 + Math.floor(random.between(0, 50));
      const seq = (prints.at(-1)?.seq ?? 0) + size;
      const price = 70_000 + 100 * Math.floor(random.between(0, 20));
      const restTsMs = tsMs + (random.chance(0.3) ? 1_000 : 0);
      const print = { symbol, seq, size, price, tsMs, restTsMs };
      prints.push(print);
      return print;
    });
    return fresh;
  }

  /** A book; one in eight shows the same as the one before, in the same second. */
  #book(account: string, symbol: string): FrameSent {
    const random = this.#timeline;
    const name = `${account} ${symbol}`;
    const before = this.#lastBook.get(name);
    const bytes = before && random.chance(0.13) ? before : bookFrame(random, symbol);
    this.#lastBook.set(name, bytes);
    return { account, records: 1, bytes };
  }
}

const KST_MS = 9 * 3_600_000;

let stamped = { second: -1, time: "", date: "" };

/** HHMMSS and YYYYMMDD in Korea. */
function stamp(ms: number): { time: string; date: string } {
  const second = Math.floor(ms / 1_000);
  if (second !== stamped.second) {
    const iso = new Date(ms + KST_MS).toISOString();
    const time = iso.slice(11, 19).replaceAll(":", "");
    stamped = { second, time, date: iso.slice(0, 10).replaceAll("-", "") };
  }
  return stamped;
}

const placesOf = (names: readonly string[]) => new Map(names.map((name, i) => [name, i]));
const TRADE_AT = placesOf(TRADE_LAYOUT.names);
const BOOK_AT = placesOf(BOOK_LAYOUT.names);
const TRADE_BLANK = TRADE_LAYOUT.names.map((name) => TRADE_LAYOUT.defaults[name] ?? "");
const BOOK_BLANK = BOOK_LAYOUT.names.map((name) => BOOK_LAYOUT.defaults[name] ?? "");

export function tradeRecord({ symbol, seq, size, price, tsMs }: Print): string {
  const { time, date } = stamp(tsMs);
  const fields = [...TRADE_BLANK];
  const put = (name: string, value: string | number) =>
    (fields[TRADE_AT.get(name)!] = String(value));
  put("MKSC_SHRN_ISCD", symbol);
  put("STCK_CNTG_HOUR", time);
  put("STCK_PRPR", price);
  put("ASKP1", price + 100);
  put("BIDP1", price);
  put("CNTG_VOL", size);
  put("ACML_VOL", seq);
  put("CCLD_DVSN", "1");
  put("BSOP_DATE", date);
  return fields.join("^");
}

function bookFrame(random: Timeline, symbol: string): Uint8Array {
  const { time } = stamp(BEGIN_MS + random.nowMs);
  const fields = [...BOOK_BLANK];
  const put = (name: string, value: string | number) =>
    (fields[BOOK_AT.get(name)!] = String(value));
  put("MKSC_SHRN_ISCD", symbol);
  put("BSOP_HOUR", time);
  put("HOUR_CLS_CODE", "0");
  const price = 70_000 + 100 * Math.floor(random.between(0, 20));
  const size = Math.floor(random.between(1, 1_000));
  for (let level = 1; level <= 10; level++) {
    put(`ASKP${level}`, price + 100 * level);
    put(`BIDP${level}`, price - 100 * level);
    put(`ASKP_RSQN${level}`, size + level);
    put(`BIDP_RSQN${level}`, size - level + 20);
  }
  put("TOTAL_ASKP_RSQN", 10 * size);
  put("TOTAL_BIDP_RSQN", 10 * size);
  return Buffer.from(`0|H0STASP0|001|${fields.join("^")}`, "latin1");
}
