// `tickhub release`: a batch that is acked only when it is committed, a window that follows the markets,
// and a wait that ends with the word of the machine.
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { outcomeOf, wait } from "../../app/cli/release.ts";
import { releaseWindow } from "../../app/shared/release-window.ts";
import type { ReleaseReport, ReleaseStatus } from "../../app/shared/release-status.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startTestHub, testTransport } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

describe("release check", () => {
  let database: TestDatabase;
  let hub: TestHub;
  const releaseDir = mkdtempSync(join(tmpdir(), "tickhub-releases-"));
  const environment = () => ({
    TICKHUB_PORT: String(hub.port),
    TICKHUB_DATABASE_URL: database.url,
  });

  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
    hub = await startTestHub(database.url, { releaseDir });
  });
  afterAll(async () => {
    await hub.stop();
    await database.drop();
  });

  test("ends well when a batch is committed, and that batch is in the database", async () => {
    const { code, json } = await tickhub(["release", "check", "--json"], environment());
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, hub: "0.0.0-test", attempt: 1 });
    const { rows } = await database.pool.query(
      "select s.account, s.edge, b.number::int from public.stream s join public.ingest_batch b on b.stream = s.no",
    );
    expect(rows).toEqual([{ account: "canary", edge: "canary", number: 1 }]);
  });

  test("the canary's batch is in no account's books, and the sum stays balanced", async () => {
    const picture = await hub.picture();
    expect(picture.accounts.map(({ account }) => account)).toEqual(["kis:1", "kiwoom:1"]);
    expect(picture.total).toMatchObject({ received: 0, lost: 0, isBalanced: true });
    expect(picture.unbalanced).toEqual([]);
  });

  test("fails with the gateway's reason when the hub is of another database", async () => {
    const { code, json } = await tickhub(["release", "check", "--json", "--timeout", "1"], {
      ...environment(),
      TICKHUB_DATABASE_URL: "postgres://tickhub:other@127.0.0.1:1/other",
    });
    expect(code).toBe(1);
    expect(json).toMatchObject({ ok: false, code: "EDGE_TOKEN" });
  });

  test("fails when the transaction cannot commit", async () => {
    await database.pool.query(
      "alter table public.ingest_batch add constraint closed check (number > 1) not valid",
    );
    onTestFinished(
      () => void database.pool.query("alter table public.ingest_batch drop constraint closed"),
    );
    const { code, json } = await tickhub(
      ["release", "check", "--json", "--timeout", "1"],
      environment(),
    );
    expect(code).toBe(1);
    expect(json).toMatchObject({ code: "DATABASE_REFUSED" });
  });

  test("the canary's token opens no account but its own", async () => {
    const { canaryToken } = await import("../../app/shared/canary.ts");
    const transport = testTransport(hub.gatewayUrl, {
      edge: "canary",
      token: canaryToken(database.url),
    });
    await transport.open();
    const question = { account: "kis:1", holder: crypto.randomUUID(), edge: "canary" };
    await expect(transport.ask({ ...question, wish: "claim", status: {} })).rejects.toMatchObject({
      code: "EDGE_ACCOUNT",
    });
    await transport.close();
  });

  test("the hub shows what its machine's agent says, and nothing where there is none", async () => {
    const status = statusOf({ digest: "sha256:b" });
    expect((await hub.picture()).release).toBeNull();
    writeFileSync(join(releaseDir, "status.json"), JSON.stringify(status));
    expect((await hub.picture()).release).toEqual(status);
    writeFileSync(join(releaseDir, "status.json"), "{");
    expect((await hub.picture()).release).toBeNull();
  });

  test("a hub refuses an edge that has the canary's name", async () => {
    const { code, json } = await tickhub(["hub", "--json"], {
      ...environment(),
      TICKHUB_EDGE_TOKENS: "canary=a-token-of-somebody",
    });
    expect(code).toBe(2);
    expect(json).toMatchObject({ code: "CONFIG_INVALID" });
  });
});

describe("release window", () => {
  const at = (venues: Parameters<typeof releaseWindow>[0], iso: string) =>
    releaseWindow(venues, Date.parse(iso));

  test("Korea's is closed from ten minutes before the open until the closing auction is over", () => {
    expect(at(["KRX"], "2026-11-23T08:49:59+09:00").open).toBe(true);
    expect(at(["KRX"], "2026-11-23T08:50:00+09:00")).toMatchObject({
      open: false,
      session: { venue: "KRX", kind: "regular" },
      nextQuietAt: "2026-11-23T06:30:00.000Z",
    });
    expect(at(["KRX"], "2026-11-23T15:29:59+09:00").open).toBe(false);
    expect(at(["KRX"], "2026-11-23T15:30:00+09:00").open).toBe(true);
  });

  test("New York's moves with its summer time", () => {
    expect(at(["NAS"], "2026-11-23T23:30:00+09:00").open).toBe(false);
    expect(at(["NAS"], "2026-11-23T22:30:00+09:00").open).toBe(true);
    expect(at(["NAS"], "2026-07-06T22:30:00+09:00").open).toBe(false);
    expect(at(["NAS"], "2026-11-24T06:00:00+09:00").open).toBe(true);
  });

  test("it is open on weekends and holidays, and where nothing is collected", () => {
    expect(at(["KRX", "NAS"], "2026-11-21T10:00:00+09:00").open).toBe(true);
    expect(at(["KRX"], "2026-12-25T10:00:00+09:00").open).toBe(true);
    expect(at([], "2026-11-23T10:00:00+09:00").open).toBe(true);
  });

  test("a weekday beyond the calendar's tables counts as trading", () => {
    expect(at(["KRX"], "2031-06-02T10:00:00+09:00").open).toBe(false);
  });

  test("the command goes by the market clock and the watched symbols", async () => {
    const { code, json } = await tickhub(["release", "window", "--json"], {
      TICKHUB_SYMBOLS: "005930",
      TICKHUB_MARKET_CLOCK: "fixed:2026-11-23T10:00:00+09:00",
    });
    expect(code).toBe(1);
    expect(json).toMatchObject({ open: false, nextQuietAt: "2026-11-23T06:30:00.000Z" });
  });
});

describe("release wait", () => {
  test("takes no word of a release that the agent has not looked for again", () => {
    const before = statusOf({ digest: "sha256:a", seenAt: "1" });
    expect(outcomeOf(before, before)).toBeNull();
    expect(outcomeOf(statusOf({ digest: "sha256:a", seenAt: "2" }), before)).toMatchObject({
      digest: "sha256:a",
    });
    const found = { ...before, seen: { digest: "sha256:b", at: "2" } };
    expect(outcomeOf(found, before)).toBeNull();
  });

  test("with a digest, takes the word of that release alone, and not while it is being tried", () => {
    const now = statusOf({ digest: "sha256:b" });
    expect(outcomeOf(now, now, "sha256:a")).toBeNull();
    expect(outcomeOf(now, now, "sha256:b")).toEqual(now.report);
    expect(outcomeOf({ ...now, step: "reverting" }, now, "sha256:b")).toBeNull();
  });

  test("ends with 0 when the release runs", async () => {
    const hub = await statusServer(statusOf({ digest: "sha256:b" }));
    const { code, stdout } = await tickhub([
      "release",
      "wait",
      "--hub",
      hub,
      "--digest",
      "sha256:b",
    ]);
    expect(stdout).toBe("0.2.0 runs\n");
    expect(code).toBe(0);
  });

  test.each([
    ["reverted", "RELEASE_REVERTED"],
    ["refused", "RELEASE_REFUSED"],
  ] as const)("ends with 1 and the reason when it was %s", async (outcome, error) => {
    const status = statusOf({ digest: "sha256:b", outcome, reason: "no acked batch" });
    const args = ["release", "wait", "--json", "--hub", await statusServer(status)];
    const { code, json } = await tickhub([...args, "--digest", "sha256:b"]);
    expect(code).toBe(1);
    expect(json).toMatchObject({
      code: error,
      context: { version: "0.2.0", reason: "no acked batch" },
    });
  });

  test("reads a report's file as well", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "tickhub-report-")), "report.json");
    writeFileSync(file, JSON.stringify(statusOf({ digest: "sha256:b" }).report));
    const { code, json } = await tickhub(["release", "wait", "--json", "--report", file]);
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, outcome: "running" });
  });

  test("gives up after its time", async () => {
    const clock = new FakeClock();
    const waiting = wait({ report: "/nowhere/report.json", timeout: 60 }, clock);
    const ended = expect(waiting).rejects.toMatchObject({ code: "RELEASE_TIMEOUT" });
    for (let step = 0; step < 40; step++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(5_000);
    }
    await ended;
  });
});

function statusOf(
  facts: Partial<ReleaseReport> & { digest: string; seenAt?: string },
): ReleaseStatus {
  const { seenAt = "1", ...said } = facts;
  return {
    format: 1,
    seen: { digest: said.digest, at: seenAt },
    step: "idle",
    report: { format: 1, version: "0.2.0", outcome: "running", reason: "", at: "1", ...said },
  };
}

/** A hub that says no more than this. */
async function statusServer(release: ReleaseStatus): Promise<string> {
  const server = createServer((_request, response) => response.end(JSON.stringify({ release })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
