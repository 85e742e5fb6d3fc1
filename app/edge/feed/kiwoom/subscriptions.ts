// What is registered on one Kiwoom socket, what should be, and which request comes next. Pure: the
// session owns socket and timer, `nowMs` is monotonic. A request registers (REG) or removes up to a
// chunk of items with the same types; answers carry no request id, so one request is out at a time.
// A refused chunk is halved until single items show where the cap is, or which of them is not taken.
import type { Registration } from "../feed.ts";
import { MARKET_ITEM, kiwoomKeyOf, lineOf } from "./protocol.ts";
import type { KiwoomAction, KiwoomItem } from "./protocol.ts";

interface Entry {
  item: KiwoomItem;
  /** By type; the market item has none. */
  registrations: Map<string, Registration>;
  wanted: Set<string>;
  held: Set<string>;
  refused: boolean;
  /** The market item takes a place only where one is left. */
  isSpare: boolean;
}

interface Request {
  trnm: "REG" | "REMOVE";
  entries: Entry[];
  types: string[];
  deadlineMs: number;
  sends: number;
}

/** What to do now: send this, wait this long, or give the session up. */
export type Step =
  | {
      name: "ask";
      trnm: "REG" | "REMOVE";
      items: KiwoomItem[];
      types: string[];
      registrations: Registration[];
    }
  | { name: "wait"; delayMs: number }
  | { name: "unanswered"; trnm: "REG" | "REMOVE" };

export interface SubscriptionLimits {
  paceMs: number;
  ackTimeoutMs: number;
  slowMs: number;
  slowMaxMs: number;
  sendsMax: number;
  chunkMax: number;
}

export class KiwoomSubscriptions {
  readonly #limits: SubscriptionLimits;
  readonly #entries = new Map<string, Entry>();
  #roomMax: number;
  #chunk: number;
  #request: Request | undefined;
  #nextSendMs = -Infinity;
  #slowed = 0;
  #isCapMet = false;

  /** `roomMax`: items the broker allows, as far as known. */
  constructor(limits: SubscriptionLimits, roomMax: number) {
    this.#limits = limits;
    this.#chunk = limits.chunkMax;
    this.#roomMax = roomMax;
  }

  /** Sets what should be registered. Returns what Kiwoom has no type for. */
  plan(registrations: readonly Registration[]): Registration[] {
    for (const entry of this.#entries.values()) entry.wanted.clear();
    const unknown: Registration[] = [];
    for (const registration of registrations) {
      const key = kiwoomKeyOf(registration);
      if (!key) {
        if (registration.channel !== "status") unknown.push(registration);
        continue;
      }
      const entry = this.#entry(key.item, false);
      entry.wanted.add(key.type);
      entry.registrations.set(key.type, registration);
    }
    if (registrations.some((registration) => lineOf(registration) === "domestic")) {
      const market = this.#entry(MARKET_ITEM.item, true);
      for (const type of MARKET_ITEM.types) market.wanted.add(type);
    }
    this.#sweep();
    return unknown;
  }

  /** The next step. An "ask" counts as sent. */
  next(nowMs: number): Step {
    const open = this.#request;
    if (open && nowMs < open.deadlineMs) return { name: "wait", delayMs: open.deadlineMs - nowMs };
    if (open && open.sends >= this.#limits.sendsMax) return { name: "unanswered", trnm: open.trnm };
    const request = open ?? this.#leaving() ?? this.#joining();
    if (!request) return { name: "wait", delayMs: Infinity };
    if (nowMs < this.#nextSendMs) return { name: "wait", delayMs: this.#nextSendMs - nowMs };
    this.#nextSendMs = nowMs + this.#limits.paceMs;
    request.deadlineMs = nowMs + this.#limits.ackTimeoutMs;
    request.sends++;
    this.#request = request;
    const { trnm, entries, types } = request;
    const items = entries.map(({ item }) => item);
    return { name: "ask", trnm, items, types, registrations: registrationsOf(request) };
  }

  /** The answer to the request that is out. Returns the registrations given up because of it. */
  acked(trnm: "REG" | "REMOVE", action: KiwoomAction, nowMs: number): Registration[] {
    const request = this.#request;
    if (request?.trnm !== trnm) return [];
    this.#request = undefined;
    if (action !== "slow") this.#slowed = 0;
    if (action === "slow") {
      const { slowMs, slowMaxMs } = this.#limits;
      this.#nextSendMs = nowMs + Math.min(slowMs * 2 ** this.#slowed++, slowMaxMs);
      return [];
    }
    if (action !== "ok" && trnm === "REG") return this.#turnedDown(request, action);
    if (trnm === "REG") this.#chunk = Math.min(2 * this.#chunk, this.#limits.chunkMax);
    for (const entry of request.entries) {
      for (const type of request.types) {
        if (trnm === "REG") entry.held.add(type);
        else entry.held.delete(type);
      }
    }
    this.#sweep();
    return [];
  }

  /** Registrations the broker has confirmed. The market item counts as none. */
  get confirmed(): number {
    return this.#sum((entry) => (entry.isSpare ? 0 : entry.held.size));
  }

  get wanted(): number {
    return this.#sum((entry) => (entry.isSpare ? 0 : entry.wanted.size));
  }

  /** Nothing is out and nothing is left to ask. */
  get settled(): boolean {
    return !this.#request && !this.#leaving() && !this.#joining();
  }

  /** The cap in items as the broker has just shown it, and how many found no room; told once. */
  takeCap(): { cap: number; refused: number } | undefined {
    if (!this.#isCapMet) return undefined;
    this.#isCapMet = false;
    const refused = this.#sum(({ wanted, held, isSpare }) => {
      return wanted.size > 0 && held.size === 0 && !isSpare ? 1 : 0;
    });
    return { cap: this.#roomMax, refused };
  }

  #turnedDown(request: Request, action: KiwoomAction): Registration[] {
    const [entry] = request.entries;
    if (request.entries.length > 1) {
      this.#chunk = Math.floor(request.entries.length / 2);
      return [];
    }
    // Further types of an item that has its place take no other: that is not the cap in items.
    if (action === "cap" && !entry!.isSpare && entry!.held.size === 0) {
      this.#roomMax = this.#taken();
      this.#isCapMet = true;
      return [];
    }
    entry!.refused = true;
    return registrationsOf(request);
  }

  #leaving(): Request | undefined {
    const surplus = ({ held, wanted }: Entry) => held.difference(wanted);
    return this.#group("REMOVE", surplus, Infinity, this.#limits.chunkMax);
  }

  #joining(): Request | undefined {
    const missing = ({ wanted, held, refused }: Entry) =>
      refused ? NONE : wanted.difference(held);
    return this.#group("REG", missing, this.#roomMax - this.#taken(), this.#chunk);
  }

  /** The first items that need the same types, at most `chunk`, of them at most `room` new ones. */
  #group(
    trnm: "REG" | "REMOVE",
    typesOf: (entry: Entry) => ReadonlySet<string>,
    room: number,
    chunk: number,
  ): Request | undefined {
    const entries: Entry[] = [];
    let types: string[] | undefined;
    let left = room;
    // What takes a place only where one is left comes last.
    const all = [...this.#entries.values()].sort((a, b) => Number(a.isSpare) - Number(b.isSpare));
    for (const entry of all) {
      const needed = [...typesOf(entry)].sort();
      const isNew = entry.held.size === 0;
      if (needed.length === 0 || (isNew && left <= 0)) continue;
      types ??= needed;
      if (needed.join() !== types.join()) continue;
      if (isNew) left--;
      entries.push(entry);
      if (entries.length >= chunk) break;
    }
    return types && { trnm, entries, types, deadlineMs: 0, sends: 0 };
  }

  #entry(item: KiwoomItem, isSpare: boolean): Entry {
    const id = JSON.stringify(item);
    let entry = this.#entries.get(id);
    if (!entry) {
      const sets = { registrations: new Map(), wanted: new Set<string>(), held: new Set<string>() };
      entry = { item, ...sets, refused: false, isSpare };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #taken(): number {
    return this.#sum(({ held }) => (held.size > 0 ? 1 : 0));
  }

  /** Forgets what is neither wanted, nor held, nor being asked for. */
  #sweep(): void {
    for (const [id, entry] of this.#entries) {
      const isOut = this.#request?.entries.includes(entry) ?? false;
      if (entry.wanted.size === 0 && entry.held.size === 0 && !isOut) this.#entries.delete(id);
    }
  }

  #sum(valueOf: (entry: Entry) => number): number {
    let sum = 0;
    for (const entry of this.#entries.values()) sum += valueOf(entry);
    return sum;
  }
}

const NONE: ReadonlySet<string> = new Set();

function registrationsOf({ entries, types }: Request): Registration[] {
  return entries.flatMap(({ registrations }) =>
    types.flatMap((type) => registrations.get(type) ?? []),
  );
}
