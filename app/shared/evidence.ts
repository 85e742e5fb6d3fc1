// What a command that measures says of its result: one form, whoever measured and however it reaches the
// hub's database. The gates of the migration (app/hub/phase/) read nothing else of it.
import { z } from "zod";

/** Where the gateway's port takes evidence of an edge: `?edge=NAME`, and its token. */
export const EVIDENCE_PATH = "/evidence";

export const EVIDENCE_KINDS = [
  "latency",
  "stress",
  "transfer",
  "backup",
  "probe",
  "parity",
  "alert",
  "audit",
] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

export const evidenceSchema = z.strictObject({
  kind: z.enum(EVIDENCE_KINDS),
  /** Whose: an edge's name, an account's, a table's, or `hub`. */
  subject: z.string().min(1).max(100),
  /** The command's own verdict. */
  ok: z.boolean(),
  /** One line for people. */
  summary: z.string().max(1_000),
  /** Epoch ms, by the clock of whoever measured. */
  atMs: z.number(),
  /** The figures; small, because it is kept for ever. */
  detail: z.record(z.string(), z.unknown()).default({}),
});
export type Evidence = z.infer<typeof evidenceSchema>;
