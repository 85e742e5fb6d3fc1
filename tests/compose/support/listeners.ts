// Who listens: on this machine, and inside of a container's network.
import { readFileSync } from "node:fs";
import { run } from "./shell.ts";

export interface Listener {
  /** `tcp 127.0.0.1:5432` */
  at: string;
  /** The engine's port forwarder, or a process in a container. */
  isOfContainers: boolean;
}

/** Of this machine's own network. Other programs come and go meanwhile, so each is told by its process. */
export async function openListeners(): Promise<Listener[]> {
  const lines = await run("ss", ["-Hltunp"]);
  return lines.split("\n").map((line) => {
    const pids = [...line.matchAll(/pid=(\d+)/g)].map((match) => Number(match[1]));
    return { at: addressOf(line), isOfContainers: pids.some(isOfContainers) };
  });
}

/** As seen inside of the container. */
export async function listenersOf(docker: string, container: string): Promise<string[]> {
  const pid = await run(docker, ["inspect", "-f", "{{.State.Pid}}", container]);
  const lines = await run("nsenter", ["-t", pid, "-n", "ss", "-Hltun"]);
  return lines === "" ? [] : lines.split("\n").map(addressOf);
}

/** `tcp LISTEN 0 4096 127.0.0.1:5432 0.0.0.0:* users:(…)` */
function addressOf(line: string): string {
  const [protocol, , , , address] = line.split(/\s+/);
  return `${protocol} ${address}`;
}

function isOfContainers(pid: number): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    return (
      command === "docker-proxy" || readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("docker")
    );
  } catch {
    return false;
  }
}
