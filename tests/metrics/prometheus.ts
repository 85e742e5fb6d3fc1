// The real Prometheus with our files, its targets alone replaced by those of a test.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/stack.ts";

export const FILES = join(import.meta.dirname, "../../images/metrics");

/** Whether Debian's package `prometheus` is here. Throws where it has to be. */
export function hasPrometheus(): boolean {
  const found = ["prometheus", "promtool"].every(
    (program) => spawnSync(program, ["--version"]).status === 0,
  );
  if (!found && process.env["TICKHUB_CI"] === "1") throw new Error("apt-get install prometheus");
  if (!found) console.warn("Skipped: tests/metrics needs Prometheus: apt-get install prometheus");
  return found;
}

/** Exit code and all that promtool says. */
export function promtool(
  args: readonly string[],
  input = "",
): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync("promtool", args, { input, encoding: "utf8" });
  return { code: status, said: `${stdout}${stderr}` };
}

export interface Sample {
  metric: Record<string, string>;
  value: number;
}

export interface Prometheus {
  /** `data` of an answer of its API. Throws what it answered instead. */
  api<T>(path: string, fields?: Record<string, string>): Promise<T>;
  query(promql: string): Promise<Sample[]>;
  stop(): Promise<void>;
}

/** `targets`: what stands in prometheus.yml → `127.0.0.1:PORT`. Scrapes and evaluates each second. */
export async function startPrometheus(targets: ReadonlyMap<string, string>): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), "tickhub-prometheus-"));
  let config = readFileSync(join(FILES, "prometheus.yml"), "utf8");
  for (const [from, to] of targets) {
    if (!config.includes(`"${from}"`)) throw new Error(`prometheus.yml does not name ${from}`);
    config = config.replace(`"${from}"`, `"${to}"`);
  }
  config = config.replace(/(scrape_interval|evaluation_interval|scrape_timeout): \d+s/g, "$1: 1s");
  writeFileSync(join(directory, "prometheus.yml"), config);
  cpSync(join(FILES, "rules"), join(directory, "rules"), { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn("prometheus", [
    `--config.file=${join(directory, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(directory, "data")}`,
    `--web.listen-address=${address}`,
    "--log.level=warn",
  ]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const url = `http://${address}`;
  await eventually(30_000, "Prometheus to be ready", async () => {
    if (child.exitCode !== null) throw new Error(said);
    return await fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const api = async <T>(path: string, fields?: Record<string, string>): Promise<T> => {
    const body = new URLSearchParams(fields);
    const response = await fetch(`${url}/api/v1/${path}`, fields ? { method: "POST", body } : {});
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== "success") throw new Error(`${path} ${body.toString()}: ${answer.error}`);
    return answer.data;
  };
  return {
    api,
    async query(promql) {
      const { result } = await api<{
        result: { metric: Record<string, string>; value: [number, string] }[];
      }>("query", { query: promql });
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
