// KIS as a feed meets it: one HTTP and websocket door, the single socket of an account, registrations
// with their acks and codes, heartbeats and data (kis.md §2, §3). Codes are the broker's own.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Accounts, Broker, BrokerContext } from "../broker.ts";
import { isObject, readMessage, resend, strike } from "../broker.ts";
import { openDoor } from "../door.ts";
import type { Door } from "../door.ts";
import type { Fault } from "../faults.ts";
import { Faults } from "../faults.ts";
import type { Instrument, MarketEvent, RecordedFrame } from "../market/event.ts";
import { Wire } from "../wire.ts";
import { targetsOf } from "./frame.ts";
import { KisKeys } from "./keys.ts";
import { kisLayout } from "./layout.ts";
import { serveKisRest } from "./rest.ts";
import { KisSession } from "./session.ts";

const JUNK = [
  Buffer.from("0|H0STCNT0|001"),
  Buffer.from("?? not a frame ??"),
  Buffer.from("0|H0STCNT0|abc|^^^"),
  Buffer.from([0xff, 0xfe, 0xfd, 0x5e, 0xff]),
];
const TRADE_TRS = ["H0STCNT0", "H0NXCNT0", "H0UNCNT0"];
const US_TRADE_KEYS = ["DNAS", "RBAQ"];
const KEY_LENGTH_MAX = 20;

/** An account's only socket: taken by a session, or still held after an unclean drop. */
type Slot = { name: "taken"; session: KisSession } | { name: "held"; untilMs: number };

/** Starts KIS on `options.kisPort`. */
export async function openKis(context: BrokerContext, accounts: Accounts): Promise<Broker> {
  const faults = new Faults(context.clock);
  const keys = new KisKeys(accounts, context.options.tokenIntervalMs);
  const floor = new KisFloor(context, accounts, keys, faults);
  const door = await openDoor({
    port: context.options.kisPort,
    socketsMax: context.options.socketsMax,
    serve: (server) => serveKisRest(server, context, keys, faults),
    // Every path is reported to work (kis.md §1.1).
    accept: (socket, raw) => floor.accept(socket, raw),
  });
  return broker(door, floor);
}

function broker(door: Door, floor: KisFloor): Broker {
  return {
    port: door.port,
    publish: (event) => floor.publish(event),
    resend: (frame) => floor.resend(frame),
    hold: () => floor.hold(),
    flush: () => floor.flush(),
    hasRegistered: (instruments) => instruments.every((one) => floor.hasTrades(one)),
    has: (tr, key) => floor.has(tr, key),
    bufferedBytes: () => door.bufferedBytes(),
    openSockets: () => door.openSockets(),
    fault: (fault) => floor.fault(fault),
    close: () => door.close(),
  };
}

class KisFloor {
  readonly #context: BrokerContext;
  readonly #accounts: Accounts;
  readonly #keys: KisKeys;
  readonly #faults: Faults;
  readonly #sessions = new Set<KisSession>();
  /** Who has registered something of a key: a few sockets share the market. */
  readonly #sessionsBy = new Map<string, Set<KisSession>>();
  readonly #slots = new Map<string, Slot>();
  #lockedUntilMs = -Infinity;
  #cap: number;

  constructor(context: BrokerContext, accounts: Accounts, keys: KisKeys, faults: Faults) {
    this.#context = context;
    this.#accounts = accounts;
    this.#keys = keys;
    this.#faults = faults;
    this.#cap = context.options.kisCap;
  }

  accept(socket: WebSocket, raw: Socket): void {
    const { clock, options } = this.#context;
    const wire = new Wire(socket, raw, clock, options.bufferedBytesMax);
    const session = new KisSession(wire, this.#context, this.#faults);
    this.#sessions.add(session);
    socket.on("message", (data) => {
      const message = readMessage(data);
      if (message && isPingpong(message)) session.answered();
      else this.#request(session, message);
    });
    // The official sample answers PINGPONG with a Pong control frame.
    socket.on("pong", () => session.answered());
    socket.on("error", () => socket.terminate());
    socket.on("close", (code) => {
      session.end();
      this.#sessions.delete(session);
      for (const sessions of this.#sessionsBy.values()) sessions.delete(session);
      this.#release(session, code !== 1006);
    });
  }

  publish(event: MarketEvent): void {
    for (const { tr, key, kind, record } of targetsOf(event, this.#context.instruments)) {
      const sessions = this.#sessionsBy.get(key);
      if (!sessions) continue;
      let rendered: string | undefined;
      for (const session of sessions) {
        if (session.has(tr, key)) session.queue(tr, key, kind, (rendered ??= record()));
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
    return market === "US"
      ? US_TRADE_KEYS.some((prefix) => this.has("HDFSCNT0", prefix + code))
      : TRADE_TRS.some((tr) => this.has(tr, code));
  }

  has(tr: string, key: string): boolean {
    return [...this.#sessions].some((session) => session.has(tr, key));
  }

  fault(fault: Fault): number {
    switch (fault.kind) {
      case "cap":
        this.#cap = fault.cap ?? this.#context.options.kisCap;
        return 1;
      case "slot-lock":
        return this.#lock(fault);
      case "clear":
        this.#faults.clear();
        this.#cap = this.#context.options.kisCap;
        this.#lockedUntilMs = -Infinity;
        return 1;
      case "auth-refuse":
        this.#keys.forget();
        this.#faults.set(fault);
        return 1;
      case "truncate":
      case "wrong-count":
      case "extra-field":
      case "no-ack":
      case "rate-limit":
        this.#faults.set(fault);
        return 1;
      default:
        return strike(fault, [...this.#sessions], JUNK);
    }
  }

  #lock({ account, ms = Infinity }: Fault): number {
    const untilMs = this.#context.clock.monoMs() + ms;
    if (account === undefined) this.#lockedUntilMs = untilMs;
    else if (this.#slots.get(account)?.name !== "taken")
      this.#slots.set(account, { name: "held", untilMs });
    return 1;
  }

  /** One registration message (kis.md §2.1) and its answer. */
  #request(session: KisSession, message: Record<string, unknown> | undefined): void {
    const header = isObject(message?.header) ? message.header : undefined;
    const input =
      isObject(message?.body) && isObject(message.body.input) ? message.body.input : undefined;
    if (!header || !input) return refuse(session, "", "", "OPSP8994", "JSON PARSING ERROR");

    const { tr_id: tr, tr_key: key } = input;
    const echo = [typeof tr === "string" ? tr : "", typeof key === "string" ? key : ""] as const;
    const approval = String(header.approval_key);
    const account = this.#keys.approvedAccount(approval);
    if (account === undefined || (session.account !== null && session.account !== account)) {
      return refuse(session, ...echo, "OPSP0011", `invalid approval : ${approval} (NOT FOUND)`);
    }
    if (header.custtype !== "P" && header.custtype !== "B") {
      return refuse(session, ...echo, "OPSP8998", "invalid custtype");
    }
    if (header.tr_type !== "1" && header.tr_type !== "2") {
      return refuse(session, ...echo, "OPSP8997", "invalid tr_type");
    }
    if (typeof tr !== "string" || !kisLayout(tr)) {
      return refuse(session, ...echo, "OPSP8991", "invalid tr_id");
    }
    if (typeof key !== "string") return refuse(session, ...echo, "OPSP8993", "invalid tr_key");
    if (key === "" || key.length > KEY_LENGTH_MAX) {
      return refuse(session, ...echo, "OPSP8992", "invalid tr_key");
    }
    if (!this.#claim(session, account)) return session.evict();
    if (this.#faults.take("no-ack")) return;
    if (header.tr_type === "1") this.#subscribe(session, tr, key);
    else this.#unsubscribe(session, tr, key);
  }

  #subscribe(session: KisSession, tr: string, key: string): void {
    if (session.has(tr, key)) return refuse(session, tr, key, "OPSP0002", "ALREADY IN SUBSCRIBE");
    if (session.registrations >= this.#cap) {
      return refuse(session, tr, key, "OPSP0008", "MAX SUBSCRIBE OVER");
    }
    session.add(tr, key);
    const sessions = this.#sessionsBy.get(key) ?? new Set();
    this.#sessionsBy.set(key, sessions.add(session));
    const output = { iv: randomBytes(8).toString("hex"), key: randomBytes(16).toString("hex") };
    answer(session, tr, key, { rt_cd: "0", msg_cd: "OPSP0000", msg1: "SUBSCRIBE SUCCESS", output });
  }

  #unsubscribe(session: KisSession, tr: string, key: string): void {
    if (!session.has(tr, key)) {
      return refuse(session, tr, key, "OPSP0003", "UNSUBSCRIBE ERROR(not found!)");
    }
    session.remove(tr, key);
    answer(session, tr, key, { rt_cd: "0", msg_cd: "OPSP0001", msg1: "UNSUBSCRIBE SUCCESS" });
  }

  /** Makes the account's only slot this session's. False when another has it. */
  #claim(session: KisSession, account: string): boolean {
    if (session.account === account) return true;
    const nowMs = this.#context.clock.monoMs();
    const slot = this.#slots.get(account);
    if (slot?.name === "taken") this.#accounts.doubleSockets += 1;
    const isHeld = slot?.name === "held" && nowMs < slot.untilMs;
    if (slot?.name === "taken" || isHeld || nowMs < this.#lockedUntilMs) return false;
    session.account = account;
    session.wire.tally = this.#accounts.tally(account) ?? null;
    this.#slots.set(account, { name: "taken", session });
    return true;
  }

  /** A close handshake frees the slot at once; after an unclean drop it stays held for a while. */
  #release(session: KisSession, isClean: boolean): void {
    if (session.account === null) return;
    const { clock, options } = this.#context;
    if (isClean) this.#slots.delete(session.account);
    else {
      const untilMs = clock.monoMs() + options.slotHoldMs;
      this.#slots.set(session.account, { name: "held", untilMs });
    }
  }
}

function isPingpong({ header }: Record<string, unknown>): boolean {
  return isObject(header) && header.tr_id === "PINGPONG";
}

function refuse(session: KisSession, tr: string, key: string, msg_cd: string, msg1: string): void {
  answer(session, tr, key, { rt_cd: "1", msg_cd, msg1 });
}

function answer(session: KisSession, tr_id: string, tr_key: string, body: object): void {
  session.wire.control({ header: { tr_id, tr_key, encrypt: "N" }, body });
}
