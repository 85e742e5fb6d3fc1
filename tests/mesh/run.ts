// `npm run test:mesh`: builds headscale and tailscaled with Go unless they are built, and runs the tests of
// this folder on them. It makes network namespaces and devices inside of them; the host's own interfaces,
// routes and firewall stay as they are. Everything made carries this process's id in its name, so that
// several runs fit beside each other, and is gone at the end however the tests ended.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { whatIsMissing, wayIn } from "./conditions.ts";

const FOLDER = import.meta.dirname;
const PREFIX = "tickhub-mesh-";

/** Modules of their own, because the two need different versions of the same packages. */
const TOOLS = {
  headscale: { headscale: "github.com/juanfont/headscale/cmd/headscale" },
  tailscale: {
    tailscaled: "tailscale.com/cmd/tailscaled",
    tailscale: "tailscale.com/cmd/tailscale",
  },
} as const;

const say = (text: string) => process.stderr.write(`mesh: ${text}\n`);
const answers = (program: string, ...args: string[]) =>
  spawnSync(program, args, { encoding: "utf8", cwd: FOLDER });

/** The module's programs, in a folder named after its locked dependencies; built when it is not there. */
function build(module: keyof typeof TOOLS): string {
  const source = join(FOLDER, "tools", module);
  const hash = createHash("sha256");
  for (const part of ["go.mod", "go.sum"]) hash.update(readFileSync(join(source, part)));
  hash.update(answers("go", "version").stdout);
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const bin = join(cache, "tickhub", "go", `${module}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(bin)) return bin;
  const begunMs = performance.now();
  const fresh = `${bin}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  const { status } = spawnSync(
    "go",
    ["build", "-trimpath", "-ldflags=-s -w", "-o", fresh, ...Object.values(TOOLS[module])],
    { cwd: source, stdio: ["ignore", 2, 2] },
  );
  if (status !== 0) {
    rmSync(fresh, { recursive: true });
    throw new Error(`go build of ${module} failed; the lines above say why`);
  }
  // Another run may have been quicker.
  if (existsSync(bin)) rmSync(fresh, { recursive: true });
  else renameSync(fresh, bin);
  say(`${module} built in ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
  return bin;
}

/** Kills what runs in the namespaces of `prefix`, deletes them and its folder; nothing else has such names. */
function takeDown(prefix: string): void {
  for (const line of answers("ip", "netns", "list").stdout.split("\n")) {
    const name = line.split(" ")[0]!;
    if (!name.startsWith(`${prefix}-`)) continue;
    for (const pid of answers("ip", "netns", "pids", name).stdout.split("\n").filter(Boolean)) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    answers("ip", "netns", "delete", name);
  }
  if (process.env["TICKHUB_MESH_KEEP"]) return;
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith(`${prefix}-`)) rmSync(join(tmpdir(), name), { recursive: true });
  }
}

/** Takes down what a run left that was killed before it could. */
function takeDownLeftovers(): void {
  for (const [, pid] of answers("ip", "netns", "list").stdout.matchAll(/^tickhub-mesh-(\d+)-/gm)) {
    if (!existsSync(`/proc/${pid!}`)) takeDown(PREFIX + pid!);
  }
}

const canOpen = (file: string) => {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

async function main(args: string[]): Promise<number> {
  const refusal = wayIn(args, process.env);
  if (refusal !== null) {
    say(refusal);
    return 2;
  }
  const missing = whatIsMissing({
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    hasTun: canOpen("/dev/net/tun"),
    hasIp: answers("ip", "-V").status === 0,
    go: answers("go", "version").stdout,
  });
  if (missing.length > 0) {
    for (const reason of missing) say(`cannot run: ${reason}`);
    return 1;
  }
  takeDownLeftovers();
  const prefix = `${PREFIX}${process.pid}`;
  const bins = { headscale: build("headscale"), tailscale: build("tailscale") };
  const child = spawn(
    "go",
    ["test", "-count=1", "-timeout=15m", "-v", ...args.filter((arg) => arg !== "--here"), "."],
    {
      cwd: FOLDER,
      stdio: "inherit",
      env: {
        ...process.env,
        TICKHUB_MESH_PREFIX: prefix,
        TICKHUB_MESH_HEADSCALE: join(bins.headscale, "headscale"),
        TICKHUB_MESH_TAILSCALE: bins.tailscale,
        TICKHUB_MESH_NODE: process.execPath,
      },
    },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => {
    child.once("exit", (status) => resolve(status ?? 1));
  });
  takeDown(prefix);
  return code;
}

process.exitCode = await main(process.argv.slice(2));
