// What the Sentinel tells the hub: that it lives, which alerts it raised and ended, and the proof of a test
// alert's round trip. One small POST; the hub's door (app/hub/ingest/sentinel-door.ts) takes it on the port of
// the page, the only one that the tailnet's policy lets the Sentinel reach.
import { z } from "zod";
import { evidenceSchema } from "./evidence.ts";

export const SENTINEL_PATH = "/sentinel";

/** Of one report: the body stays below what the hub's ports take. */
export const ALERTS_MAX = 40;
export const ALERT_TEXT_MAX = 1_000;

export const alertSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,40}$/),
  rule: z.string().regex(/^[A-Z_]{1,40}$/),
  /** Edge, account, meter, key, or `hub`. */
  subject: z.string().min(1).max(100),
  severity: z.enum(["warning", "critical"]),
  text: z.string().max(ALERT_TEXT_MAX),
  raisedMs: z.number(),
  /** Null while it lasts. */
  endedMs: z.number().nullable(),
  acknowledgedMs: z.number().nullable(),
});
export type Alert = z.infer<typeof alertSchema>;
export type Severity = Alert["severity"];

export const sentinelReportSchema = z.strictObject({
  version: z.string().max(64),
  /** By the Sentinel's clock. */
  atMs: z.number(),
  /** True until the hub has once answered this process: then it asks what still stands. */
  isFresh: z.boolean(),
  /** Those that changed; told again until the hub has taken them. */
  alerts: z.array(alertSchema).max(ALERTS_MAX),
  evidence: evidenceSchema
    .extend({
      kind: z.literal("alert"),
      subject: z.literal("sentinel"),
    })
    .nullable(),
});
export type SentinelReport = z.infer<typeof sentinelReportSchema>;

export const sentinelAnswerSchema = z.object({
  ok: z.literal(true),
  /** Alerts without an end, for a fresh Sentinel; else none. */
  open: z.array(alertSchema),
});
export type SentinelAnswer = z.infer<typeof sentinelAnswerSchema>;
