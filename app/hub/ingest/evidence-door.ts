// Takes evidence from edges that hold no database login: `POST /evidence` beside the gateway, with the same
// token, the same check of the machine and the same patience with guesses. Promises: an edge speaks for
// itself and, of a probe, for its accounts, of a stress run for a hub of simulated brokers, and for nobody else;
// what is not evidence is never stored.
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { BrokerKind } from "../../shared/brokers.ts";
import { CANARY } from "../../shared/canary.ts";
import type { Clock } from "../../shared/clock.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import { evidenceSchema } from "../../shared/evidence.ts";
import type { Evidence } from "../../shared/evidence.ts";
import { asStoreError } from "../../store/database.ts";
import { TokenBucket } from "./rate.ts";
import type { Rate } from "./rate.ts";

/** A measurement takes a minute; a command that runs wild is not to fill the table. */
export const EVIDENCE_RATE: Rate = { perSecond: 0.5, burst: 30 };
/** What the clocks of two machines may differ by; evidence from the future would never grow old. */
const AHEAD_MS_MAX = 300_000;

export interface EvidenceDoorOptions {
  /** Who loads a hub of simulated brokers speaks for it. */
  brokers: BrokerKind;
  /** The gateway's own: why whoever asks as this edge has no business here. */
  vet: (edge: string, request: IncomingMessage) => Promise<ErrorCode | null>;
  /** True for an account of the plan that this edge may use. */
  isOwn: (edge: string, account: string) => boolean;
  /** Keeps it, and returns its id. */
  store: (evidence: Evidence) => Promise<number>;
  clock: Clock;
  emit: Emit;
  rate?: Rate;
}

/** What the port answers. */
export interface DoorAnswer {
  status: number;
  body: Record<string, unknown>;
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  EDGE_TOKEN: 401,
  EDGE_IDENTITY: 403,
  EVIDENCE_SUBJECT: 403,
  EVIDENCE_INVALID: 400,
  EVIDENCE_RATE: 429,
};

export class EvidenceDoor {
  readonly #options: EvidenceDoorOptions;
  /** Edges that were let in, so no more than there are. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: EvidenceDoorOptions) {
    this.#options = options;
  }

  /** Before a byte of the body is read: the refusal, or null. */
  async admit(edge: string, request: IncomingMessage): Promise<DoorAnswer | null> {
    // The canary proves releases and has nothing to say; its token is no secret to the hub's machine.
    const code = edge === CANARY ? "EDGE_TOKEN" : await this.#options.vet(edge, request);
    if (code) return this.#refuse(edge, code, request.socket.remoteAddress);
    const { clock, rate = EVIDENCE_RATE } = this.#options;
    const nowMs = clock.monoMs();
    const bucket = this.#buckets.get(edge) ?? new TokenBucket(rate, nowMs);
    this.#buckets.set(edge, bucket);
    if (bucket.waitMs(nowMs) > 0) {
      return this.#refuse(edge, "EVIDENCE_RATE", request.socket.remoteAddress);
    }
    bucket.take(1, nowMs);
    return null;
  }

  /** Stores what an admitted edge sent. */
  async take(edge: string, body: unknown): Promise<DoorAnswer> {
    const { brokers, store, isOwn, clock, emit } = this.#options;
    const parsed = evidenceSchema.safeParse(body);
    if (!parsed.success) return this.invalid(edge, z.prettifyError(parsed.error).slice(0, 500));
    const evidence = parsed.data;
    const { kind, subject, ok, atMs } = evidence;
    const isOfAccount = kind === "probe" && isOwn(edge, subject);
    const isOfHub = kind === "stress" && subject === "hub" && brokers === "simulated";
    if (subject !== edge && !isOfAccount && !isOfHub) return this.#refuse(edge, "EVIDENCE_SUBJECT");
    if (atMs > clock.nowMs() + AHEAD_MS_MAX) return this.invalid(edge, "atMs lies in the future");
    try {
      const id = await store(evidence);
      emit({ event: "evidence_stored", edge, kind, subject, ok });
      return { status: 200, body: { ok: true, id } };
    } catch (error) {
      return this.#refuse(edge, asStoreError(error).code);
    }
  }

  /** The answer to a body that is no evidence. */
  invalid(edge: string, problem: string): DoorAnswer {
    const { status, body } = this.#refuse(edge, "EVIDENCE_INVALID");
    return { status, body: { ...body, problem } };
  }

  #refuse(edge: string, code: ErrorCode, address = ""): DoorAnswer {
    this.#options.emit({ event: "edge_refused", edge: edge.slice(0, 64), address, code });
    return { status: STATUS[code] ?? 503, body: { code, hint: ERRORS[code].hint } };
  }
}
