// What a person may do from the page: `POST /api/act`. Promises: without TICKHUB_ADMIN_TOKEN nothing can be done
// here; the token is compared as a hash and in constant time, and who guesses waits; a page of another site cannot
// ask; every act, done or refused, is an event with the address it came from and the reason given for it.
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { Clock } from "../../shared/clock.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { bytesOfHash, digest, hashOfToken } from "../../shared/token.ts";
import type { Act, ActResult, ApiError } from "../../shared/web-api.ts";
import { asStoreError } from "../../store/database.ts";
import { waitForGuesses } from "../ingest/guess-wait.ts";
import { Guesses, TokenBucket } from "../ingest/rate.ts";
import type { GuessLimits, Rate } from "../ingest/rate.ts";

/** A refused act, with what it needs: its conditions, a line each. */
export class ActRefusal extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("refused");
    this.problems = problems;
  }
}

export interface ActsOptions {
  /** The admin token or its `sha256:HEX`; none: there are no acts. */
  token: string | undefined;
  clock: Clock;
  emit: Emit;
  /** Does it, and returns what was done. Throws TickhubError or ActRefusal. */
  perform: (act: Act, by: string) => Promise<string[]>;
  rate?: Rate;
  guess?: GuessLimits;
}

export interface ActAnswer {
  status: number;
  body: ActResult | ApiError;
}

const RATE: Rate = { perSecond: 0.2, burst: 10 };
const UNDERWAY_MAX = 4;
const GUESS: GuessLimits = {
  wrong: { perSecond: 0.1, burst: 5 },
  waitMaxMs: 10_000,
  waitingMax: 2,
  addressesMax: 1_000,
};

const reason = z.string().trim().min(10, "a reason of ten letters and more").max(500);
const actSchema = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("phase.advance"), force: z.boolean(), reason }),
  z.strictObject({ action: z.literal("phase.rollback"), reason }),
  z.strictObject({
    action: z.literal("lease.release"),
    account: z.string().min(1).max(255),
    reason,
  }),
]) satisfies z.ZodType<Act>;

const STATUS: Partial<Record<ErrorCode, number>> = {
  ACT_OFF: 403,
  ACT_ORIGIN: 403,
  ACT_TOKEN: 401,
  ACT_RATE: 429,
  REQUEST_INVALID: 400,
};

export class Acts {
  readonly #options: ActsOptions;
  readonly #hash: Buffer | null;
  readonly #guesses: Guesses;
  readonly #bucket: TokenBucket;
  #underway = 0;

  constructor(options: ActsOptions) {
    const { token, guess = GUESS, rate = RATE, clock } = options;
    this.#options = options;
    this.#hash = token === undefined ? null : bytesOfHash(hashOfToken(token));
    this.#guesses = new Guesses(guess);
    this.#bucket = new TokenBucket(rate, clock.monoMs());
  }

  /** Whether there is a token to be asked with. */
  get isOn(): boolean {
    return this.#hash !== null;
  }

  /** Before a byte of the body is read: the refusal, or null. */
  async admit(request: IncomingMessage): Promise<ActAnswer | null> {
    const address = addressOf(request);
    if (this.#hash === null) return this.#refuse("ACT_OFF", "", address);
    if (!isSameOrigin(request)) return this.#refuse("ACT_ORIGIN", "", address);
    const { clock } = this.#options;
    const mayAsk = await waitForGuesses(this.#guesses, address, clock);
    if (!mayAsk) return this.#refuse("ACT_RATE", "", address);
    const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (!timingSafeEqual(digest(shown), this.#hash)) {
      this.#guesses.wrong(address, clock.monoMs());
      return this.#refuse("ACT_TOKEN", "", address);
    }
    const isTooMuch = this.#underway >= UNDERWAY_MAX || this.#bucket.waitMs(clock.monoMs()) > 0;
    if (isTooMuch) return this.#refuse("ACT_RATE", "", address);
    this.#bucket.take(1, clock.monoMs());
    return null;
  }

  /** Does what an admitted request asks. */
  async take(request: IncomingMessage, body: unknown): Promise<ActAnswer> {
    const address = addressOf(request);
    const parsed = actSchema.safeParse(body);
    if (!parsed.success) {
      const problems = parsed.error.issues.map(({ path, message }) => {
        return `${path.join(".") || "body"}: ${message}`;
      });
      return this.#refuse("REQUEST_INVALID", "", address, problems);
    }
    const { perform, clock, emit } = this.#options;
    const act = parsed.data;
    const startMs = clock.monoMs();
    this.#underway++;
    try {
      const lines = await perform(act, `page@${address}: ${act.reason}`);
      const tookMs = clock.monoMs() - startMs;
      emit({ event: "act_done", ...subjectOf(act), address, reason: act.reason, tookMs });
      return { status: 200, body: { ok: true, lines } };
    } catch (error) {
      return this.#failed(act, address, error);
    } finally {
      this.#underway--;
    }
  }

  /** A body that is not JSON. */
  invalid(request: IncomingMessage, problem: string): ActAnswer {
    return this.#refuse("REQUEST_INVALID", "", addressOf(request), [problem]);
  }

  #failed(act: Act, address: string, thrown: unknown): ActAnswer {
    if (thrown instanceof ActRefusal) {
      return this.#refuse("ACT_REFUSED", act.action, address, [...thrown.problems]);
    }
    const error = asStoreError(thrown);
    return this.#refuse(error.code, act.action, address, [error.message]);
  }

  #refuse(code: ErrorCode, action: string, address: string, problems?: string[]): ActAnswer {
    this.#options.emit({ event: "act_refused", action, address, code });
    const isDatabase = code.startsWith("DATABASE_");
    return {
      status: STATUS[code] ?? (isDatabase ? 503 : 409),
      body: { code, hint: ERRORS[code].hint, ...(problems ? { problems } : {}) },
    };
  }
}

function subjectOf(act: Act): { action: string; subject: string } {
  return { action: act.action, subject: act.action === "lease.release" ? act.account : "phase" };
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? "";
}

/** A browser says where a request comes from; whoever says nothing is no browser. */
function isSameOrigin({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const { origin, host } = headers;
  return origin === undefined || (host !== undefined && URL.parse(origin)?.host === host);
}
