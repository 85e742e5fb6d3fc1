// The compose file by itself: that both generations of Compose read it, and that it says what it promises.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { SETTINGS } from "../../app/shared/config.ts";
import { ROOT } from "./support/images.ts";
import { run } from "./support/shell.ts";

const FILE = join(ROOT, "images/compose.yaml");
const EDGES_FILE = join(ROOT, "images/compose.edges.yaml");

/**
 * Keys that Compose v1.29 (its compose_spec.json) and v2 (the Compose Specification) both know and take the
 * same way. Not in it, for example: `bind.create_host_path` (v1 does not know it), `version` (v2 warns),
 * `deploy` (v1 ignores its limits), `env_file` (its values are in `docker inspect`).
 */
const SERVICE_KEYS = new Set(
  (
    "cap_drop command cpus depends_on entrypoint environment healthcheck image init logging mem_limit ports " +
    "network_mode profiles read_only restart secrets security_opt shm_size stop_grace_period stop_signal tmpfs user volumes"
  ).split(" "),
);

interface Service {
  [key: string]: unknown;
  cpus: number | string;
  mem_limit: string;
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  user?: string;
  init: boolean;
  ports?: string[];
  logging: { options: Record<string, string> };
  environment?: Record<string, string>;
  volumes?: { type: string }[];
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, { driver_opts: Record<string, string> }>;
  secrets: Record<string, { file: string }>;
}

const given = inject("bench");
const ENV = {
  TICKHUB_TAILNET_IP: "100.64.0.1",
  TICKHUB_IMAGE_HUB: "example/hub@sha256:0",
  TICKHUB_IMAGE_DATABASE: "example/database@sha256:0",
};
/** YAML as JSON, by the reader that docker-compose itself uses. */
const TO_JSON = "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";

async function configOf(env: Record<string, string>, file = FILE): Promise<Compose> {
  const text = await run("docker-compose", ["-f", file, "config"], { env });
  return JSON.parse(await run("/usr/bin/python3", ["-c", TO_JSON], { input: text })) as Compose;
}

describe.skipIf(given === null)("images/compose.yaml", () => {
  let compose: Compose;
  beforeAll(async () => {
    compose = await configOf(ENV);
  });

  it("is read by Compose v1.29 and uses only keys that v2 reads the same way", async () => {
    expect(await run("docker-compose", ["version", "--short"])).toMatch(/^1\.29\./);
    const used = Object.values(compose.services).flatMap((service) => Object.keys(service));
    expect(used.filter((key) => !SERVICE_KEYS.has(key))).toEqual([]);
    const text = readFileSync(FILE, "utf8");
    const top = [...text.matchAll(/^([a-z][a-z-]*):/gm)].map((match) => match[1]);
    expect(top).toEqual(["x-hardened", "services", "secrets", "volumes"]);
    // v1 does not know a default within a default.
    expect(text).not.toMatch(/\$\{[^}]*\$\{/);
  });

  it("cannot be started without an address to listen on", async () => {
    await expect(configOf({ ...ENV, TICKHUB_TAILNET_IP: "" })).rejects.toThrow(
      "address to listen on",
    );
  });

  it("publishes three ports, and two with the metrics profile, on the tailnet's address", () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    expect(ports.sort()).toEqual(
      [3000, 5432, 8610, 8611, 9090].map((port) => `100.64.0.1:${port}:${port}/tcp`),
    );
  });

  it("gives every container no privilege, a read-only disk, an init and logs with an end", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service, name).toMatchObject({
        read_only: true,
        init: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        logging: { options: { "max-size": "20m", "max-file": "5" } },
      });
      // The hub's is in its image.
      if (name !== "hub") expect(service.user, name).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    }
  });

  it("divides two cores, and leaves the system an eighth of 12 GB", () => {
    const services = Object.values(compose.services);
    expect(services.reduce((sum, { cpus }) => sum + Number(cpus), 0)).toBe(2);
    expect(services.reduce((sum, { mem_limit }) => sum + megabytes(mem_limit), 0)).toBe(
      10.5 * 1024,
    );
  });

  it("mounts nothing that Docker would make where it is missing", () => {
    const mounts = Object.values(compose.services).flatMap((service) => service.volumes ?? []);
    expect(mounts.map(({ type }) => type)).toEqual(mounts.map(() => "volume"));
    // What the metrics profile can lose lies on the machine's own disk.
    const { prometheus, grafana, ...kept } = compose.volumes;
    expect([prometheus, grafana]).toEqual([{ driver: "local" }, { driver: "local" }]);
    for (const { driver_opts } of Object.values(kept)) {
      expect(driver_opts).toMatchObject({ type: "none", o: "bind" });
    }
    const devices = Object.values(kept).map(({ driver_opts }) => driver_opts["device"]);
    expect(devices.sort()).toEqual([
      "/run/tailscale",
      "/srv/tickhub/backup",
      "/srv/tickhub/metrics",
      "/srv/tickhub/postgres",
      "/srv/tickhub/releases",
      "/srv/tickhub/wal-spool",
    ]);
    expect(compose.secrets).toEqual({
      tickhub: { file: "/run/tickhub/secrets.env" },
      grafana_admin: { file: "/run/tickhub/metrics/grafana_admin" },
      grafana_database: { file: "/run/tickhub/metrics/grafana_database" },
    });
  });

  it("hands the hub settings that exist, and no secret one", () => {
    const { environment = {} } = compose.services["hub"]!;
    const known: Record<string, { help: string; secret?: true }> = SETTINGS;
    for (const name of Object.keys(environment)) {
      expect(known[name], name).toBeDefined();
      expect(known[name]!.secret, name).toBeUndefined();
    }
  });

  it("starts Prometheus and Grafana only where the profile is named, and bounds what they keep", () => {
    for (const name of ["prometheus", "grafana"]) {
      expect(compose.services[name], name).toMatchObject({ profiles: ["metrics"] });
      expect(compose.services[name]!["image"], name).toMatch(
        /:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/,
      );
    }
    expect(compose.services["prometheus"]!["command"]).toContain(
      "--storage.tsdb.retention.size=2GB",
    );
    const environment = compose.services["grafana"]!.environment!;
    expect(Object.keys(environment).filter((name) => /PASSWORD(?!__FILE$)/.test(name))).toEqual([]);
  });

  it("acknowledges what is on disk", () => {
    const { command } = compose.services["database"]!;
    expect(command).toEqual(expect.arrayContaining(["-csynchronous_commit=on", "-cfsync=on"]));
    expect(command).toContain("-cshared_preload_libraries=timescaledb");
  });
});

describe.skipIf(given === null)("images/compose.edges.yaml", () => {
  const env = {
    TICKHUB_IMAGE_HUB: "example/hub@sha256:0",
    TICKHUB_IMAGE_EDGE: "example/edge@sha256:0",
    TICKHUB_HUB_URL: "ws://hub:8610/edge",
  };

  it("is read by both generations, and asks for the images and the hub", async () => {
    const { services } = await configOf(env, EDGES_FILE);
    const used = Object.values(services).flatMap((service) => Object.keys(service));
    expect(used.filter((key) => !SERVICE_KEYS.has(key))).toEqual([]);
    await expect(configOf({ ...env, TICKHUB_HUB_URL: "" }, EDGES_FILE)).rejects.toThrow("gateway");
  });

  it("knows no broker but the simulator, publishes nothing, and gives no privilege", async () => {
    const { services } = await configOf(env, EDGES_FILE);
    for (const [name, service] of Object.entries(services)) {
      expect(service.ports, name).toBeUndefined();
      expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
      for (const [setting, value] of Object.entries(service.environment ?? {})) {
        if (/^(KIS|KIWOOM)_.*_URL$/.test(setting)) expect(value).toMatch(/\/\/127\.0\.0\.1:/);
      }
    }
    const tags = ["edge-kis", "edge-kiwoom"].map((name) => services[name]!.environment!["TS_TAGS"]);
    expect(tags).toEqual(["tag:stg-edge-kis", "tag:stg-edge-kiwoom"]);
  });
});

function megabytes(size: string): number {
  const [, amount, unit] = /^(\d+)([mg])$/.exec(size)!;
  return Number(amount) * (unit === "g" ? 1024 : 1);
}
