// The captured frames of the data folder, line by line. They are not part of the project: without the
// folder the tests that need them are skipped, unless TICKHUB_REQUIRE_DATA=1 says they must run.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

export interface Capture {
  label: string;
  frame: string;
}

const directory = process.env["TICKHUB_DATA_DIR"] ?? resolve("../shared/data");

/** The lines of `frames/<name>`; undefined, and said why, when the folder is not there. */
export function capturesOf(name: string): Capture[] | undefined {
  const path = resolve(directory, "frames", name);
  if (!existsSync(path)) {
    if (process.env["TICKHUB_REQUIRE_DATA"] === "1") throw new Error(`${path} is missing`);
    console.warn(`skipped: ${path} is missing; set TICKHUB_DATA_DIR`);
    return undefined;
  }
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const tab = line.lastIndexOf("\t");
      return { label: line.slice(0, tab), frame: line.slice(tab + 1) };
    });
}
