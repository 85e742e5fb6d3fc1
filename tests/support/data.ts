// The recorded data that tests read where it lies; it is not part of this repository.
import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = process.env.TICKHUB_DATA_DIR ?? "../shared/data";

/**
 * Path of a recorded file, or null where the data is not there: such a test skips, unless
 * TICKHUB_REQUIRE_DATA=1 makes the absence a failure.
 */
export function dataFile(name: string): string | null {
  const path = join(FOLDER, name);
  if (existsSync(path)) return path;
  if (process.env.TICKHUB_REQUIRE_DATA === "1")
    throw new Error(`${path} is required and not there`);
  console.warn(`Skipped: ${path} is not there.`);
  return null;
}
