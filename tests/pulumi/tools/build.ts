// The Pulumi CLI and its Node language host for the engine's tests: what is on PATH, or else both built with
// Go from the modules beside this file, kept under ${XDG_CACHE_HOME:-~/.cache}/tickhub/go/ by what they are
// built of. `node tests/pulumi/tools/build.ts` builds and prints the folder.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const here = import.meta.dirname;

/** A module's folder here, the package in it, and the program it becomes. */
const PROGRAMS = [
  { module: "cli", from: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", to: "pulumi" },
  { module: "cli", from: "./language-nodejs", to: "pulumi-language-nodejs" },
  {
    module: "host",
    from: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    to: "tickhub-language-host",
  },
];
const SOURCES = ["cli/go.sum", "cli/language-nodejs/main.go", "host/go.sum", "build.ts"];

const LAUNCHER = `#!/bin/sh
exec node "$(node -p "require.resolve('@pulumi/pulumi/cmd/dynamic-provider')")" "$@"
`;

const onPath = (program: string): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter).find((folder) => existsSync(join(folder, program)));

/** The folder of the programs, or why there is none. */
export type Tools = { folder: string; seconds: number } | { missing: string };

/** Finds or builds the programs; a first build takes some minutes, every later call a moment. */
export function pulumiTools(): Tools {
  const installed = onPath("pulumi");
  if (installed !== undefined) return { folder: installed, seconds: 0 };
  const hash = createHash("sha256");
  for (const file of SOURCES) hash.update(readFileSync(join(here, file)));
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tickhub/go");
  const folder = join(cache, `pulumi-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(folder)) return { folder, seconds: 0 };
  if (onPath("go") === undefined)
    return { missing: "neither `pulumi` nor `go` (1.26, to build it) is on PATH" };
  const startedMs = performance.now();
  mkdirSync(cache, { recursive: true });
  const building = mkdtempSync(join(cache, "building-"));
  try {
    for (const { module, from, to } of PROGRAMS)
      execFileSync("go", ["build", "-buildvcs=false", "-o", join(building, to), from], {
        cwd: join(here, module),
        stdio: ["ignore", "inherit", "inherit"],
      });
    // Pulumi's archive ships this script beside the CLI; it starts dynamic providers.
    writeFileSync(join(building, "pulumi-resource-pulumi-nodejs"), LAUNCHER, { mode: 0o755 });
    // Somebody else may have built the same meanwhile.
    if (!existsSync(folder)) renameSync(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return { folder, seconds: Math.round((performance.now() - startedMs) / 1000) };
}

if (import.meta.main) {
  const tools = pulumiTools();
  if ("missing" in tools) {
    console.error(`Pulumi cannot be built: ${tools.missing}.`);
    process.exit(1);
  }
  console.log(`${tools.folder} (built in ${tools.seconds} s)`);
}
