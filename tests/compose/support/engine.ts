// The Docker Engine of these tests: the one that runs, or one that is started for them and stopped after
// them. Everything they make carries one prefix, and everything that carries it is removed at the end.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { attempt, run, until } from "./shell.ts";

export interface Engine {
  /** A client that can build with BuildKit. */
  docker: string;
  /** Ends the engine if it was started here. */
  stop: () => Promise<void>;
}

const PROGRAMS = {
  docker: "docker.io",
  "docker-compose": "docker-compose",
  "docker-registry": "docker-registry",
  debootstrap: "debootstrap",
  ip: "iproute2",
  ss: "iproute2",
  nsenter: "util-linux",
};

/** Why these tests cannot run on this machine, with what mends it; null when they can. */
export async function whyNot(): Promise<string | null> {
  if (process.env["TICKHUB_CI"] !== "1") {
    return "they start containers on this machine and change its network: say so with TICKHUB_CI=1";
  }
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "they need root on Linux";
  const missing = new Set<string>();
  for (const [program, pack] of Object.entries(PROGRAMS)) {
    const { code } = await attempt("which", [program]);
    if (code !== 0) missing.add(pack);
  }
  return missing.size === 0 ? null : `apt-get install ${[...missing].join(" ")}`;
}

/** Finds the engine, or starts one whose log goes to `directory`. */
export async function openEngine(directory: string): Promise<Engine> {
  const docker = await clientWithBuildKit();
  const isUp = async () => (await attempt(docker, ["version", "--format", "x"])).code === 0;
  if (await isUp()) return { docker, stop: () => Promise.resolve() };
  mkdirSync(directory, { recursive: true });
  const log = openSync(join(directory, "dockerd.log"), "a");
  const daemon = spawn("dockerd", [], { stdio: ["ignore", log, log] });
  closeSync(log);
  console.log("compose: no Docker Engine runs here, so one is started for these tests");
  await until("an engine that answers", isUp, 60_000);
  return { docker, stop: () => ended(daemon) };
}

function ended(daemon: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    daemon.once("exit", () => resolve());
    daemon.kill("SIGTERM");
  });
}

/** Clients up to 20.10 have BuildKit built in, later ones need the plug-in `buildx`. */
async function clientWithBuildKit(): Promise<string> {
  const found = (await run("which", ["-a", "docker"])).split("\n");
  for (const client of new Set(found)) {
    const { stdout } = await attempt(client, ["--version"]);
    const major = Number(/version (\d+)/.exec(stdout)?.[1] ?? "0");
    if (major <= 20 || (await attempt(client, ["buildx", "version"])).code === 0) return client;
  }
  throw new Error(`none of ${found.join(", ")} can build with BuildKit: install docker-buildx`);
}

/** Removes containers, networks, volumes and images whose names begin with `prefix`. */
export async function sweep(docker: string, prefix: string): Promise<void> {
  const lines = async (args: string[]) =>
    (await attempt(docker, args)).stdout.split("\n").filter((name) => name.startsWith(prefix));
  const containers = await lines(["ps", "-a", "--format", "{{.Names}}"]);
  if (containers.length > 0) await attempt(docker, ["rm", "-f", "-v", ...containers]);
  const networks = await lines(["network", "ls", "--format", "{{.Name}}"]);
  if (networks.length > 0) await attempt(docker, ["network", "rm", ...networks]);
  const volumes = await lines(["volume", "ls", "--format", "{{.Name}}"]);
  if (volumes.length > 0) await attempt(docker, ["volume", "rm", ...volumes]);
  const images = await lines(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
  if (images.length > 0) await attempt(docker, ["rmi", "-f", ...images]);
}
