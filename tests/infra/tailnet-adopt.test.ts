// A tailnet that was there before tickhub: its policy is read over the API's own protocol from a server
// here, and what is kept, refused and said is looked at.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adopt } from "../../infra/lib/tailnet-adopt.ts";
import { renderPolicy, type TailnetPlan, tailnetPolicy } from "../../infra/lib/tailnet-policy.ts";

const plan: TailnetPlan = { admins: ["me@example.com"], phase: "cloud", kiwoomEgress: "hub" };
const KEEP = { dropAllowAll: false };
const DROP = { dropAllowAll: true };

/** As a new tailnet has it. */
const FRESH = `// Example/default ACLs for unrestricted connections.
{
  "grants": [
    // Allow all connections.
    { "src": ["*"], "dst": ["*"], "ip": ["*"] },
  ],
  "ssh": [
    {
      "action": "check",
      "src": ["autogroup:member"],
      "dst": ["autogroup:self"],
      "users": ["autogroup:nonroot", "root"],
    },
  ],
}
`;
const PRINTER = `{
  // The printer is in the cellar.
  "hosts": { "printer": "100.64.0.9" },
  "acls": [
    { "action": "accept", "src": ["autogroup:member"], "dst": ["printer:631"] }, // paper
    { "action": "accept", "src": ["*"], "dst": ["*:*"] },
  ],
}
`;

describe("adopting", () => {
  it("refuses a tailnet that allows all, and names the rules", () => {
    expect(adopt(FRESH, plan, KEEP)).toEqual({
      outcome: "allows-all",
      rules: ['grants[0]: {"src":["*"],"dst":["*"],"ip":["*"]}'],
    });
    expect(adopt(PRINTER, plan, KEEP)).toMatchObject({ outcome: "allows-all" });
  });

  it("keeps nothing of a new tailnet once its allow-all is given up", () => {
    expect(adopt(FRESH, plan, DROP)).toMatchObject({ outcome: "adopted", extra: null });
  });

  it("keeps everything but the allow-all, comments too", () => {
    const adoption = adopt(PRINTER, plan, DROP);
    expect(adoption.outcome).toBe("adopted");
    const extra = (adoption as { extra: string }).extra;
    expect(extra).toContain("// The printer is in the cellar.");
    expect(extra).toContain('"printer:631"');
    expect(extra).not.toContain("*:*");
    const merged = tailnetPolicy({ ...plan, extraPolicy: extra });
    expect(merged["acls"]).toHaveLength(1);
    expect(merged.hosts).toMatchObject({ printer: "100.64.0.9" });
  });

  it("says what comes and what goes", () => {
    const { changes } = adopt(PRINTER, plan, DROP) as { changes: string[] };
    expect(changes).toContain('- acls: {"action":"accept","src":["*"],"dst":["*:*"]}');
    expect(changes).toContain('+ groups: {"group:tickhub-admins":["me@example.com"]}');
    expect(changes).toContain("+ tests: 18");
    expect(changes.filter((line) => line.includes("printer"))).toEqual([]);
  });

  it("finds nothing to keep or to change where ours is in force, alone or merged", () => {
    const alone = renderPolicy(tailnetPolicy(plan));
    expect(adopt(alone, plan, KEEP)).toEqual({ outcome: "adopted", extra: null, changes: [] });
    const { extra } = adopt(PRINTER, plan, DROP) as { extra: string };
    const merged = renderPolicy(tailnetPolicy({ ...plan, extraPolicy: extra }));
    const again = adopt(merged, plan, KEEP) as { extra: string; changes: string[] };
    expect(again.changes).toEqual([]);
    expect(tailnetPolicy({ ...plan, extraPolicy: again.extra })).toEqual(
      tailnetPolicy({ ...plan, extraPolicy: extra }),
    );
  });

  it("refuses rules that would open our machines", () => {
    const present = `{ "grants": [{ "src": ["boss@example.com"], "dst": ["*"], "ip": ["tcp:22"] }] }`;
    expect(adopt(present, plan, DROP)).toEqual({
      outcome: "opens-ours",
      rules: ['grants[0] reaches "*"'],
    });
  });
});

describe("npm run tailnet:adopt", () => {
  let server: Server;
  let asked: IncomingMessage[];
  let answer: { status: number; text: string };
  let folder: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request);
      response.writeHead(answer.status, { "content-type": "application/hujson" }).end(answer.text);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  });
  beforeEach(() => {
    asked = [];
    answer = { status: 200, text: PRINTER };
    folder = mkdtempSync(join(tmpdir(), "tickhub-adopt-"));
    writeFileSync(
      join(folder, "Pulumi.oci.yaml"),
      'config:\n  tickhub:tailnetAdmins: me@example.com\n  tickhub:phase: "cloud" # later\n',
    );
    return () => rmSync(folder, { recursive: true });
  });
  afterAll(() => server.close());

  const run = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number | null; out: string; err: string }>((done) => {
      const child = spawn(process.execPath, [resolve("scripts/tailnet-adopt.ts"), ...args], {
        cwd: folder,
        env: {
          PATH: process.env["PATH"],
          TAILSCALE_API_KEY: "tskey-api-secret",
          TAILSCALE_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          ...env,
        },
      });
      let [out, err] = ["", ""];
      child.stdout.on("data", (text: Buffer) => (out += text.toString()));
      child.stderr.on("data", (text: Buffer) => (err += text.toString()));
      child.once("close", (code) => done({ code, out, err }));
    });
  const extra = () => join(folder, "infra/tailnet/extra.hujson");

  it("saves what is worth keeping and prints the import", async () => {
    const { code, out } = await run(["--drop-allow-all"]);
    expect(code).toBe(0);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ method: "GET", url: "/api/v2/tailnet/-/acl" });
    expect(asked[0]!.headers).toMatchObject({
      authorization: "Bearer tskey-api-secret",
      accept: "application/hujson",
    });
    expect(readFileSync(extra(), "utf8")).toContain("// The printer is in the cellar.");
    expect(out).toContain(
      "pulumi import --stack oci --generate-code=false tailscale:index/acl:Acl tailnet-policy acl\n",
    );
    expect(out).toContain(
      "pulumi config set tailnetExtra infra/tailnet/extra.hujson --stack oci\n",
    );
    expect(out).toContain('- acls: {"action":"accept","src":["*"],"dst":["*:*"]}');
  });

  it("gives the same when it is run again, and never overwrites another extra.hujson", async () => {
    await run(["--drop-allow-all"]);
    expect(await run(["--drop-allow-all"])).toMatchObject({ code: 0 });
    const kept = readFileSync(extra(), "utf8");
    const merged = tailnetPolicy({ ...plan, extraPolicy: kept });
    answer.text = renderPolicy(merged);
    expect(await run([])).toMatchObject({ code: 0 });
    expect(readFileSync(extra(), "utf8")).toBe(kept);
    writeFileSync(extra(), "{}");
    const { code, err } = await run(["--drop-allow-all"]);
    expect(code).toBe(1);
    expect(err).toMatch(/extra\.hujson is there and differs/);
    expect(readFileSync(extra(), "utf8")).toBe("{}");
  });

  it("refuses an allow-all, writes nothing and says the way on", async () => {
    answer.text = FRESH;
    const { code, out, err } = await run([]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/lets everybody do everything[\s\S]*--drop-allow-all/);
    expect(existsSync(extra())).toBe(false);
    expect(await run(["--drop-allow-all"])).toMatchObject({ code: 0 });
    expect(existsSync(extra())).toBe(false);
  });

  it.each([
    [{ TAILSCALE_API_KEY: "" }, 200, /TAILSCALE_API_KEY is not set/],
    [{}, 403, /Tailscale answers 403: the token is wrong, has expired/],
    [{}, 500, /Tailscale answers 500: /],
    [{ TAILSCALE_BASE_URL: "http://127.0.0.1:1" }, 200, /does not answer/],
  ])(
    "says what is wrong with %j and an answer %d, without the token",
    async (env, status, wanted) => {
      answer.status = status;
      const { code, out, err } = await run(["--drop-allow-all"], env);
      expect(code).toBe(1);
      expect(err).toMatch(wanted);
      expect(out + err).not.toContain("tskey-api-secret");
    },
  );

  it("asks who the admins are when the stack's file leaves it open", async () => {
    writeFileSync(join(folder, "Pulumi.oci.yaml"), "config:\n  tickhub:tailnetAdmins: FILL you\n");
    const { code, err } = await run([]);
    expect(code).toBe(1);
    expect(err).toMatch(/who are the admins/);
    expect(asked).toEqual([]);
  });
});
