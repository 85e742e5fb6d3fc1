// Bad input on the command line: a code, the facts, the next step, the right exit code, no stack trace.
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { tickhub } from "../support/cli.ts";

const EDGE = {
  TICKHUB_EDGE_ID: "e1",
  TICKHUB_EDGE_TOKEN: "a-long-token",
  TICKHUB_HUB_URL: "ws://127.0.0.1:1/edge",
  KIS_APP_KEY: "key",
  KIS_APP_SECRET: "secret",
};

interface Case {
  title: string;
  args: string[];
  env?: Record<string, string>;
  exit: number;
  code: string;
  says: RegExp;
}

const CASES: Case[] = [
  {
    title: "an unknown TICKHUB_ variable",
    args: ["hub"],
    env: { TICKHUB_SYMBOL: "005930" },
    exit: 2,
    code: "CONFIG_UNKNOWN",
    says: /nearest=TICKHUB_SYMBOLS/,
  },
  { title: "an unknown command", args: ["uup"], exit: 2, code: "USAGE", says: /unknown command/ },
  {
    title: "an unknown option",
    args: ["up", "--second", "3"],
    exit: 2,
    code: "USAGE",
    says: /--seconds/,
  },
  {
    title: "a number that is none",
    args: ["up", "--seconds", "soon"],
    exit: 2,
    code: "USAGE",
    says: /soon/,
  },
  { title: "an edge without a broker", args: ["edge"], exit: 2, code: "USAGE", says: /--feed/ },
  {
    title: "an edge without keys",
    args: ["edge", "--feed", "kis"],
    exit: 2,
    code: "CONFIG_MISSING",
    says: /KIS_APP_KEY/,
  },
  {
    title: "a hub URL of another kind",
    args: ["edge", "--feed", "kis"],
    env: { ...EDGE, TICKHUB_HUB_URL: "http://127.0.0.1:8610" },
    exit: 2,
    code: "CONFIG_INVALID",
    says: /ws:\/\//,
  },
  {
    title: "a proxy of another kind",
    args: ["edge", "--feed", "kis"],
    env: { ...EDGE, TICKHUB_UPLINK_PROXY: "https://proxy:8443" },
    exit: 2,
    code: "CONFIG_INVALID",
    says: /socks5:\/\//,
  },
  {
    title: "an edge's status port on every address",
    args: ["edge", "--feed", "kis"],
    env: { ...EDGE, TICKHUB_STATUS_BIND: "0.0.0.0" },
    exit: 1,
    code: "GATEWAY_PUBLIC",
    says: /TICKHUB_ALLOW_PUBLIC/,
  },
  {
    title: "more keys than secrets",
    args: ["edge", "--feed", "kis"],
    env: { ...EDGE, KIS_APP_KEY: "a,b" },
    exit: 2,
    code: "CONFIG_INVALID",
    says: /KIS_APP_SECRET/,
  },
  {
    title: "a replayed market clock against a real broker",
    args: ["edge", "--feed", "kis"],
    env: { ...EDGE, TICKHUB_MARKET_CLOCK: "fixed:2020-06-04T15:00:00+09:00" },
    exit: 2,
    code: "CONFIG_CLOCK",
    says: /unset TICKHUB_MARKET_CLOCK/,
  },
  {
    title: "a hub without edges",
    args: ["hub"],
    exit: 2,
    code: "CONFIG_MISSING",
    says: /TICKHUB_EDGE_TOKENS/,
  },
  {
    title: "a symbol of no known venue",
    args: ["hub"],
    env: {
      TICKHUB_EDGE_TOKENS: "e1=a-long-token",
      TICKHUB_SYMBOLS: "LSE:VOD",
      TICKHUB_DATABASE_URL: "postgres://127.0.0.1:1/x",
    },
    exit: 2,
    code: "CONFIG_INVALID",
    says: /LSE:VOD/,
  },
  {
    title: "a public address",
    args: ["hub"],
    env: {
      TICKHUB_EDGE_TOKENS: "e1=a-long-token",
      TICKHUB_BIND: "0.0.0.0",
      TICKHUB_DATABASE_URL: "postgres://127.0.0.1:1/x",
    },
    exit: 1,
    code: "GATEWAY_PUBLIC",
    says: /TICKHUB_ALLOW_PUBLIC/,
  },
  {
    title: "a hub that is not there",
    args: ["status", "--hub", "http://127.0.0.1:1"],
    exit: 1,
    code: "UPLINK_UNREACHABLE",
    says: /127\.0\.0\.1:1/,
  },
  {
    title: "a tape that is not there",
    args: ["replay", "nowhere.tape"],
    exit: 1,
    code: "TAPE_UNREADABLE",
    says: /nowhere/,
  },
  {
    title: "a recording that is none",
    args: ["up", "--tape", "package.json"],
    exit: 1,
    code: "TAPE_UNREADABLE",
    says: /package\.json/,
  },
  {
    title: "frames of a file that is not there",
    args: ["decode", "nowhere", "--broker", "kis"],
    exit: 2,
    code: "USAGE",
    says: /nowhere/,
  },
];

describe("tickhub", () => {
  it.each(CASES)("$title is $code", async ({ args, env, exit, code, says }) => {
    const result = await tickhub([...args, "--json"], env);
    expect(result.stderr).toContain(code);
    expect(result.stderr).toMatch(says);
    expect(result.stderr).toMatch(/next: /);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect(result.json).toMatchObject({ ok: false, code });
    expect(result.code).toBe(exit);
  });

  it("a port that another program holds is GATEWAY_PORT_TAKEN", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const result = await tickhub(["up", "--seconds", "1", "--json"], {
      TICKHUB_PORT: String(port),
    });
    other.close();
    expect(result.json).toMatchObject({ ok: false, code: "GATEWAY_PORT_TAKEN" });
    expect(result.code).toBe(1);
  });

  it("help and version go to stdout and succeed", async () => {
    const help = await tickhub(["--help"]);
    expect(help.code).toBe(0);
    for (const command of ["up", "hub", "edge", "status", "record", "replay", "decode", "doctor"]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    }
    expect((await tickhub(["--version"])).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
