// The images themselves: what is in them, whose they are, and that any architecture is built anywhere.
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { buildImage, ROOT, unpackAbove } from "./support/images.ts";
import { attempt, run } from "./support/shell.ts";

const BYTES_MAX = 250 * 1024 * 1024;
const given = inject("bench");
const bench = given!;

/** Paths below `root` of files that begin as ELF does. */
function nativeFiles(root: string): string[] {
  return filesOf(root).filter((path) => {
    const start = Buffer.alloc(4);
    const file = openSync(path, "r");
    readSync(file, start);
    closeSync(file);
    return start.equals(Buffer.from("\x7fELF", "latin1"));
  });
}

function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe.skipIf(given === null)("images", () => {
  it("an arm64 hub is built on this machine and holds no native file", async () => {
    const { docker, bases, prefix } = bench;
    const tag = `${prefix}hub-arm64:1`;
    await buildImage({
      docker,
      which: "hub",
      bases,
      tag,
      platform: "linux/arm64",
      base: bases.arm64,
    });
    expect(await run(docker, ["inspect", "-f", "{{.Architecture}}", tag])).toBe("arm64");
    const { root, remove } = await unpackAbove(docker, tag, 1);
    const files = filesOf(root);
    const bytes = files.reduce((sum, path) => sum + statSync(path).size, 0);
    console.log(`compose: hub without its base: ${files.length} files, ${mega(bytes)} MB`);
    expect(files.some((path) => path.endsWith("/app/cli/main.ts"))).toBe(true);
    expect(nativeFiles(root)).toEqual([]);
    expect(bytes).toBeLessThan(BYTES_MAX);
    remove();
  });

  it("an edge holds tailscale's two programs and nothing else that is not text", async () => {
    const { docker, edge, bases } = bench;
    const below = JSON.parse(
      await run(docker, ["inspect", "-f", "{{json .RootFS.Layers}}", bases.node]),
    ) as string[];
    const { root, remove } = await unpackAbove(docker, edge, below.length);
    const bytes = filesOf(root).reduce((sum, path) => sum + statSync(path).size, 0);
    console.log(`compose: edge without its base and tailscale: ${mega(bytes)} MB`);
    expect(nativeFiles(root)).toEqual([]);
    const programs = readdirSync(join(root, "usr/local/bin")).sort();
    expect(programs).toEqual(["tailscale", "tailscaled", "tickhub"]);
    expect(bytes).toBeLessThan(BYTES_MAX);
    remove();
  });

  it.each(["hub", "edge"] as const)(
    "the %s needs neither root nor a writable disk",
    async (which) => {
      const { docker } = bench;
      const image = bench[which];
      expect(await run(docker, ["inspect", "-f", "{{.Config.User}}", image])).toBe("10001:10001");
      const health = await run(docker, [
        "inspect",
        "-f",
        "{{json .Config.Healthcheck.Test}}",
        image,
      ]);
      expect(JSON.parse(health)).toEqual(["CMD", "node", "images/healthcheck.mjs"]);
      const hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true"];
      const command = ["--entrypoint=tickhub", image, "--version"];
      const version = await run(docker, ["run", "--rm", "--network=none", ...hardened, ...command]);
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
      const writes = ["--entrypoint=/bin/sh", image, "-c", "touch app/x || touch package.json"];
      const { code, stderr } = await attempt(docker, ["run", "--rm", "--network=none", ...writes]);
      expect([code, stderr]).toEqual([1, expect.stringContaining("Permission denied")]);
    },
  );

  it.each(["hub", "edge"])("the last stage of the %s runs nothing", (which) => {
    const text = readFileSync(join(ROOT, "images", which, "Dockerfile"), "utf8");
    const stages = text.split(/^FROM /m);
    expect(stages.at(-1)).not.toMatch(/^RUN /m);
    const running = stages.filter((stage) => /^RUN /m.test(stage));
    expect(running.length).toBeGreaterThan(0);
    for (const stage of running) expect(stage).toMatch(/^--platform=\$BUILDPLATFORM /);
  });
});

function mega(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
