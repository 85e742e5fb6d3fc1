// The names that news are tagged by, asked of the hub: at the start, and twice a day. Without them an item has
// the symbols its own feed names, and no others.
import type { Clock, Timer } from "../../../shared/clock.ts";
import type { Route } from "../../../shared/dial/route.ts";
import { codeOf } from "../../../shared/errors.ts";
import type { Emit } from "../../../shared/events.ts";
import { parseMessage } from "../../../shared/gateway-protocol.ts";
import { exchange } from "../../../shared/http-request.ts";
import { INSTRUMENTS_PATH, instrumentNamesSchema } from "../../../shared/instruments.ts";
import { newsAccount } from "../../../shared/own-account.ts";
import type { SocketBytes } from "../../../shared/socket-bytes.ts";
import { Tagger } from "./tagger.ts";

const EVERY_MS = 12 * 3_600_000;
const AGAIN_MS = 60_000;
const TIMEOUT_MS = 20_000;
const BYTES_MAX = 8 * 2 ** 20;

export interface NamesOptions {
  hubUrl: string;
  edge: string;
  token: string;
  clock: Clock;
  emit: Emit;
  route?: Route | undefined;
  bytes?: SocketBytes | undefined;
  use: (tagger: Tagger) => void;
}

export class Names {
  readonly #options: NamesOptions;
  #timer: Timer | null = null;
  #isStopped = false;
  #count = 0;
  #told = "";

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /** Instruments known by name. */
  get count(): number {
    return this.#count;
  }

  /** Resolves after the first try, whatever came of it. A hub that is a database has no door for this. */
  async start(): Promise<void> {
    if (!/^wss?:/.test(this.#options.hubUrl)) return;
    const { clock, use } = this.#options;
    const problem = await this.#ask(use);
    if (this.#isStopped) return;
    if (problem !== null) this.#alarm(problem);
    this.#timer = clock.after(problem === null ? EVERY_MS : AGAIN_MS, () => void this.start());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** What went wrong, or null. */
  async #ask(use: (tagger: Tagger) => void): Promise<string | null> {
    const { hubUrl, edge, token, clock, route, bytes } = this.#options;
    const url = new URL(INSTRUMENTS_PATH, hubUrl.replace(/^ws/, "http"));
    url.searchParams.set("edge", edge);
    try {
      const reply = await exchange({
        ...{ url: url.href, clock, route, bytes, timeoutMs: TIMEOUT_MS, replyBytesMax: BYTES_MAX },
        headers: { authorization: `Bearer ${token}` },
      });
      if (reply.status !== 200) return `the hub answers ${reply.status}`;
      const names = parseMessage(instrumentNamesSchema, reply.text);
      if (!names) return "the hub's answer is no list of instruments";
      this.#count = names.instruments.length;
      use(new Tagger(names.instruments));
      return this.#count === 0 ? "the hub knows none: tickhub instruments load FILE" : null;
    } catch (error) {
      return codeOf(error) === "Error" ? (error as Error).message : codeOf(error);
    }
  }

  #alarm(reason: string): void {
    if (this.#told === reason) return;
    this.#told = reason;
    const { emit, edge } = this.#options;
    emit({ event: "feed_alarmed", source: newsAccount(edge), code: "NEWS_NAMES", reason });
  }
}
