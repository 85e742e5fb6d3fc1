// What a machine's release agent says of itself (infra/vm/tickhub-release writes it, the hub shows it,
// `tickhub release wait` reads it).
import { z } from "zod";

/** What became of a release; also an object of its own, `releases/<stack>.report.json`. */
export const releaseReportSchema = z.object({
  format: z.literal(1),
  version: z.string(),
  /** `sha256:` of the release's file. */
  digest: z.string(),
  outcome: z.enum(["running", "reverted", "refused"]),
  /** Why; of a running one, what is left to do by hand. */
  reason: z.string(),
  at: z.string(),
});
export type ReleaseReport = z.infer<typeof releaseReportSchema>;

export const releaseStatusSchema = z.object({
  format: z.literal(1),
  /** The release last found in the bucket, and when. */
  seen: z.object({ digest: z.string(), at: z.string() }).nullable(),
  /** What the agent does just now. */
  step: z.enum(["idle", "pulling", "starting", "checking", "reverting"]),
  report: releaseReportSchema.nullable(),
});
export type ReleaseStatus = z.infer<typeof releaseStatusSchema>;
