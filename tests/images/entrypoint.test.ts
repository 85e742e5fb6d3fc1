// The edge's entrypoint with programs that only act as tailscale's and as tickhub: who is started, who is
// told what, and in which order things end.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/stack.ts";

const ENTRYPOINT = new URL("../../images/edge/entrypoint.sh", import.meta.url).pathname;
const KEY = "tskey-client-SECRET?ephemeral=true&preauthorized=true";

/** Each says in the diary what happens to it. */
const PROGRAMS = {
  tailscaled: `#!${process.execPath}
    const { appendFileSync } = require("node:fs");
    const note = (text) => appendFileSync(process.env.DIARY, text + "\\n");
    const socket = process.argv.find((text) => text.startsWith("--socket=")).slice(9);
    note("tailscaled starts " + process.argv.slice(2).filter((text) => !/=\\/tmp/.test(text)).join(" "));
    const server = require("node:net").createServer().listen(socket);
    process.on("SIGTERM", () => { note("tailscaled ends"); server.close(); process.exit(0); });
    process.on("SIGUSR2", () => { note("tailscaled dies"); process.exit(70); });`,
  tailscale: `#!/bin/sh
    shift
    for word; do case $word in --auth-key=file:*) echo "key $(cat "\${word#--auth-key=file:}")" >>"$DIARY";; esac; done
    echo "tailscale $(echo "$*" | sed 's/ --auth-key=[^ ]*//')" >>"$DIARY"
    [ "$1" != up ] || [ -z "$UP_HANGS" ] || exec sleep 600
    [ "$1" != up ] || exit "\${UP_CODE:-0}"`,
  tickhub: `#!${process.execPath}
    const { appendFileSync } = require("node:fs");
    const note = (text) => appendFileSync(process.env.DIARY, text + "\\n");
    const inherited = Object.keys(process.env).filter((name) => /^TS_|^TICKHUB_ENTRY/.test(name));
    note("tickhub starts " + [...process.argv.slice(2), ...inherited].join(" "));
    process.on("SIGTERM", () => {
      note("tickhub drains");
      setTimeout(() => { note("tickhub ends"); process.exit(Number(process.env.APP_CODE ?? 0)); }, 50);
    });
    setInterval(() => undefined, 1000);`,
};

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "tickhub-entrypoint-"));
  for (const [name, text] of Object.entries(PROGRAMS)) {
    writeFileSync(join(place, name), text);
    chmodSync(join(place, name), 0o755);
  }
  writeFileSync(join(place, "diary"), "");
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const diary = () => readFileSync(join(place, "diary"), "utf8").split("\n").slice(0, -1);

function start(env: Record<string, string>, args: string[] = []) {
  const child = spawn("sh", [ENTRYPOINT, ...args], {
    env: { PATH: `${place}:/usr/bin:/bin`, DIARY: join(place, "diary"), ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const code = new Promise((resolve) => child.once("close", resolve));
  return { child, code, said: () => said };
}

/** Until the diary has a line that begins so. */
const noted = (text: string) =>
  eventually(10_000, `"${text}" in ${diary().join(" | ")}`, () =>
    Promise.resolve(diary().some((line) => line.startsWith(text))),
  );

/** The process in whose arguments `name` stands, below the entrypoint. */
function pidOf(name: string): number {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  const found = pids.find((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words[1] === join(place, name);
    } catch {
      return false;
    }
  });
  return Number(found);
}

const EDGE = {
  TICKHUB_EDGE_ID: "kis",
  TS_AUTHKEY: KEY,
  TS_HOSTNAME: "edge",
  TS_TAGS: "tag:edge-kis",
};

describe.skipIf(process.platform !== "linux")("the edge's entrypoint", () => {
  it("starts no tailscaled without a key", async () => {
    const { child, code } = start({ TICKHUB_EDGE_ID: "kiwoom-2" });
    await noted("tickhub starts");
    child.kill("SIGTERM");
    expect(await code).toBe(0);
    expect(diary()).toEqual([
      "tickhub starts edge --feed kiwoom",
      "tickhub drains",
      "tickhub ends",
    ]);
  });

  it("joins the tailnet first; on SIGTERM the program drains, the node logs out, tailscaled ends", async () => {
    const { child, code, said } = start(EDGE);
    await noted("tickhub starts");
    child.kill("SIGTERM");
    expect(await code).toBe(0);
    expect(diary()).toEqual([
      "tailscaled starts --tun=userspace-networking --socks5-server=127.0.0.1:1055 --no-logs-no-support --state=mem:",
      `key ${KEY}`,
      "tailscale up --accept-dns=false --timeout=60s --hostname=edge --advertise-tags=tag:edge-kis",
      "tickhub starts edge --feed kis",
      "tickhub drains",
      "tickhub ends",
      "tailscale logout",
      "tailscaled ends",
    ]);
    expect(said()).not.toContain("SECRET");
  });

  it("hands the program's failure on", async () => {
    const { child, code } = start({ ...EDGE, APP_CODE: "1" });
    await noted("tickhub starts");
    child.kill("SIGTERM");
    expect(await code).toBe(1);
    expect(diary().at(-1)).toBe("tailscaled ends");
  });

  it("drains and fails when tailscaled dies", async () => {
    const { code, said } = start(EDGE);
    await noted("tickhub starts");
    process.kill(pidOf("tailscaled"), "SIGUSR2");
    expect(await code).toBe(1);
    expect(diary().slice(-3)).toEqual(["tailscaled dies", "tickhub drains", "tickhub ends"]);
    expect(said()).toContain("tailscaled ended by itself");
  });

  it("fails, without a program, when the tailnet does not take it", async () => {
    const { code, said } = start({ ...EDGE, UP_CODE: "1" });
    expect(await code).toBe(1);
    expect(diary().some((line) => line.startsWith("tickhub"))).toBe(false);
    expect(diary().at(-1)).toBe("tailscaled ends");
    expect(said()).toContain("could not join");
  });

  it("ends at once while it waits for the tailnet", async () => {
    const { child, code } = start({ ...EDGE, UP_HANGS: "1" });
    await noted("tailscale up");
    child.kill("SIGTERM");
    expect(await code).toBe(0);
    expect(diary().slice(-2)).toEqual(["tailscale logout", "tailscaled ends"]);
  });

  it("runs the command that it is told, with its arguments, and no other", async () => {
    const proxy = start({ TICKHUB_ENTRY: "proxy" }, ["--listen", "127.0.0.1:1"]);
    await noted("tickhub starts");
    proxy.child.kill("SIGTERM");
    await proxy.code;
    expect(diary()[0]).toBe("tickhub starts proxy --listen 127.0.0.1:1");
    expect(await start({ TICKHUB_ENTRY: "sh" }).code).toBe(2);
  });
});
