// The recorded data that tests read where it lies; it is not part of this repository.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const FOLDER = resolve(process.env.TICKHUB_DATA_DIR ?? "../shared/data");

/** For a test's title or message: why it did not run. */
export const NO_DATA = `recorded data is not at ${FOLDER} (TICKHUB_DATA_DIR)`;

/**
 * Path of a recorded file, or null where the data is not there: such a test skips, unless
 * TICKHUB_REQUIRE_DATA=1 makes the absence a failure.
 */
export function dataFile(name: string): string | null {
  const path = join(FOLDER, name);
  if (existsSync(path)) return path;
  if (process.env.TICKHUB_REQUIRE_DATA === "1")
    throw new Error(`${path} is required and not there`);
  console.warn(`Skipped: ${NO_DATA}`);
  return null;
}

/** A captured frame, and what its collector said of it. */
export interface Capture {
  label: string;
  frame: string;
}

/** The `LABEL<TAB>FRAME` lines of `frames/<name>`; none where the data is missing and may be. */
export function capturedFrames(name: string): Capture[] {
  const path = dataFile(join("frames", name));
  if (path === null) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    const tab = line.lastIndexOf("\t");
    return { label: line.slice(0, tab), frame: line.slice(tab + 1) };
  });
}
