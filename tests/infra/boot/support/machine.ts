// A machine for the release agent: a data folder, a bucket that is a folder, and the Docker beside this file.
import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReleaseReport, ReleaseStatus } from "../../../../app/shared/release-status.ts";

const AGENT = join(import.meta.dirname, "../../../../infra/vm/tickhub-release");

export interface Release {
  format: 1;
  stack: string;
  version: string;
  images: { hub: string; database: string };
  compose: string;
  settings: Record<string, string>;
  force: string | null;
}

export const image = (name: string, version: number): string =>
  `ghcr.io/somebody/${name}@sha256:${version.toString(16).padStart(64, "0")}`;

/** A release whose images are of this version; the database's stays the first unless said. */
export function releaseOf(version: number, changes: Partial<Release> = {}): Release {
  return {
    format: 1,
    stack: "oci",
    version: `0.${version}.0`,
    images: { hub: image("hub", version), database: image("timescaledb", 1) },
    compose: `# of release ${version}\nservices: {}\n`,
    settings: { TICKHUB_SYMBOLS: "005930,NAS:AAPL" },
    force: null,
    ...changes,
  };
}

export interface Round {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

export class Machine {
  readonly folder: string;
  readonly #fake: string;
  readonly #reports: string;

  constructor(folder = mkdtempSync(join(tmpdir(), "tickhub-machine-"))) {
    this.folder = folder;
    this.#fake = join(folder, "docker");
    this.#reports = join(folder, "reports");
    for (const name of ["docker", "reports", "bucket", "data/releases"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
  }

  /** The same machine at the same moment, apart from then on. */
  copy(): Machine {
    const folder = mkdtempSync(join(tmpdir(), "tickhub-machine-"));
    cpSync(this.folder, folder, { recursive: true });
    return new Machine(folder);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  publish(release: Release | string): void {
    const text = typeof release === "string" ? release : JSON.stringify(release);
    writeFileSync(join(this.folder, "bucket/oci.json"), text);
  }

  /** Images, one a line, that `docker` shall fail with: unpullable, unstartable or mute. */
  fail(how: "unpullable" | "unstartable" | "mute", ...images: string[]): void {
    writeFileSync(join(this.#fake, how), images.map((one) => `${one}\n`).join(""));
  }

  /** What Docker has, by file. */
  docker(file: string): string {
    return this.#read(join(this.#fake, file)).trim();
  }

  tellDocker(file: string, text: string): void {
    writeFileSync(join(this.#fake, file), text);
  }

  state(file: string): string {
    return this.#read(join(this.folder, "data/releases", file)).trim();
  }

  version(file: "current.json" | "previous.json" | "candidate.json"): string | undefined {
    const text = this.state(file);
    return text ? (JSON.parse(text) as Release).version : undefined;
  }

  status(): ReleaseStatus {
    return JSON.parse(this.state("status.json")) as ReleaseStatus;
  }

  /** As it lies in the bucket. */
  report(): ReleaseReport | undefined {
    const text = this.#read(join(this.#reports, "report.json.new"));
    return text ? (JSON.parse(text) as ReleaseReport) : undefined;
  }

  /** One run of the agent. When it is killed, so is what it had started, as systemd does with a unit. */
  round(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Round> {
    const child = spawn(AGENT, args, {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: `${import.meta.dirname}:${process.env.PATH ?? ""}`,
        FAKE: this.#fake,
        TICKHUB_STACK: "oci",
        TICKHUB_TAILNET_IP: "100.64.0.1",
        TICKHUB_DATA: join(this.folder, "data"),
        TICKHUB_FETCH: `cp ${join(this.folder, "bucket/oci.json")}`,
        TICKHUB_REPORT: `cp -t ${this.#reports}`,
        TICKHUB_CHECK_SECONDS: "0",
        TICKHUB_POLL_SECONDS: "0",
        ...env,
      },
    });
    let stderr = "";
    child.stderr.on("data", (text) => (stderr += String(text)));
    child.once("exit", (_code, signal) => {
      if (signal !== null) endGroup(child.pid!);
    });
    return new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal, stderr }));
    });
  }

  #read(file: string): string {
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // All of them have ended already.
  }
}
