// The pollers of a news edge: each source is asked in its turn, what it lists becomes rows, and what was not
// handed on before goes to the outbox. Promises: nothing a server sends ends the process; every new item is one
// row, every document that cannot be read one reject; a failure is told once and waited out.
import type { Clock, Timer } from "../../../shared/clock.ts";
import { codeOf, ERRORS, TickhubError } from "../../../shared/errors.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { Emit } from "../../../shared/events.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import type { NewsItem, Reject } from "../../../shared/tick.ts";
import { RefusedTally } from "../../refused-tally.ts";
import { sha256 } from "./canonical-url.ts";
import { DartPoll } from "./dart-poll.ts";
import { FETCH_LIMITS, Fetcher } from "./fetcher.ts";
import type { FetcherOptions, Validators } from "./fetcher.ts";
import { HostTurns } from "./host-turns.ts";
import { PollPlan } from "./poll-plan.ts";
import { digestOf, readItems } from "./read.ts";
import { Robots, ROBOTS_NAME } from "./robots.ts";
import { SeenItems } from "./seen-items.ts";
import type { NewsSource } from "./sources.ts";
import { Tagger } from "./tagger.ts";

/** What a source's keys are: its own server's alone. */
export interface NewsKeys {
  dartUrl: string;
  dartKey?: string | undefined;
  naverUrl: string;
  naverId?: string | undefined;
  naverSecret?: string | undefined;
}

export interface NewsFeedOptions {
  sources: readonly NewsSource[];
  keys: NewsKeys;
  version: string;
  clock: Clock;
  emit: Emit;
  /** Takes each new row, `capture` still 0. */
  take: (row: NewsItem | Reject) => void;
  bytes?: SocketBytes | undefined;
  limits?: Partial<Pick<FetcherOptions, "timeoutMs" | "bytesMax" | "redirectsMax">>;
  /** Between two requests to one host. */
  hostPauseMs?: number;
  /** The first polls are spread over this. */
  spreadMs?: number;
}

/** How one source does, for people. */
export interface SourceStatus {
  name: string;
  state: "new" | "ok" | "failing";
  code?: ErrorCode;
  /** Wall clock of the last answer; 0 before the first. */
  answeredMs: number;
  /** Since the process's start. */
  polls: number;
  listed: number;
  fresh: number;
}

/** Everything that is listed somewhere at a time, many times over. */
const ITEMS_MAX = 50_000;
const HOST_PAUSE_MS = 2_000;
const SPREAD_MS = 5_000;

interface Poller {
  source: NewsSource;
  plan: PollPlan;
  status: SourceStatus;
  since: Validators | null;
  /** SHA-256 of the document read last: servers without validators send the same bytes again. */
  document: string;
  timer: Timer | null;
}

export class NewsFeed {
  readonly #options: NewsFeedOptions;
  readonly #fetcher: Fetcher;
  readonly #robots: Robots;
  readonly #turns: HostTurns;
  readonly #seen = new SeenItems(ITEMS_MAX);
  readonly #pollers: Poller[];
  readonly #dart: DartPoll;
  #tagger = new Tagger([]);
  #isStopped = false;
  #freshMs = 0;

  constructor(options: NewsFeedOptions) {
    const { clock, version, bytes, limits, hostPauseMs = HOST_PAUSE_MS, keys } = options;
    this.#options = options;
    const userAgent = `${ROBOTS_NAME}/${version} (news collector)`;
    this.#fetcher = new Fetcher({ clock, userAgent, bytes, ...FETCH_LIMITS, ...limits });
    this.#robots = new Robots(this.#fetcher, clock);
    this.#turns = new HostTurns(clock, hostPauseMs);
    this.#dart = new DartPoll({ clock, get: (path) => this.#getDart(path) });
    const usable = options.sources.filter(({ kind }) => kind !== "dart" || keys.dartKey);
    this.#pollers = usable.map((source) => ({
      source,
      plan: new PollPlan(source.everyMs),
      status: { name: source.name, state: "new", answeredMs: 0, polls: 0, listed: 0, fresh: 0 },
      since: null,
      document: "",
      timer: null,
    }));
  }

  /** Names to tag by, from now on. */
  tagBy(tagger: Tagger): void {
    this.#tagger = tagger;
  }

  start(): void {
    const { clock, spreadMs = SPREAD_MS } = this.#options;
    for (const poller of this.#pollers) this.#after(poller, clock.random() * spreadMs);
  }

  /** Nothing is handed on after this. */
  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#pollers) timer?.cancel();
    this.#fetcher.close();
  }

  status(): SourceStatus[] {
    return this.#pollers.map(({ status }) => ({ ...status }));
  }

  /** Wall clock of the last new item; 0 before the first. */
  freshMs(): number {
    return this.#freshMs;
  }

  #after(poller: Poller, delayMs: number): void {
    poller.timer = this.#options.clock.after(delayMs, () => void this.#poll(poller));
  }

  async #poll(poller: Poller): Promise<void> {
    const { clock, emit } = this.#options;
    const { status, plan, source } = poller;
    const freshBefore = status.fresh;
    let delayMs: number;
    try {
      await this.#look(poller);
      delayMs = plan.answered(clock.monoMs(), clock.random());
      poller.status = { ...poller.status, state: "ok", answeredMs: clock.nowMs() };
      delete poller.status.code;
    } catch (error) {
      if (!(error instanceof TickhubError)) throw error;
      if (this.#isStopped) return;
      const { code } = error;
      const retryAfterMs = Number(error.context.retryAfterMs ?? 0);
      delayMs = plan.failed(clock.monoMs(), clock.random(), code, retryAfterMs);
      const isNews = poller.status.code !== code;
      poller.status = { ...poller.status, state: "failing", code };
      const attempt = plan.failures;
      emit({
        event: "feed_retrying",
        source: source.name,
        code,
        delayMs: Math.round(delayMs),
        attempt,
      });
      if (isNews) {
        const reason = `${reasonOf(error)}. ${ERRORS[code].hint}`;
        emit({ event: "feed_alarmed", source: source.name, code, reason });
      }
    }
    if (this.#isStopped) return;
    poller.status.polls++;
    const fresh = poller.status.fresh - freshBefore;
    if (fresh > 0) emit({ event: "news_polled", source: source.name, fresh });
    this.#after(poller, delayMs);
  }

  async #look(poller: Poller): Promise<void> {
    const { source } = poller;
    const { clock } = this.#options;
    if (source.kind === "dart") return await this.#dart.look((rows) => this.#take(poller, rows));
    const headers = this.#keysFor(source.url);
    const url = new URL(source.url);
    const answer = await this.#turns.take(
      url.host,
      () =>
        this.#fetcher.get({
          url: source.url,
          since: poller.since,
          // Whoever gave us a key has said already that we may ask.
          ...(headers
            ? { headers, isKeyed: true }
            : { permit: (at: URL) => this.#robots.permit(at) }),
        }),
      () => this.#robots.delayMs(url),
    );
    if (answer.name === "unchanged") return;
    const document = Buffer.from(sha256(answer.bytes)).toString("base64");
    const isSame = document === poller.document;
    poller.since = { etag: answer.etag, lastModified: answer.lastModified };
    poller.document = document;
    if (isSame) return;
    const origin = { feed: source.name, url: answer.url, edgeRecvMs: clock.nowMs() };
    this.#take(poller, readItems(answer.bytes, answer.contentType, origin));
  }

  /** Hands on what is new; returns how much of it was. */
  #take(poller: Poller, rows: readonly (NewsItem | Reject)[]): number {
    if (this.#isStopped) return 0;
    const { take, clock, emit } = this.#options;
    const { status, source } = poller;
    const refused = new RefusedTally(source.name, emit);
    let fresh = 0;
    for (const row of rows) {
      status.listed++;
      if (this.#seen.note(digestOf(row))) continue;
      fresh++;
      if (row.kind === "reject") refused.note(row);
      else
        row.symbols = [...new Set([...row.symbols, ...this.#tagger.tag(row.title, row.summary)])];
      take(row);
    }
    refused.tell();
    status.fresh += fresh;
    if (fresh > 0) this.#freshMs = clock.nowMs();
    return fresh;
  }

  #keysFor(address: string): Record<string, string> | null {
    const { naverUrl, naverId, naverSecret } = this.#options.keys;
    if (new URL(address).origin !== new URL(naverUrl).origin) return null;
    return { "x-naver-client-id": naverId ?? "", "x-naver-client-secret": naverSecret ?? "" };
  }

  async #getDart(path: string): Promise<Uint8Array> {
    const { dartUrl, dartKey = "" } = this.#options.keys;
    const url = new URL(path, dartUrl);
    url.searchParams.set("crtfc_key", dartKey);
    const get = () => this.#fetcher.get({ url: url.href, isKeyed: true });
    const answer = await this.#turns.take(url.host, get, () => 0);
    return answer.name === "document" ? answer.bytes : new Uint8Array();
  }
}

/** Host and path, and what was wrong with the answer. */
function reasonOf(error: TickhubError): string {
  const { host = "", path = "", status, reason, message } = error.context;
  const what = [status, reason, message].filter((one) => one !== undefined && one !== "");
  return `${String(host)}${String(path)}: ${what.map(String).join(" ") || codeOf(error)}`;
}
