// `/api/…`: what the page asks (app/shared/web-api.ts, docs/api.md). Each route checks its question, asks one query
// module through the reader, and says in a code what is wrong. Promises: a question of the wrong form is 400 with
// every problem named; a database that does not answer in time is 503; nothing here reaches the writers' connections.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Clock } from "../../shared/clock.ts";
import { codeOf, ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { kstDay, kstMs } from "../../shared/market-time.ts";
import type { AlertList, LogList, Place, Session } from "../../shared/web-api.ts";
import {
  BAR_STEPS_MS,
  BARS_MAX,
  LOG_LEVELS,
  STRIP_STEPS_MS,
  TRADES_MAX,
} from "../../shared/web-api.ts";
import { asStoreError } from "../../store/database.ts";
import { readBars, readHasAggregates } from "../query/bars.ts";
import { readGapLines } from "../query/gaps.ts";
import { LOG_LIMIT_MAX } from "../query/logs.ts";
import type { LogFilter } from "../query/logs.ts";
import type { Reader } from "../query/reader.ts";
import { readStrip } from "../query/strip.ts";
import { readSymbols } from "../query/symbols.ts";
import { readTrades } from "../query/trades.ts";
import type { Watcher } from "../query/watcher.ts";
import type { Acts } from "./acts.ts";
import { createLogStream } from "./log-stream.ts";
import { createWatchStream } from "./watch-stream.ts";

export interface ApiOptions {
  version: string;
  clock: Clock;
  /** Market time now. */
  marketMs: () => number;
  reader: Reader;
  acts: Acts;
  /** Somebody watches a place; to be closed. */
  watch: (place: Place) => Watcher;
  /** Begins to fetch what direct edges stored of watched places. */
  fetchArrived: () => void;
  readLogs: (filter: LogFilter) => Promise<LogList>;
  readAlerts: () => Promise<AlertList>;
  readersMax: number;
}

/** Query strings are texts; a number is digits alone, so that `1e3`, `0x10` and an empty text are none. */
const whole = z
  .string()
  .regex(/^\d{1,15}$/, "a whole number")
  .transform(Number);
const within = (min: number, max: number) =>
  whole.refine((value) => value >= min && value <= max, { error: `from ${min} to ${max}` });
const oneOf = (values: readonly number[]) =>
  whole.refine((value) => values.includes(value), { error: `one of ${values.join(", ")}` });
const text = z.string().min(1).max(255);
const timeMs = within(0, 4_102_444_800_000);
const day = within(19900101, 20991231).refine((value) => !Number.isNaN(kstMs(value, 0)), {
  error: "a day, YYYYMMDD",
});

const place = { source: text, venue: text, symbol: text };
const QUESTIONS = {
  none: z.strictObject({}),
  strip: z.strictObject({ day: day.optional(), stepMs: oneOf(STRIP_STEPS_MS).optional() }),
  bars: z
    .strictObject({ ...place, fromMs: timeMs, toMs: timeMs, stepMs: oneOf(BAR_STEPS_MS) })
    .refine(({ fromMs, toMs }) => fromMs < toMs, { error: "before toMs", path: ["fromMs"] })
    .refine(({ fromMs, toMs, stepMs }) => (toMs - fromMs) / stepMs <= BARS_MAX, {
      error: `at most ${BARS_MAX} steps lie between fromMs and toMs`,
      path: ["stepMs"],
    }),
  trades: z.strictObject({ ...place, limit: within(1, TRADES_MAX).optional() }),
  watch: z.strictObject(place),
  gaps: z.strictObject({
    ...{ source: text.optional(), venue: text.optional(), symbol: text.optional() },
    day: day.optional(),
  }),
  logs: z.strictObject({
    ...{ edge: text.optional(), event: text.optional(), q: text.optional() },
    level: z.enum(LOG_LEVELS).optional(),
    ...{ sinceMs: timeMs.optional(), untilMs: timeMs.optional() },
    afterId: whole.optional(),
    limit: within(1, LOG_LIMIT_MAX).optional(),
  }),
} as const;

const TRADES_DEFAULT = 100;

/** Adds the routes; returns what ends their streams. */
export function addApi(
  app: FastifyInstance,
  options: ApiOptions,
  streamHeaders: object,
): { stop: () => void } {
  const { clock, reader, marketMs, readersMax } = options;
  let known: boolean | null = null;
  const hasAggregates = async () => (known ??= await reader.ask(["aggregates"], readHasAggregates));

  get(app, "/api/symbols", QUESTIONS.none, () => {
    const today = kstDay(marketMs());
    return reader.ask(["symbols", today], (db) => readSymbols(db, today));
  });
  get(app, "/api/strip", QUESTIONS.strip, (asked) => {
    const { stepMs = STRIP_STEPS_MS[1] } = asked;
    const nowMs = marketMs();
    const of = asked.day ?? kstDay(nowMs);
    return reader.ask(["strip", of, stepMs], (db) => readStrip(db, { day: of, stepMs, nowMs }));
  });
  get(app, "/api/bars", QUESTIONS.bars, async (asked) => {
    const isKept = await hasAggregates();
    return await reader.ask(["bars", asked], (db) => readBars(db, asked, isKept));
  });
  get(app, "/api/trades", QUESTIONS.trades, (asked) => {
    const question = { ...asked, limit: asked.limit ?? TRADES_DEFAULT };
    return reader.ask(["trades", question], (db) =>
      readTrades(db, { ...question, nowMs: marketMs() }),
    );
  });
  get(app, "/api/gaps", QUESTIONS.gaps, (asked) =>
    reader.ask(["gaps", asked], (db) =>
      readGapLines(db, { ...asked, day: asked.day ?? null }, marketMs()),
    ),
  );
  get(app, "/api/logs", QUESTIONS.logs, (asked) => options.readLogs(asked));
  get(app, "/api/alerts", QUESTIONS.none, () => options.readAlerts());
  get(app, "/api/session", QUESTIONS.none, (): Session => {
    return { version: options.version, actions: options.acts.isOn };
  });

  const watches = createWatchStream({ clock, readersMax, fetchArrived: options.fetchArrived });
  stream(app, "/api/watch", QUESTIONS.watch, watches, streamHeaders, options.watch);
  const logs = createLogStream({ clock, readersMax, readLogs: options.readLogs });
  stream(app, "/api/logs/live", QUESTIONS.logs, logs, streamHeaders, (filter) => ({ filter }));
  addAct(app, options.acts);
  return {
    stop() {
      watches.stop();
      logs.stop();
    },
  };
}

function get<Q>(
  app: FastifyInstance,
  path: string,
  schema: z.ZodType<Q>,
  answer: (asked: Q) => unknown,
): void {
  app.get(path, async (request, reply) => {
    const asked = parsed(schema, request, reply);
    if (asked === null) return reply;
    try {
      return await answer(asked.question);
    } catch (thrown) {
      const { code } = asStoreError(thrown);
      return await refuse(reply, 503, code);
    }
  });
}

/** What a stream of events needs to be to stand behind a route. */
interface Stream<R> {
  isFull(): boolean;
  add(
    reader: R,
    request: FastifyRequest["raw"],
    response: FastifyReply["raw"],
    headers: object,
  ): void;
}

function stream<Q, R>(
  app: FastifyInstance,
  path: string,
  schema: z.ZodType<Q>,
  events: Stream<R>,
  headers: object,
  readerOf: (asked: Q) => R,
): void {
  app.get(path, (request, reply) => {
    const asked = parsed(schema, request, reply);
    if (asked === null) return reply;
    if (events.isFull()) return refuse(reply, 503, "GATEWAY_FULL", TOO_MANY);
    reply.hijack();
    events.add(readerOf(asked.question), request.raw, reply.raw, headers);
    return reply;
  });
}

/** Of streams that are full. */
export const TOO_MANY = ["Too many pages are open; close one."];

/** The token is looked at before the body is read. */
function addAct(app: FastifyInstance, acts: Acts): void {
  app.post("/api/act", {
    onRequest: (request, reply, next) => {
      void acts.admit(request.raw).then((refusal) => {
        if (refusal) void reply.code(refusal.status).send(refusal.body);
        else next();
      });
    },
    errorHandler: (error, request, reply) => {
      const { status, body } = acts.invalid(request.raw, codeOf(error));
      void reply.code(status).send(body);
    },
    handler: async (request, reply) => {
      const isJson = /^application\/json\b/i.test(request.headers["content-type"] ?? "");
      const { status, body } = isJson
        ? await acts.take(request.raw, request.body)
        : acts.invalid(request.raw, "the body is not application/json");
      return reply.code(status).send(body);
    },
  });
}

/** The question, or null when it was of the wrong form and has been answered. */
function parsed<Q>(
  schema: z.ZodType<Q>,
  request: FastifyRequest,
  reply: FastifyReply,
): { question: Q } | null {
  const result = schema.safeParse(request.query);
  if (result.success) return { question: result.data };
  const problems = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  void refuse(reply, 400, "REQUEST_INVALID", problems);
  return null;
}

function refuse(
  reply: FastifyReply,
  status: number,
  code: ErrorCode,
  problems?: readonly string[],
): FastifyReply {
  const { hint } = ERRORS[code];
  return reply.code(status).send({ code, hint, ...(problems ? { problems } : {}) });
}
