// Kiwoom's market data, live: one socket per account for domestic venues and, where the plan has US
// symbols, one more for those. LOGIN before anything else, registrations in chunks, PING echoed, REAL
// frames decoded and handed on at the read. Promises not to fight another program for the account.
import type { Clock, Timer } from "../../../shared/clock.ts";
import type { Emit } from "../../../shared/events.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { ReadAt } from "../decoded.ts";
import type { Route } from "../../../shared/dial/route.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import { deliver, unreadMessage } from "../delivery.ts";
import { registrationKey } from "../feed.ts";
import type { Feed, FeedSink, FeedState, Registration } from "../feed.ts";
import { Keeper, NEVER_OPENED, endingOf } from "../keeper.ts";
import type { Ending, Progress, Session } from "../keeper.ts";
import { BrokerSocket } from "../socket.ts";
import type { Closing } from "../socket.ts";
import { masked } from "../words.ts";
import type { KiwoomAnswer, KiwoomSystem } from "./control.ts";
import { KiwoomDecoder } from "./decode.ts";
import type { KiwoomFrame } from "./decode.ts";
import {
  KIWOOM_LIMITS,
  KIWOOM_TIMINGS,
  groupRequest,
  kiwoomActionOf,
  lineOf,
  loginRequest,
} from "./protocol.ts";
import type { KiwoomAction, KiwoomLimits, KiwoomLine, KiwoomTimings } from "./protocol.ts";
import { KiwoomRest } from "./rest.ts";
import { KiwoomSubscriptions } from "./subscriptions.ts";

export interface KiwoomFeedOptions {
  /** The account, such as `kiwoom:1`. */
  source: string;
  appKey: string;
  secret: string;
  /** `https://api.kiwoom.com`. */
  restUrl: string;
  /** `wss://api.kiwoom.com:10000/api/dostk/websocket`. */
  wsUrl: string;
  /** `wss://api.kiwoom.com:10000/api/us/websocket`; by default the same host's. */
  usWsUrl?: string;
  clock: Clock;
  market: MarketClock;
  emit: Emit;
  sink: FeedSink;
  /** Through proxies, of socket and REST. */
  route?: Route | undefined;
  /** Counts what is written. */
  bytes?: SocketBytes | undefined;
  /** Shared with whoever else asks on this account's behalf; its own otherwise. */
  rest?: KiwoomRest;
  /** The broker allows only `cap` items on the domestic socket. */
  onCap?: (cap: number) => void;
  timings?: Partial<KiwoomTimings>;
  limits?: Partial<KiwoomLimits>;
}

/** What outlives the sessions of one socket: the token's issuer, and what the broker has taught us. */
interface Account extends Omit<KiwoomFeedOptions, "timings" | "limits" | "rest"> {
  line: KiwoomLine;
  timings: KiwoomTimings;
  limits: KiwoomLimits;
  rest: KiwoomRest;
  decoder: KiwoomDecoder;
  /** Items allowed; falls when the broker refuses one more. */
  roomMax: number;
  evictionsInARow: number;
}

/** Market data of one Kiwoom account. Source of the protocol: Kiwoom REST API, real-time quotes. */
export function createKiwoomFeed(options: KiwoomFeedOptions): Feed {
  const timings = { ...KIWOOM_TIMINGS, ...options.timings };
  const limits = { ...KIWOOM_LIMITS, ...options.limits };
  const rest = options.rest ?? new KiwoomRest({ ...options, ...timings, ...limits });
  const lines = {
    domestic: keeperOf("domestic", options.wsUrl),
    us: keeperOf("us", options.usWsUrl ?? new URL("/api/us/websocket", options.wsUrl).href),
  };
  const both = Object.values(lines);

  function keeperOf(line: KiwoomLine, wsUrl: string): Keeper {
    const account: Account = {
      ...options,
      line,
      wsUrl,
      timings,
      limits,
      rest,
      decoder: new KiwoomDecoder({ frameBytesMax: limits.frameBytesMax }),
      roomMax: limits.itemsMax,
      evictionsInARow: 0,
    };
    return new Keeper({
      source: options.source,
      line,
      sink: options.sink,
      url: wsUrl,
      clock: options.clock,
      market: options.market,
      emit: options.emit,
      waits: timings.waits,
      stableMs: timings.stableMs,
      session: (plan, progress) => new KiwoomSession(account, plan, progress),
    });
  }

  const planOf = (plan: readonly Registration[], line: KiwoomLine) =>
    plan.filter((registration) => lineOf(registration) === line);

  return {
    source: options.source,
    start(plan) {
      lines.domestic.start(planOf(plan, "domestic"));
      lines.us.start(planOf(plan, "us"));
    },
    replan(plan) {
      lines.domestic.replan(planOf(plan, "domestic"));
      lines.us.replan(planOf(plan, "us"));
    },
    async stop() {
      await Promise.all(both.map((keeper) => keeper.stop()));
    },
    destroy() {
      for (const keeper of both) keeper.destroy();
    },
    state: () => joinStates(lines.domestic.state(), lines.us.state()),
    lastFrameMs: () => Math.max(...both.map((keeper) => keeper.lastFrameMs())),
  };
}

const WORST_FIRST = ["stopped", "waiting", "connecting", "subscribing", "live", "idle"] as const;

/** Two sockets as one: the worse of both, or both live with their registrations added up. */
function joinStates(a: FeedState, b: FeedState): FeedState {
  if (a.name === "live" && b.name === "live") {
    const sinceMs = Math.max(a.sinceMs, b.sinceMs);
    return { name: "live", sinceMs, registrations: a.registrations + b.registrations };
  }
  return WORST_FIRST.indexOf(a.name) <= WORST_FIRST.indexOf(b.name) ? a : b;
}

class KiwoomSession implements Session {
  readonly #account: Account;
  readonly #progress: Progress;
  readonly #subscriptions: KiwoomSubscriptions;
  readonly #left = Promise.withResolvers<undefined>();
  readonly #ended = Promise.withResolvers<Ending>();
  #socket: BrokerSocket | undefined;
  #token = "";
  #logins = 0;
  #loggedInMs: number | undefined;
  #isLeaving = false;
  #ending: Ending | undefined;
  /** The next step of login and subscriptions, and the end of patience with a goodbye. */
  #stepTimer: Timer | undefined;
  #leaveTimer: Timer | undefined;

  constructor(account: Account, plan: readonly Registration[], progress: Progress) {
    this.#account = account;
    this.#progress = progress;
    this.#subscriptions = new KiwoomSubscriptions(
      { ...account.timings, ...account.limits },
      account.roomMax,
    );
    this.replan(plan);
  }

  async run(): Promise<Ending> {
    const { rest, wsUrl, clock, timings, limits } = this.#account;
    try {
      const token = await Promise.race([rest.token(), this.#left.promise]);
      if (token === undefined || this.#isLeaving) return NEVER_OPENED;
      this.#token = token;
    } catch (error) {
      return endingOf(error);
    }
    this.#socket = new BrokerSocket({
      url: wsUrl,
      clock,
      limits: { ...timings, ...limits },
      route: this.#account.route,
      bytes: this.#account.bytes,
      opened: () => {
        this.#progress.opened();
        this.#login();
      },
      message: (bytes) => this.#message(bytes),
      closed: (closing) => this.#closed(closing),
    });
    return this.#ended.promise;
  }

  replan(plan: readonly Registration[]): void {
    if (this.#isLeaving || this.#ending) return;
    const unknown = this.#subscriptions.plan(plan);
    this.#refused(unknown, "FEED_SUBSCRIPTION", "Kiwoom has no such venue");
    if (this.#loggedInMs !== undefined) this.#step();
  }

  leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#left.resolve(undefined);
    if (this.#loggedInMs === undefined || this.#ending) {
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

  #login(): void {
    const { clock, timings } = this.#account;
    this.#logins++;
    this.#stepTimer?.cancel();
    this.#stepTimer = clock.after(timings.loginTimeoutMs, () => {
      const reason = `no answer to LOGIN within ${timings.loginTimeoutMs} ms`;
      this.end({ code: "FEED_ACK_TIMEOUT", reason, wait: "clean" });
    });
    this.#socket?.send(loginRequest(this.#token));
  }

  #message(bytes: Uint8Array): void {
    const { decoder, sink, source, emit } = this.#account;
    const at = this.#now();
    const frame = decoder.decode(bytes, at);
    if (frame.kind === "data" || frame.kind === "reject") deliver(sink, frame, bytes, at);
    else this.#control(frame, bytes);
    this.#progress.heard(at.edgeRecvMs);
    if (frame.kind !== "data") return;
    this.#progress.brought(frame.ticks, at.marketMs);
    for (const { type, fid, is } of frame.drifts) {
      const what = fid === "" ? "type" : `FID ${fid}`;
      const [width, known] = is === undefined ? [what, "none"] : [`${what} ${is}`, what];
      emit({ event: "feed_drifted", source, record: type, width, known });
    }
  }

  #control(frame: Exclude<KiwoomFrame, { kind: "data" | "reject" }>, bytes: Uint8Array): void {
    if (frame.kind === "ping") {
      this.#account.sink.beat?.(this.#account.line, this.#account.clock.nowMs(), null);
      // Nothing but LOGIN may be sent before its answer; one missed heartbeat does no harm.
      if (this.#loggedInMs !== undefined) this.#socket?.send(bytes);
    } else if (frame.kind === "system") this.#system(frame);
    else if (frame.kind === "login") this.#answeredLogin(frame);
    else this.#acked(frame);
  }

  #answeredLogin({ returnCode, message }: KiwoomAnswer): void {
    if (this.#loggedInMs !== undefined || this.#ending || this.#isLeaving) return;
    const action = kiwoomActionOf(returnCode, message);
    if (action === "ok") {
      this.#loggedInMs = this.#account.clock.monoMs();
      this.#step();
    } else if (action === "token" && this.#logins === 1) {
      void this.#loginAgain();
    } else {
      if (action === "token" || action === "address") this.#account.rest.drop(this.#token);
      this.end(refusalOf(action, this.#masked(`LOGIN: ${returnCode} ${message}`)));
    }
  }

  /** The token had died: another one, and LOGIN once more on the same socket. */
  async #loginAgain(): Promise<void> {
    const { rest } = this.#account;
    rest.drop(this.#token);
    this.#stepTimer?.cancel();
    try {
      this.#token = await rest.token();
    } catch (error) {
      this.end(endingOf(error));
      return;
    }
    if (!this.#ending && !this.#isLeaving) this.#login();
  }

  #system({ code, message }: KiwoomSystem): void {
    const reason = this.#masked(`${code} ${message}`);
    if (code === "R10001") this.#evicted(reason);
    else if (code === "R10002" || code === "R10004") {
      this.end({ code: "FEED_CLOSED", reason, wait: "unclean" });
    }
  }

  /** The same key logged in elsewhere. Whoever keeps coming back here evicts the other in turn. */
  #evicted(reason: string): void {
    const account = this.#account;
    const { evictionForgetMs } = account.timings;
    const livedMs = account.clock.monoMs() - (this.#loggedInMs ?? Infinity);
    account.evictionsInARow = livedMs >= evictionForgetMs ? 1 : account.evictionsInARow + 1;
    const isOver = account.evictionsInARow >= account.limits.evictionsMax;
    if (isOver) account.evictionsInARow = 0;
    this.end({
      code: isOver ? "FEED_EVICTED" : "FEED_SOCKET_TAKEN",
      reason,
      wait: "taken",
      alarm: true,
      final: isOver,
    });
  }

  #acked({ kind, returnCode, message }: KiwoomAnswer): void {
    const trnm = kind === "reg" ? "REG" : "REMOVE";
    const action = kiwoomActionOf(returnCode, message);
    const reason = this.#masked(`${trnm}: ${returnCode} ${message}`);
    if (action === "token" || action === "address" || action === "auth") {
      this.#account.rest.drop(this.#token);
      this.end(refusalOf(action, reason));
      return;
    }
    const nowMs = this.#account.clock.monoMs();
    const lost = this.#subscriptions.acked(trnm, action, nowMs);
    this.#refused(lost, String(returnCode), reason);
    this.#learnCap();
    if (!this.#ending) this.#step();
  }

  #learnCap(): void {
    const learned = this.#subscriptions.takeCap();
    if (!learned) return;
    const account = this.#account;
    if (learned.cap === 0) {
      const reason = "the broker has no room for a single item";
      this.end({ code: "FEED_SOCKET_TAKEN", reason, wait: "taken", alarm: true });
      return;
    }
    account.roomMax = learned.cap;
    account.emit({ event: "feed_cap_learned", source: account.source, ...learned });
    if (account.line === "domestic") account.onCap?.(learned.cap);
  }

  /** Sends what is due and sets the timer for what comes next. */
  #step(): void {
    this.#stepTimer?.cancel();
    const { clock, timings, sink } = this.#account;
    let step = this.#subscriptions.next(clock.monoMs());
    while (step.name === "ask") {
      if (step.trnm === "REG") for (const one of step.registrations) sink.registering?.(one);
      this.#socket?.send(groupRequest(step.trnm, step.items, step.types));
      step = this.#subscriptions.next(clock.monoMs());
    }
    if (step.name === "unanswered") {
      const reason = `no answer to ${step.trnm} within ${timings.ackTimeoutMs} ms`;
      this.end({ code: "FEED_ACK_TIMEOUT", reason, wait: "clean" });
      return;
    }
    if (step.delayMs < Infinity) {
      this.#stepTimer = clock.after(step.delayMs, () => this.#step());
    }
    const { confirmed, wanted, settled } = this.#subscriptions;
    if (!this.#isLeaving) this.#progress.registered(confirmed, wanted, settled);
    else if (settled) this.#socket?.close();
  }

  #refused(registrations: readonly Registration[], code: string, reason: string): void {
    const { source, emit } = this.#account;
    for (const registration of registrations) {
      const key = registrationKey(registration);
      emit({ event: "feed_subscription_refused", source, key, code, reason });
    }
  }

  #now(): ReadAt {
    const edgeRecvMs = this.#account.clock.nowMs();
    return { edgeRecvMs, marketMs: this.#account.market(edgeRecvMs) };
  }

  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#stepTimer?.cancel();
    this.#socket?.close();
  }

  /** The broker's words without our keys: it repeats what it was sent. */
  #masked(words: string): string {
    const { appKey, secret } = this.#account;
    return masked(words, [this.#token, appKey, secret]);
  }

  #closed(closing: Closing): void {
    this.#stepTimer?.cancel();
    this.#leaveTimer?.cancel();
    const { sink, limits } = this.#account;
    if (closing.tooLarge) sink.reject(unreadMessage(limits.frameBytesMax, this.#now()));
    const { code, clean } = closing;
    const reason = this.#masked(closing.reason);
    // Close 1000 "Bye" is no normal end here: only our own stop is.
    this.#ended.resolve(this.#ending ?? { code, reason, wait: clean ? "clean" : "unclean" });
  }
}

/** What follows when the broker refuses the session itself. */
function refusalOf(action: KiwoomAction, reason: string): Ending {
  if (action === "address") {
    return { code: "FEED_ADDRESS_REFUSED", reason, wait: "refused", alarm: true };
  }
  if (action === "token" || action === "auth") {
    return { code: "FEED_AUTH", reason, wait: "refused", alarm: true };
  }
  return { code: action === "slow" ? "FEED_RATE_LIMITED" : "FEED_CLOSED", reason, wait: "unclean" };
}
