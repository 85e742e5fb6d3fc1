// The project's images, built as a deployment builds them, pushed, and named by digest from then on.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Bases } from "./bases.ts";
import { run } from "./shell.ts";

export const ROOT = new URL("../../../", import.meta.url).pathname;

export interface Build {
  docker: string;
  which: "hub" | "edge";
  bases: Bases;
  tag: string;
  platform?: "linux/amd64" | "linux/arm64";
  /** BASE_NODE, where it is not this machine's. */
  base?: string;
}

export async function buildImage({ docker, which, bases, tag, platform, base }: Build) {
  const dockerfile = `images/${which}/Dockerfile`;
  const args = {
    BASE_NODE: base ?? bases.node,
    BASE_BUILD: bases.build,
    ...(which === "edge" ? { BASE_TAILSCALE: bases.tailscale } : {}),
  };
  const pairs = Object.entries(args).flatMap((pair) => ["--build-arg", pair.join("=")]);
  const platforms = platform ? ["--platform", platform] : [];
  await run(docker, ["build", "-q", ...platforms, ...pairs, "-f", dockerfile, "-t", tag, "."], {
    cwd: ROOT,
    env: { DOCKER_BUILDKIT: "1" },
  });
}

/** The image with one of the program's files changed: a release that does not exist yet. */
export async function buildChanged(
  docker: string,
  from: string,
  tag: string,
  file: string,
  change: (text: string) => string,
): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), "tickhub-changed-"));
  const text = readFileSync(join(ROOT, file), "utf8");
  const changed = change(text);
  if (changed === text) throw new Error(`${file} is not what the change expects`);
  mkdirSync(join(context, dirname(file)), { recursive: true });
  writeFileSync(join(context, file), changed);
  writeFileSync(join(context, "Dockerfile"), `FROM ${from}\nCOPY ${file} ${file}\n`);
  await run(docker, ["build", "-q", "-t", tag, context], { env: { DOCKER_BUILDKIT: "1" } });
  rmSync(context, { recursive: true });
}

/** Pushes, forgets the local image, pulls by digest. Returns `repository@sha256:…`. */
export async function throughRegistry(docker: string, tag: string): Promise<string> {
  await run(docker, ["push", "-q", tag]);
  const repository = tag.slice(0, tag.lastIndexOf(":"));
  const digests = JSON.parse(
    await run(docker, ["inspect", "-f", "{{json .RepoDigests}}", tag]),
  ) as string[];
  const digest = digests.find((name) => name.startsWith(`${repository}@`))!;
  await run(docker, ["rmi", tag]);
  await run(docker, ["pull", "-q", digest]);
  return digest;
}

/** What an image consists of beyond another one, unpacked into a folder of its own; returns the folder. */
export async function unpackAbove(docker: string, image: string, layersBelow: number) {
  const place = mkdtempSync(join(tmpdir(), "tickhub-layers-"));
  await run(docker, ["save", "-o", join(place, "image.tar"), image]);
  await run("tar", ["-C", place, "-xf", join(place, "image.tar")]);
  const [manifest] = JSON.parse(readFileSync(join(place, "manifest.json"), "utf8")) as {
    Layers: string[];
  }[];
  const root = join(place, "root");
  mkdirSync(root);
  for (const layer of manifest!.Layers.slice(layersBelow)) {
    await run("tar", ["-C", root, "-xf", join(place, layer)]);
  }
  return { root, remove: () => rmSync(place, { recursive: true, force: true }) };
}
