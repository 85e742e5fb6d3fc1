// The scripts of the light edge's VM, run on a folder in place of / and with programs that only write down how
// they were called. What they decide is real: which image, which restart, which secret goes where.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gcpStartupScript, secretFile } from "../../infra/lib/gcp-startup.ts";

const image = (digit: string) => `ghcr.io/someone/tickhub/edge@sha256:${digit.repeat(64)}`;
const METADATA = "http://metadata.test/computeMetadata/v1";
const SECRET_MANAGER = "http://secretmanager.test/v1";
const MACHINE_TOKEN = "token-of-the-machine";

/** `curl` answers from files; of Secret Manager only to who has the machine's token. */
const CURL = `#!/bin/sh
for url; do :; done
echo "curl $*" >>"$STUB/calls"
case $* in
  *"--config -"*) grep -q "Bearer ${MACHINE_TOKEN}" || exit 22 ;;
esac
cat "$STUB/http/$(printf '%s' "$url" | tr -c 'a-zA-Z0-9\\n' _)" 2>/dev/null || exit 22
`;
/** `docker` looks at the login it is given, and tells the health that the test has set for an image. */
const DOCKER = `#!/bin/sh
echo "docker $*" >>"$STUB/calls"
case $* in
  *" pull "*) cp "$2/config.json" "$STUB/login"; exit "$(cat "$STUB/pull-code" 2>/dev/null || echo 0)" ;;
  inspect*) grep -qFf "$TICKHUB_ROOT/var/lib/tickhub/image" "$STUB/unhealthy" 2>/dev/null && echo unhealthy || echo healthy ;;
esac
`;
const NOTE = `#!/bin/sh
echo "$(basename "$0") $*" >>"$STUB/calls"
`;
const FALLOCATE = `#!/bin/sh
echo "fallocate $*" >>"$STUB/calls"
: >"$3"
`;

let stub: string;
let root: string;

const rootFile = (path: string) => join(root, path);
const read = (path: string) => readFileSync(rootFile(path), "utf8");
const calls = () => {
  const path = join(stub, "calls");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
};
const clearCalls = () => rmSync(join(stub, "calls"), { force: true });

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const answer = (url: string, text: string) =>
  write(join(stub, "http", url.replaceAll(/[^a-zA-Z0-9]/g, "_")), text);
const attribute = (name: string, text: string) =>
  answer(`${METADATA}/instance/attributes/${name}`, text);

function run(script: string, ...args: string[]) {
  const env = {
    PATH: `${join(stub, "bin")}:${process.env["PATH"] ?? ""}`,
    ...{ STUB: stub, TICKHUB_ROOT: root, TICKHUB_HEALTHY_SECONDS: "10" },
    ...{ TICKHUB_METADATA: METADATA, TICKHUB_SECRET_MANAGER: SECRET_MANAGER },
  };
  const { status, stdout, stderr } = spawnSync("sh", [script, ...args], { env, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

const sync = () => run(rootFile("/usr/local/lib/tickhub/sync.sh"));

function sentBytes(bytes: number): void {
  write(rootFile("/sys/class/net/ens4/statistics/tx_bytes"), `${bytes}\n`);
}

/** A machine after its first boot, with an image that the stack wants. */
function boot(): void {
  const script = join(stub, "startup.sh");
  writeFileSync(script, gcpStartupScript());
  const { status, said } = run(script);
  expect(said).toMatch(/tickhub-startup: done\n$/);
  expect(status).toBe(0);
}

beforeEach(() => {
  stub = mkdtempSync(join(tmpdir(), "tickhub-gcp-stub-"));
  root = mkdtempSync(join(tmpdir(), "tickhub-gcp-root-"));
  mkdirSync(join(stub, "bin"));
  const programs = { curl: CURL, docker: DOCKER, fallocate: FALLOCATE };
  const noted = [
    "mkswap",
    "swapon",
    "apt-get",
    "apt-mark",
    "systemctl",
    "iptables",
    "chown",
    "sleep",
  ];
  for (const [name, text] of [
    ...Object.entries(programs),
    ...noted.map((name) => [name, NOTE] as const),
  ]) {
    writeFileSync(join(stub, "bin", name), text);
    chmodSync(join(stub, "bin", name), 0o755);
  }
  write(rootFile("/etc/fstab"), "");
  write(rootFile("/proc/net/route"), "Iface Destination\nens4 0000000A\nens4 00000000\n");
  sentBytes(1_000);
  attribute("startup-script", gcpStartupScript());
  attribute("tickhub-image", image("1"));
  attribute("tickhub-news", "TICKHUB_EDGE_ID=news\n");
  attribute("tickhub-sentinel", "TICKHUB_ENTRY=sentinel\n");
  answer(
    `${METADATA}/instance/service-accounts/default/token`,
    `{"access_token":"${MACHINE_TOKEN}","expires_in":3599}`,
  );
  answer(`${METADATA}/project/project-id`, "my-project-1234");
  for (const [name, text] of Object.entries({
    "tickhub-news": "TICKHUB_EDGE_TOKEN='token-of-the-news-edge'\n",
    "tickhub-sentinel": "SENTINEL_BOT_TOKEN='token-of-the-bot'\n",
    "tickhub-registry": '{"auths":{"ghcr.io":{"auth":"the-login"}}}\n',
  })) {
    const data = Buffer.from(text).toString("base64");
    answer(
      `${SECRET_MANAGER}/projects/my-project-1234/secrets/${name}/versions/latest:access`,
      `{\n  "name": "x",\n  "payload": {\n    "data": "${data}"\n  }\n}\n`,
    );
  }
});

afterEach(() => {
  rmSync(stub, { recursive: true, force: true });
  rmSync(root, { recursive: true, force: true });
});

describe("the startup script", () => {
  it("and the files it is made of are clean by shellcheck", () => {
    const script = join(stub, "rendered.sh");
    writeFileSync(script, gcpStartupScript());
    execFileSync("shellcheck", [script], { encoding: "utf8" });
    const folder = new URL("../../infra/vm-gcp/", import.meta.url).pathname;
    const files = ["startup", "lib", "container", "sync", "egress"].map((n) => `${folder}${n}.sh`);
    execFileSync("shellcheck", ["-x", "-P", folder, ...files], { encoding: "utf8" });
  });

  it("fits into an attribute, and has every placeholder filled", () => {
    const script = gcpStartupScript();
    expect(Buffer.byteLength(script)).toBeLessThan(64 * 1024);
    expect(script).not.toMatch(/@[A-Z_]+@/);
    expect(script).toContain("docker stop --time 80 tickhub-%i");
    expect(script).toContain("TimeoutStopSec=95");
  });

  it("prepares a machine: swap, Docker, units, limits", () => {
    boot();
    expect(existsSync(rootFile("/swapfile"))).toBe(true);
    expect(read("/etc/fstab")).toBe("/swapfile none swap sw 0 0\n");
    expect(JSON.parse(read("/etc/docker/daemon.json"))).toMatchObject({
      "log-opts": { "max-size": "10m", "max-file": "3" },
    });
    expect(statSync(rootFile("/usr/local/lib/tickhub/sync.sh")).mode & 0o777).toBe(0o755);
    expect(calls()).toContain("systemctl enable --now tickhub-sync.timer");
    expect(calls()).toContain("apt-mark hold docker.io containerd runc");
  });

  it("run again changes nothing, and restarts Docker no second time", () => {
    boot();
    clearCalls();
    boot();
    expect(read("/etc/fstab")).toBe("/swapfile none swap sw 0 0\n");
    const again = calls().filter((call) => /fallocate|mkswap|apt-get|restart docker/.test(call));
    expect(again).toEqual([]);
  });

  it("leaves units that systemd accepts", () => {
    boot();
    const units = ["tickhub@.service", "tickhub-sync.service", "tickhub-sync.timer"];
    const paths = units.map((unit) => rootFile(`/etc/systemd/system/${unit}`));
    const { error, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...paths], {
      encoding: "utf8",
    });
    if (error) return;
    // Programs that this machine lacks are no fault of the unit.
    const faults = stderr
      .split("\n")
      .filter((line) => line && !/not executable|not found/.test(line));
    expect(faults).toEqual([]);
  });
});

describe("a container", () => {
  const start = (name: string) => {
    write(rootFile("/var/lib/tickhub/image"), `${image("1")}\n`);
    return run(rootFile("/usr/local/lib/tickhub/container.sh"), name);
  };

  it("gets its secrets as a file in memory, and its settings as variables", () => {
    boot();
    expect(start("news").status).toBe(0);
    expect(read("/run/tickhub/news.env")).toBe("TICKHUB_EDGE_TOKEN='token-of-the-news-edge'\n");
    expect(statSync(rootFile("/run/tickhub/news.env")).mode & 0o777).toBe(0o400);
    expect(read("/run/tickhub/news.settings")).toBe("TICKHUB_EDGE_ID=news\n");
    const docker = calls().find((call) => call.startsWith("docker run"))!;
    expect(docker).toContain(`--volume ${root}/run/tickhub/news.env:/run/secrets/tickhub:ro`);
    expect(docker).toContain("--read-only");
    expect(docker.endsWith(image("1"))).toBe(true);
  });

  it("leaves no secret in an argument of any program, and none outside of /run", () => {
    boot();
    start("news");
    start("sentinel");
    sync();
    const text = calls().join("\n");
    const secrets = ["token-of-the-news-edge", "token-of-the-bot", "the-login", MACHINE_TOKEN];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    const found = spawnSync("grep", ["-rlE", secrets.join("|"), root], { encoding: "utf8" });
    expect(found.stdout.trim().split("\n").sort()).toEqual([
      rootFile("/run/tickhub/news.env"),
      rootFile("/run/tickhub/sentinel.env"),
    ]);
  });

  it("cannot ask the metadata server for the machine's token", () => {
    boot();
    start("news");
    const rules = calls().filter((call) => call.startsWith("iptables"));
    expect(rules[0]).toBe(
      "iptables -C DOCKER-USER -d 169.254.169.254 -p tcp ! --dport 53 -j REJECT",
    );
  });

  it("is not started without its secrets", () => {
    boot();
    const name = `${SECRET_MANAGER}/projects/my-project-1234/secrets/tickhub-news/versions/latest:access`;
    rmSync(join(stub, "http", name.replaceAll(/[^a-zA-Z0-9]/g, "_")));
    expect(start("news").status).not.toBe(0);
    expect(calls().some((call) => call.startsWith("docker run"))).toBe(false);
  });
});

describe("the sync", () => {
  const restarts = () => calls().filter((call) => call.startsWith("systemctl restart tickhub"));

  beforeEach(() => {
    boot();
    clearCalls();
  });

  it("pulls the first image with a login in memory, and starts both units", () => {
    expect(sync().status).toBe(0);
    expect(read("/var/lib/tickhub/image")).toBe(`${image("1")}\n`);
    expect(readFileSync(join(stub, "login"), "utf8")).toContain("the-login");
    expect(existsSync(rootFile("/run/tickhub/login"))).toBe(false);
    expect(restarts()).toEqual([
      "systemctl restart tickhub@sentinel.service",
      "systemctl restart tickhub@news.service",
    ]);
  });

  it("does nothing while the stack says the same", () => {
    sync();
    clearCalls();
    expect(sync().status).toBe(0);
    expect(calls().filter((call) => !call.startsWith("curl"))).toEqual([]);
  });

  it("goes back to the image before when the new one is not healthy, and tries it no second time", () => {
    sync();
    attribute("tickhub-image", image("2"));
    write(join(stub, "unhealthy"), `${image("2")}\n`);
    const { status, said } = sync();
    expect(status).toBe(1);
    expect(said).toContain(`not healthy within 10 s; back to ${image("1")}`);
    expect(read("/var/lib/tickhub/image")).toBe(`${image("1")}\n`);
    clearCalls();
    expect(sync().status).toBe(0);
    expect(restarts()).toEqual([]);
    attribute("tickhub-image", image("3"));
    expect(sync().status).toBe(0);
    expect(read("/var/lib/tickhub/image")).toBe(`${image("3")}\n`);
  });

  it("keeps the image that runs when the new one cannot be pulled", () => {
    sync();
    clearCalls();
    attribute("tickhub-image", image("2"));
    write(join(stub, "pull-code"), "1");
    expect(sync().status).toBe(1);
    expect(restarts()).toEqual([]);
    expect(read("/var/lib/tickhub/image")).toBe(`${image("1")}\n`);
    expect(existsSync(rootFile("/run/tickhub/login"))).toBe(false);
  });

  it("refuses an image without a digest", () => {
    attribute("tickhub-image", "ghcr.io/someone/tickhub/edge:latest");
    const { status, said } = sync();
    expect(status).toBe(1);
    expect(said).toContain("not pinned by digest");
  });

  it("restarts both for new settings, without a pull", () => {
    sync();
    clearCalls();
    attribute("tickhub-news", "TICKHUB_EDGE_ID=news\nTICKHUB_OUTBOX_MB=16\n");
    sync();
    expect(restarts()).toHaveLength(2);
    expect(calls().some((call) => call.includes(" pull "))).toBe(false);
  });

  it("runs a startup script that has changed, once", () => {
    sync();
    const changed = `${gcpStartupScript()}echo changed >>"$root/var/lib/tickhub/proof"\n`;
    attribute("startup-script", changed);
    sync();
    sync();
    expect(read("/var/lib/tickhub/proof")).toBe("changed\n");
  });
});

describe("the egress limit", () => {
  beforeEach(() => {
    boot();
    sync();
    clearCalls();
  });

  const news = () => calls().filter((call) => /systemctl (stop|start) tickhub@news/.test(call));

  it("stops the news before the free gigabyte is used up, and lets the sentinel go on", () => {
    sentBytes(900_001_000);
    const { said } = sync();
    expect(said).toContain("900000000 bytes have left");
    expect(news()).toEqual(["systemctl stop tickhub@news.service"]);
    expect(calls().join("\n")).not.toContain("stop tickhub@sentinel");
    clearCalls();
    attribute("tickhub-image", image("2"));
    sync();
    expect(calls().filter((call) => call.includes("systemctl restart"))).toEqual([
      "systemctl restart tickhub@sentinel.service",
    ]);
  });

  it("goes on counting over a boot, which starts the interface's counter anew", () => {
    sentBytes(600_001_000);
    sync();
    sentBytes(299_000_000);
    sync();
    expect(news()).toEqual([]);
    sentBytes(301_000_000);
    sync();
    expect(news()).toEqual(["systemctl stop tickhub@news.service"]);
  });

  it("lets the news go on in the next month", () => {
    sentBytes(900_001_000);
    sync();
    const [, sent, seen] = read("/var/lib/tickhub/egress").split(" ");
    write(rootFile("/var/lib/tickhub/egress"), `2026-01 ${sent!} ${seen!}`);
    clearCalls();
    sync();
    expect(news()).toEqual(["systemctl start tickhub@news.service"]);
  });
});

describe("a secret file", () => {
  it("is read by Node as it was meant", () => {
    const values = { A: "plain", B: 'with "double" #quotes', C: "it's", D: "k?e=y&x=${HOME}" };
    const path = join(stub, "env");
    writeFileSync(path, secretFile(values));
    const script = "console.log(JSON.stringify(['A','B','C','D'].map((n) => process.env[n])))";
    const told = execFileSync(process.execPath, [`--env-file=${path}`, "-e", script]);
    expect(JSON.parse(told.toString())).toEqual(Object.values(values));
  });

  it("refuses what no such file can hold", () => {
    expect(() => secretFile({ A: "two\nlines" })).toThrow(/A has a line break/);
    expect(() => secretFile({ A: `"'` })).toThrow(/both kinds of quotes/);
  });
});
