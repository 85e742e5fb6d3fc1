// The page is built before its tests, when its sources have changed: also without npm's pretest.
import { execFileSync } from "node:child_process";

export function setup(): void {
  execFileSync(process.execPath, ["scripts/page.mjs"], { stdio: "inherit" });
}
