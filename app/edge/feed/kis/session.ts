// KIS's market data, live: one WebSocket session per account. Approval key, paced registrations each
// confirmed by its own ack, PINGPONG echoed, data frames decoded and handed on at the read. Promises
// that an account never has two sockets, and that no answer of the broker makes it hammer.
import type { Clock, Timer } from "../../../shared/clock.ts";
import type { Emit } from "../../../shared/events.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { Route } from "../../../shared/dial/route.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import { deliver, unreadMessage } from "../delivery.ts";
import type { ReadAt } from "../decoded.ts";
import { registrationKey } from "../feed.ts";
import type { Feed, FeedSink, Registration } from "../feed.ts";
import { Keeper, NEVER_OPENED, endingOf } from "../keeper.ts";
import type { Ending, Progress, Session } from "../keeper.ts";
import { BrokerSocket } from "../socket.ts";
import type { Closing } from "../socket.ts";
import { kstStampMs } from "../stamp.ts";
import { masked } from "../words.ts";
import type { KisAck } from "./control.ts";
import { KisDecoder } from "./decode.ts";
import { KIS_LIMITS, KIS_TIMINGS, kisActionOf, kisRequest } from "./protocol.ts";
import type { KisKey, KisLimits, KisTimings } from "./protocol.ts";
import { KisRest } from "./rest.ts";
import { KisSubscriptions } from "./subscriptions.ts";

export interface KisFeedOptions {
  /** The account, such as `kis:1`. */
  source: string;
  appKey: string;
  secret: string;
  /** `https://openapi.koreainvestment.com:9443`. */
  restUrl: string;
  /** `ws://ops.koreainvestment.com:21000`, with or without the path `/tryitout`. */
  wsUrl: string;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
  sink: FeedSink;
  /** Through proxies, of socket and REST. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  /** Shared with whoever else asks on this account's behalf; its own otherwise. */
  rest?: KisRest;
  /** The broker allows only `cap` registrations a session. */
  onCap?: (cap: number) => void;
  timings?: Partial<KisTimings>;
  limits?: Partial<KisLimits>;
}

/** What outlives a session: the keys, and what the broker has taught us. */
interface Account extends Omit<KisFeedOptions, "timings" | "limits" | "rest"> {
  timings: KisTimings;
  limits: KisLimits;
  rest: KisRest;
  decoder: KisDecoder;
  /** Registrations allowed; falls when the broker refuses one more. */
  roomMax: number;
  /** Approval keys refused since the last registration that was confirmed. */
  keysRefused: number;
}

/** Market data of one KIS account. Source of the protocol: KIS Open API, real-time quotes. */
export function createKisFeed(options: KisFeedOptions): Feed {
  const timings = { ...KIS_TIMINGS, ...options.timings };
  const limits = { ...KIS_LIMITS, ...options.limits };
  const account: Account = {
    ...options,
    wsUrl: withPath(options.wsUrl),
    timings,
    limits,
    rest: options.rest ?? new KisRest({ ...options, ...timings, ...limits }),
    decoder: new KisDecoder({ frameBytesMax: limits.frameBytesMax }),
    roomMax: limits.registrationsMax,
    keysRefused: 0,
  };
  const keeper = new Keeper({
    source: options.source,
    line: "all",
    sink: options.sink,
    url: account.wsUrl,
    clock: options.clock,
    market: options.market,
    emit: options.emit,
    waits: timings.waits,
    stableMs: timings.stableMs,
    session: (plan, progress) => new KisSession(account, plan, progress),
  });
  return {
    source: options.source,
    start: (plan) => keeper.start(plan),
    replan: (plan) => keeper.replan(plan),
    stop: () => keeper.stop(),
    destroy: () => keeper.destroy(),
    state: () => keeper.state(),
    lastFrameMs: () => keeper.lastFrameMs(),
  };
}

class KisSession implements Session {
  readonly #account: Account;
  readonly #progress: Progress;
  readonly #subscriptions: KisSubscriptions;
  readonly #left = Promise.withResolvers<undefined>();
  readonly #ended = Promise.withResolvers<Ending>();
  #socket: BrokerSocket | undefined;
  #approvalKey = "";
  #isOpen = false;
  #isLeaving = false;
  #ending: Ending | undefined;
  /** The next step of the subscriptions, and the end of patience with a goodbye. */
  #stepTimer: Timer | undefined;
  #leaveTimer: Timer | undefined;

  constructor(account: Account, plan: readonly Registration[], progress: Progress) {
    this.#account = account;
    this.#progress = progress;
    this.#subscriptions = new KisSubscriptions(
      { ...account.timings, ...account.limits },
      account.roomMax,
    );
    this.replan(plan);
  }

  async run(): Promise<Ending> {
    const { rest, wsUrl, clock, timings, limits } = this.#account;
    try {
      // The key comes first: asked for in the open callback it delays the handshake, and two sessions result.
      const key = await Promise.race([rest.approvalKey(), this.#left.promise]);
      if (key === undefined || this.#isLeaving) return NEVER_OPENED;
      this.#approvalKey = key;
    } catch (error) {
      return endingOf(error);
    }
    this.#socket = new BrokerSocket({
      url: wsUrl,
      clock,
      limits: { ...timings, ...limits },
      route: this.#account.route,
      bytes: this.#account.bytes,
      opened: () => this.#opened(),
      message: (bytes) => this.#message(bytes),
      closed: (closing) => this.#closed(closing),
    });
    return this.#ended.promise;
  }

  replan(plan: readonly Registration[]): void {
    if (this.#isLeaving) return;
    for (const registration of this.#subscriptions.plan(plan)) {
      this.#refused(registration, "FEED_SUBSCRIPTION", "KIS has no such channel");
    }
    if (this.#isOpen && !this.#ending) this.#step();
  }

  leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#left.resolve(undefined);
    if (!this.#isOpen || this.#ending) {
      this.#socket?.close();
      return;
    }
    const { clock, timings } = this.#account;
    this.#subscriptions.plan([]);
    this.#leaveTimer = clock.after(timings.leaveMs, () => this.#socket?.close());
    this.#step();
  }

  destroy(): void {
    this.#isLeaving = true;
    this.#left.resolve(undefined);
    this.#stepTimer?.cancel();
    this.#socket?.destroy();
  }

  #opened(): void {
    this.#isOpen = true;
    this.#progress.opened();
    this.#step();
  }

  /** Sends what is due and sets the timer for what comes next. */
  #step(): void {
    this.#stepTimer?.cancel();
    const { clock, sink } = this.#account;
    let step = this.#subscriptions.next(clock.monoMs());
    while (step.name === "ask") {
      if (step.join) sink.registering?.(step.registration);
      this.#socket?.send(kisRequest(this.#approvalKey, step.join, step.key));
      step = this.#subscriptions.next(clock.monoMs());
    }
    if (step.name === "unanswered") {
      this.#unanswered(step.key);
      return;
    }
    if (step.delayMs < Infinity) {
      this.#stepTimer = clock.after(step.delayMs, () => this.#step());
    }
    this.#told();
  }

  #unanswered({ trId, trKey }: KisKey): void {
    const { rest, timings } = this.#account;
    // Some report that an unknown approval key is answered by silence: the next session asks for another.
    if (this.#subscriptions.confirmed === 0 && !this.#isLeaving) rest.drop(this.#approvalKey);
    const reason = `no ack for ${trId} ${trKey} within ${timings.ackTimeoutMs} ms`;
    this.end({ code: "FEED_ACK_TIMEOUT", reason, wait: "clean" });
  }

  #told(): void {
    const { confirmed, wanted, settled } = this.#subscriptions;
    if (!this.#isLeaving) this.#progress.registered(confirmed, wanted, settled);
    else if (settled) this.#socket?.close();
  }

  #message(bytes: Uint8Array): void {
    const { decoder, sink, source, emit } = this.#account;
    const at = this.#now();
    const frame = decoder.decode(bytes, at);
    if (frame.kind === "pingpong") {
      this.#socket?.send(bytes);
      sink.beat?.("all", at.edgeRecvMs, kstStampMs(frame.datetime));
    } else if (frame.kind === "ack") this.#acked(frame);
    else deliver(sink, frame, bytes, at);
    this.#progress.heard(at.edgeRecvMs);
    if (frame.kind === "data") this.#progress.brought(frame.ticks, at.marketMs);
    if (frame.kind !== "data" && frame.kind !== "reject") return;
    for (const { trId, width, knownWidth, field } of frame.drifts ?? []) {
      const found = field === undefined ? String(width) : `${width}, ${field} unreadable`;
      const known = String(knownWidth);
      emit({ event: "feed_drifted", source, record: trId, width: found, known });
    }
  }

  #now(): ReadAt {
    const edgeRecvMs = this.#account.clock.nowMs();
    return { edgeRecvMs, marketMs: this.#account.market(edgeRecvMs) };
  }

  #acked(ack: KisAck): void {
    const account = this.#account;
    const action = kisActionOf(ack.msgCd, ack.rtCd);
    const fact = this.#masked(`${ack.msgCd} ${ack.msg}`);
    if (action === "taken") {
      this.end({ code: "FEED_SOCKET_TAKEN", reason: fact, wait: "taken", alarm: true });
    } else if (action === "config") {
      this.end({ code: "FEED_AUTH", reason: fact, wait: "refused", alarm: true });
    } else if (action === "reissue") {
      this.#reissue(fact);
    } else {
      if (action === "ok") account.keysRefused = 0;
      const nowMs = account.clock.monoMs();
      const lost = this.#subscriptions.acked(ack, ack.msgCd, action, nowMs);
      if (lost) this.#refused(lost, ack.msgCd, fact);
      this.#learnCap();
      if (!this.#ending) this.#step();
    }
  }

  /** The approval key is unknown: one new one is tried, then a person is asked. */
  #reissue(reason: string): void {
    const account = this.#account;
    account.rest.drop(this.#approvalKey);
    account.keysRefused++;
    const isFirst = account.keysRefused === 1;
    this.end({ code: "FEED_AUTH", reason, wait: isFirst ? "clean" : "refused", alarm: !isFirst });
  }

  #learnCap(): void {
    const learned = this.#subscriptions.takeCap();
    if (!learned) return;
    if (learned.cap === 0) {
      // Not a cap but somebody's registrations, most likely a ghost of our own last session.
      const reason = "the broker has no room for a single registration";
      this.end({ code: "FEED_SOCKET_TAKEN", reason, wait: "taken", alarm: true });
      return;
    }
    const { source, emit, onCap } = this.#account;
    this.#account.roomMax = learned.cap;
    emit({ event: "feed_cap_learned", source, ...learned });
    onCap?.(learned.cap);
  }

  #refused(registration: Registration, code: string, reason: string): void {
    const { source, emit } = this.#account;
    emit({
      event: "feed_subscription_refused",
      source,
      key: registrationKey(registration),
      code,
      reason,
    });
  }

  /** The broker's words without our keys: it repeats what it was sent. */
  #masked(words: string): string {
    const { appKey, secret } = this.#account;
    return masked(words, [this.#approvalKey, appKey, secret]);
  }

  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#stepTimer?.cancel();
    this.#socket?.close();
  }

  #closed(closing: Closing): void {
    this.#stepTimer?.cancel();
    this.#leaveTimer?.cancel();
    this.#isOpen = false;
    const { sink, limits } = this.#account;
    if (closing.tooLarge) sink.reject(unreadMessage(limits.frameBytesMax, this.#now()));
    const { code, clean } = closing;
    const reason = this.#masked(closing.reason);
    const ending = this.#ending ?? { code, reason, wait: clean ? "clean" : "unclean" };
    // We wanted a goodbye and the broker gave none: its slot may still be held.
    const wait = ending.wait === "clean" && !clean ? "unclean" : ending.wait;
    this.#ended.resolve({ ...ending, wait });
  }
}

function withPath(wsUrl: string): string {
  const url = new URL(wsUrl);
  if (url.pathname === "/") url.pathname = "/tryitout";
  return url.href;
}
