// The release agent's word, read from the folder it keeps on the data volume. It runs beside the hub, not
// in it: a hub that cannot start could not tell that it was reverted.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { releaseStatusSchema } from "../../shared/release-status.ts";
import type { ReleaseStatus } from "../../shared/release-status.ts";

/** Mounted read-only into the hub's container. */
export const RELEASES = "/srv/tickhub/releases";

/** Null where no agent runs, or what it wrote is not known to this release. Never throws. */
export async function readRelease(folder: string): Promise<ReleaseStatus | null> {
  try {
    const text = await readFile(join(folder, "status.json"), "utf8");
    return releaseStatusSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
