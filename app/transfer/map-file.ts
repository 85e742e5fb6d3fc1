// A column map: how a row of an older layout becomes a row of the target. It is the user's own file about the
// user's own database, so expressions are SQL that the source runs, with the reading user's rights.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { TickhubError } from "../shared/errors.ts";

const columnSchema = z.union([
  /** A column of the source. */
  z.string().min(1),
  /** SQL over a row of the source, which is called `s`. */
  z.strictObject({ sql: z.string().min(1) }),
  z.strictObject({ value: z.union([z.string(), z.number(), z.boolean(), z.null()]) }),
]);

const mapSchema = z.strictObject({
  about: z.string().optional(),
  /** Zone of source columns without one that become `timestamptz`. */
  zone: z.string().min(1).optional(),
  /** Rows that are moved: SQL over `s`. */
  where: z.string().min(1).optional(),
  /** Target column that chunks are cut by. */
  by: z.string().min(1).optional(),
  /** Target column: where it comes from. */
  columns: z.record(z.string(), columnSchema),
});

export type ColumnMap = z.infer<typeof mapSchema>;
export type ColumnSource = z.infer<typeof columnSchema>;

/** @throws TickhubError TRANSFER_MAP. */
export async function readMap(file: string): Promise<ColumnMap> {
  let text: unknown;
  try {
    text = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new TickhubError("TRANSFER_MAP", { file, problem });
  }
  const parsed = mapSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues
    .map(({ path, message }) => `${path.join(".")}: ${message}`)
    .join("; ");
  throw new TickhubError("TRANSFER_MAP", { file, problem });
}
