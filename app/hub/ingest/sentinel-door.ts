// Takes what the Sentinel tells: `POST /sentinel` on the port of the page, with a token of its own that opens
// nothing else. Promises: what is no report is never stored; a wrong token is answered before the body is read,
// in the same words whatever was wrong with it; reports come at a bounded rate.
import { timingSafeEqual } from "node:crypto";
import type { SentinelAnswer, SentinelReport } from "../../shared/alerts.ts";
import { ALERTS_MAX, sentinelReportSchema } from "../../shared/alerts.ts";
import type { Alert } from "../../shared/alerts.ts";
import type { Clock } from "../../shared/clock.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { bytesOfHash, digest, hashOfToken } from "../../shared/token.ts";
import { asStoreError } from "../../store/database.ts";
import type { DoorAnswer } from "./evidence-door.ts";
import { TokenBucket } from "./rate.ts";
import type { Rate } from "./rate.ts";

/** A report a minute, and one for each change. */
const REPORT_RATE: Rate = { perSecond: 1, burst: 60 };
const AHEAD_MS_MAX = 300_000;

export interface SentinelDoorOptions {
  /** The Sentinel's token, or its `sha256:HEX`. */
  token: string;
  store: (report: SentinelReport) => Promise<void>;
  open: (limit: number) => Promise<Alert[]>;
  clock: Clock;
  emit: Emit;
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  SENTINEL_TOKEN: 401,
  SENTINEL_REPORT: 400,
  EVIDENCE_RATE: 429,
};

export class SentinelDoor {
  readonly #options: SentinelDoorOptions;
  readonly #wanted: Buffer;
  readonly #bucket: TokenBucket;

  constructor(options: SentinelDoorOptions) {
    this.#options = options;
    this.#wanted = bytesOfHash(hashOfToken(options.token));
    this.#bucket = new TokenBucket(REPORT_RATE, options.clock.monoMs());
  }

  /** Before a byte of the body is read: the refusal, or null. A token of 256 bits needs no patience with guesses. */
  admit(authorization: string | undefined, address: string): DoorAnswer | null {
    const [, token] = /^Bearer (\S{1,200})$/.exec(authorization ?? "") ?? [];
    if (!timingSafeEqual(digest(token ?? ""), this.#wanted)) {
      return this.#refuse("SENTINEL_TOKEN", address);
    }
    const nowMs = this.#options.clock.monoMs();
    if (this.#bucket.waitMs(nowMs) > 0) return this.#refuse("EVIDENCE_RATE", address);
    this.#bucket.take(1, nowMs);
    return null;
  }

  async take(body: unknown): Promise<DoorAnswer> {
    const { store, open, clock, emit } = this.#options;
    const parsed = sentinelReportSchema.safeParse(body);
    if (!parsed.success) return this.invalid(parsed.error.issues[0]?.message ?? "");
    const report = parsed.data;
    const { evidence } = report;
    if (evidence && evidence.atMs > clock.nowMs() + AHEAD_MS_MAX) {
      return this.invalid("atMs lies in the future");
    }
    try {
      const standing = report.isFresh ? await open(ALERTS_MAX) : [];
      await store(report);
      if (evidence) {
        const { kind, subject, ok } = evidence;
        emit({ event: "evidence_stored", edge: "sentinel", kind, subject, ok });
      }
      return { status: 200, body: { ok: true, open: standing } satisfies SentinelAnswer };
    } catch (error) {
      return this.#refuse(asStoreError(error).code, "");
    }
  }

  invalid(problem: string): DoorAnswer {
    const { status, body } = this.#refuse("SENTINEL_REPORT", "");
    return { status, body: { ...body, problem: problem.slice(0, 300) } };
  }

  #refuse(code: ErrorCode, address: string): DoorAnswer {
    this.#options.emit({ event: "edge_refused", edge: "sentinel", address, code });
    return { status: STATUS[code] ?? 503, body: { code, hint: ERRORS[code].hint } };
  }
}
