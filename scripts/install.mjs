// Makes `npm start` and `npm test` work as the first command of a fresh clone.
// Runs under whatever Node the machine has (18 or newer); installs nothing when the lockfile has not changed,
// and builds the hub's page when its sources have (scripts/page.mjs).
//   node scripts/install.mjs runtime   what `npm start` needs
//   node scripts/install.mjs all       what `npm test` needs
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";

const wanted = process.argv[2] === "all" ? "all" : "runtime";
const marker = "node_modules/.tickhub-installed";
const lock = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
const [haveLock, haveSet] = existsSync(marker) ? readFileSync(marker, "utf8").split(" ") : [];

if (haveLock !== lock || (wanted === "all" && haveSet !== "all")) {
  const args = ["ci", "--loglevel=error", ...(wanted === "all" ? [] : ["--omit=dev"])];
  console.error(
    `tickhub: installing ${wanted === "all" ? "all" : "run-time"} packages (npm ${args.join(" ")}) …`,
  );
  const npm = process.env.npm_execpath;
  const child = npm
    ? spawnSync(process.execPath, [npm, ...args], { stdio: ["ignore", 2, 2] })
    : spawnSync("npm", args, { stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (child.status !== 0) {
    console.error(
      "tickhub: the installation failed; the lines above say why. Next: check the network, then run the same command again.",
    );
    process.exit(1);
  }
  writeFileSync(marker, `${lock} ${wanted}`);
}

// The node that was just installed: the machine's may be too old for the build.
const own = "node_modules/.bin/node";
const page = spawnSync(existsSync(own) ? own : process.execPath, ["scripts/page.mjs"], {
  stdio: ["ignore", 2, 2],
});
if (page.status !== 0) {
  console.error(
    "tickhub: the page could not be built; the lines above say why. The hub runs without it.",
  );
  if (wanted === "all") process.exit(1);
}
