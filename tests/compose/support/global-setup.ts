// Once for all files: an engine, stand-ins for the base images, a registry, both images through it. At the
// end, whatever happened, everything that carries this run's prefix is removed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openBases } from "./bases.ts";
import type { Bases } from "./bases.ts";
import { openEngine, sweep, whyNot } from "./engine.ts";
import { buildImage, throughRegistry } from "./images.ts";
import { startRegistry } from "./registry.ts";
import { attempt } from "./shell.ts";

/** What the tests get: programs, images and the names they may use. */
export interface Bench {
  docker: string;
  /** Of containers, volumes and images that a test makes. */
  prefix: string;
  bases: Bases;
  /** `repository@sha256:…` */
  hub: string;
  edge: string;
  registry: string;
}

declare module "vitest" {
  interface ProvidedContext {
    /** null: these tests cannot run here. */
    bench: Bench | null;
  }
}

const PREFIX = "tickhub-e2e-";
/** In the order in which they were opened; closed from the end. */
const closing: (() => Promise<void> | void)[] = [];

export async function setup(project: TestProject): Promise<void> {
  const reason = await whyNot();
  if (reason !== null) {
    if (process.env["TICKHUB_CI"] === "1") throw new Error(`compose: cannot run: ${reason}`);
    console.log(`compose: skipped: ${reason}`);
    project.provide("bench", null);
    return;
  }
  try {
    project.provide("bench", await open());
  } catch (error) {
    await teardown();
    throw error;
  }
}

async function open(): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-e2e-"));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const { docker, stop } = await openEngine(directory);
  closing.push(stop);
  await sweepDead(docker);
  const registry = await startRegistry(join(directory, "registry"));
  closing.push(registry.stop);
  const repository = `${registry.address}/tickhub`;
  const prefix = `${PREFIX}${process.pid}-`;
  // Backwards: containers, which hold images, then images.
  closing.push(
    () => removeImagesOf(docker, repository),
    () => sweep(docker, "tickhub-base-"),
    () => sweep(docker, prefix),
  );
  const bases = await timed("base images", () => openBases(docker, prefix));
  const built = async (which: "hub" | "edge") => {
    const tag = `${repository}/${which}:0`;
    await buildImage({ docker, which, bases, tag });
    return await throughRegistry(docker, tag);
  };
  const hub = await timed("hub image, built, pushed and pulled", () => built("hub"));
  const edge = await timed("edge image, built, pushed and pulled", () => built("edge"));
  return { docker, prefix, bases, hub, edge, registry: repository };
}

/** What a run left behind that was killed. */
async function sweepDead(docker: string): Promise<void> {
  const { stdout } = await attempt(docker, ["ps", "-a", "--format", "{{.Names}}"]);
  const images = await attempt(docker, ["images", "--format", "{{.Repository}}"]);
  const names = `${stdout}\n${images.stdout}`.matchAll(/^tickhub-e2e-(\d+)-/gm);
  for (const pid of new Set([...names].map((match) => match[1]!))) {
    if (!isAlive(Number(pid))) await sweep(docker, `${PREFIX}${pid}-`);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** By id: a pull by digest leaves no tag. */
async function removeImagesOf(docker: string, repository: string): Promise<void> {
  const { stdout } = await attempt(docker, ["images", "--format", "{{.Repository}} {{.ID}}"]);
  const ids = stdout.split("\n").flatMap((line) => {
    const [name = "", id = ""] = line.split(" ");
    return name.startsWith(`${repository}/`) ? [id] : [];
  });
  // One made from another has to go first, and they are in no order: twice.
  for (let pass = 0; pass < 2 && ids.length > 0; pass++) {
    await attempt(docker, ["rmi", "-f", ...new Set(ids)]);
  }
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const result = await work();
  console.log(`compose: ${what}: ${Math.round((performance.now() - startedMs) / 1000)} s`);
  return result;
}

export async function teardown(): Promise<void> {
  for (const close of closing.splice(0).reverse()) {
    await Promise.resolve(close()).catch((error: unknown) => console.error("compose:", error));
  }
}
