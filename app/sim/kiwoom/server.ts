// Kiwoom as a feed meets it: one HTTP and websocket door, LOGIN before all else, the newest session of an
// app key wins, registrations with their codes, heartbeats and data (kiwoom.md §2).
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Accounts, Broker, BrokerContext } from "../broker.ts";
import { isObject, readMessage, resend, strike } from "../broker.ts";
import { openDoor } from "../door.ts";
import type { Fault } from "../faults.ts";
import { Faults } from "../faults.ts";
import type { Instrument, MarketEvent, RecordedFrame } from "../market/event.ts";
import { RateLimit } from "../rate.ts";
import { Wire } from "../wire.ts";
import { targetsOf } from "./frame.ts";
import { KiwoomKeys } from "./keys.ts";
import { serveKiwoomRest } from "./rest.ts";
import { KiwoomSession } from "./session.ts";

export const KIWOOM_PATH = "/api/dostk/websocket";
export const KIWOOM_US_PATH = "/api/us/websocket";

const JUNK = [
  Buffer.from(`{"data":[{"values":{"20":"1`),
  Buffer.from("?? not a frame ??"),
  Buffer.from([0xff, 0xfe, 0xfd, 0x7b, 0xff]),
];
const SUFFIXES = ["", "_NX", "_AL"];
const TYPES_MAX = 32;

/** Starts Kiwoom on `options.kiwoomPort`. */
export async function openKiwoom(context: BrokerContext, accounts: Accounts): Promise<Broker> {
  const faults = new Faults(context.clock);
  const keys = new KiwoomKeys(accounts);
  const floor = new KiwoomFloor(context, accounts, keys, faults);
  const door = await openDoor({
    port: context.options.kiwoomPort,
    socketsMax: context.options.socketsMax,
    serve: (server) => serveKiwoomRest(server, context, keys, faults),
    accept: (socket, raw, path) => {
      if (path === KIWOOM_PATH) floor.accept(socket, raw, "KRX");
      else if (path === KIWOOM_US_PATH) floor.accept(socket, raw, "US");
      else socket.terminate();
    },
  });
  return {
    port: door.port,
    publish: (event) => floor.publish(event),
    resend: (frame) => floor.resend(frame),
    hold: () => floor.hold(),
    flush: () => floor.flush(),
    hasRegistered: (instruments) => instruments.every((one) => floor.hasTrades(one)),
    has: (type, item) => floor.has(type, item),
    bufferedBytes: () => door.bufferedBytes(),
    openSockets: () => door.openSockets(),
    fault: (fault) => floor.fault(fault),
    close: () => door.close(),
  };
}

class KiwoomFloor {
  readonly #context: BrokerContext;
  readonly #accounts: Accounts;
  readonly #keys: KiwoomKeys;
  readonly #faults: Faults;
  readonly #sessions = new Set<KiwoomSession>();
  readonly #registrations: RateLimit;
  #cap: number;

  constructor(context: BrokerContext, accounts: Accounts, keys: KiwoomKeys, faults: Faults) {
    this.#context = context;
    this.#accounts = accounts;
    this.#keys = keys;
    this.#faults = faults;
    this.#registrations = new RateLimit(context.clock, context.options.regsPerSecond);
    this.#cap = context.options.kiwoomCap;
  }

  accept(socket: WebSocket, raw: Socket, market: Instrument["market"]): void {
    const { clock, options } = this.#context;
    const wire = new Wire(socket, raw, clock, options.bufferedBytesMax);
    const session = new KiwoomSession(wire, market, this.#context, this.#faults);
    this.#sessions.add(session);
    socket.on("message", (data) => this.#request(session, readMessage(data) ?? {}));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      session.end();
      this.#sessions.delete(session);
    });
  }

  publish(event: MarketEvent): void {
    for (const { market, type, item, kind, row } of targetsOf(event)) {
      let rendered: string | undefined;
      for (const session of this.#sessions) {
        if (session.market !== market || !session.has(type, item)) continue;
        session.queue(kind, (rendered ??= row()));
      }
    }
  }

  resend(frame: RecordedFrame): void {
    resend(frame, this.#sessions);
  }

  hold(): void {
    for (const session of this.#sessions) session.wire.hold();
  }

  flush(): void {
    for (const session of this.#sessions) {
      session.flush();
      session.wire.flush();
    }
  }

  hasTrades({ market, code }: Instrument): boolean {
    const type = market === "US" ? "FE" : "0B";
    const items = SUFFIXES.map((suffix) => code + suffix);
    return [...this.#sessions].some(
      (session) => session.market === market && items.some((item) => session.has(type, item)),
    );
  }

  has(type: string, item: string): boolean {
    return [...this.#sessions].some((session) => session.has(type, item));
  }

  fault(fault: Fault): number {
    switch (fault.kind) {
      case "cap":
        this.#cap = fault.cap ?? this.#context.options.kiwoomCap;
        return 1;
      case "slot-lock":
      case "wrong-count":
        // Kiwoom has neither slots nor a count.
        return 0;
      case "clear":
        this.#faults.clear();
        this.#cap = this.#context.options.kiwoomCap;
        return 1;
      case "auth-refuse":
        this.#keys.forget();
        this.#faults.set(fault);
        return 1;
      case "truncate":
      case "extra-field":
      case "no-ack":
      case "rate-limit":
        this.#faults.set(fault);
        return 1;
      default:
        return strike(fault, [...this.#sessions], JUNK);
    }
  }

  #request(session: KiwoomSession, message: Record<string, unknown>): void {
    const { trnm } = message;
    if (trnm === "LOGIN") this.#login(session, message.token);
    else if (session.account === null) session.dismiss("R10004");
    else if (trnm === "PING") session.answered();
    else if (trnm === "REG" || trnm === "REMOVE") this.#registration(session, trnm, message);
    // An echoed SYSTEM, and whatever else is no request, ends the session.
    else session.wire.socket.close(1000, "Bye");
  }

  #login(session: KiwoomSession, token: unknown): void {
    const account = this.#keys.account(String(token));
    if (account === undefined) {
      const return_msg = "토큰 인증에 실패했습니다 [CODE=8005, MESSAGE=Token이 유효하지 않습니다]";
      session.wire.control({ trnm: "LOGIN", return_code: 805_004, return_msg });
      return;
    }
    for (const older of this.#sessions) {
      const isSame = older.account === account && older.market === session.market;
      if (!isSame || older === session || !older.wire.isOpen) continue;
      this.#accounts.doubleSockets += 1;
      this.#accounts.evictions += 1;
      older.evict();
    }
    session.enter(account);
    session.wire.tally = this.#accounts.tally(account) ?? null;
    session.wire.control({ trnm: "LOGIN", return_code: 0, return_msg: "", sor_yn: "Y" });
  }

  #registration(session: KiwoomSession, trnm: string, message: Record<string, unknown>): void {
    if (this.#faults.take("no-ack")) return;
    const account = session.account!;
    if (!this.#registrations.take(account) || this.#faults.take("rate-limit")) {
      return answer(session, trnm, 105_110, "등록 요청이 너무 잦습니다");
    }
    const entries = readEntries(message.data);
    if (!entries) return answer(session, trnm, 105_111, "item, type은 배열이어야 합니다");
    if (trnm === "REMOVE") {
      for (const { types, items } of entries) for (const type of types) session.remove(type, items);
      return answer(session, trnm, 0, "");
    }
    // "0" drops what was registered before; the cap is judged on what would then stand.
    const isFresh = message.refresh === "0";
    const wanted = entries.flatMap((entry) => entry.items);
    const standing = isFresh ? new Set(wanted.filter(Boolean)).size : session.itemsWith(wanted);
    if (standing > this.#cap)
      return answer(session, trnm, 105_115, "등록 가능한 종목 수를 초과했습니다");
    if (isFresh) session.removeAll();
    for (const { types, items } of entries) for (const type of types) session.add(type, items);
    answer(session, trnm, 0, "");
  }
}

/** `data` of REG and REMOVE: items are codes, or objects with a jmcode on the US socket. */
function readEntries(data: unknown): { items: string[]; types: string[] }[] | undefined {
  if (!Array.isArray(data)) return undefined;
  const entries = data.map((entry: unknown) => {
    if (!isObject(entry) || !Array.isArray(entry.item) || !Array.isArray(entry.type))
      return undefined;
    const items = entry.item.map((item: unknown) => (isObject(item) ? item.jmcode : item));
    const types = entry.type as unknown[];
    return items.every(isString) && types.every(isString) && types.length <= TYPES_MAX
      ? { items, types }
      : undefined;
  });
  return entries.every((entry) => entry !== undefined) ? entries : undefined;
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function answer(
  session: KiwoomSession,
  trnm: string,
  return_code: number,
  return_msg: string,
): void {
  session.wire.control({ trnm, return_code, return_msg });
}
