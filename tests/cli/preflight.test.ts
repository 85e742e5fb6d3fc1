// A deploy begins only when nothing would be lost by replacing a process.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { judge } from "../../app/cli/preflight.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import { tickhub } from "../support/cli.ts";

interface EdgeFacts {
  oldestMs?: number;
  seenAgeMs?: number;
  holds?: boolean;
}

/** What the hub says of these edges; each holds an account unless told otherwise. */
function pictureOf(edges: Record<string, EdgeFacts>, isDatabaseOk = true): Picture {
  const picture = {
    database: isDatabaseOk ? { ok: true } : { ok: false, code: "DATABASE_UNREACHABLE" },
    total: {},
    edges: Object.entries(edges).map(([edge, { oldestMs = 300, seenAgeMs = 900 }]) => ({
      edge,
      seenAgeMs,
      status: { outbox: { oldestMs } },
    })),
    accounts: Object.entries(edges).map(([edge, { holds = true }]) => ({
      lease: { edge, holder: holds ? "a process" : null },
    })),
  };
  return picture as unknown as Picture;
}
const reasonsOf = (edges: Record<string, EdgeFacts>, isDatabaseOk = true) =>
  judge(pictureOf(edges, isDatabaseOk), "http://hub").reasons;

describe("a preflight", () => {
  it("is fine while every outbox is fresh", () => {
    expect(reasonsOf({ kis: {}, kiwoom: { oldestMs: 4_900 } })).toEqual([]);
  });

  it("refuses while an outbox holds records of more than 5 s", () => {
    expect(reasonsOf({ kis: {}, kiwoom: { oldestMs: 5_100 } })).toEqual([
      "kiwoom holds records of 5.1 s ago.",
    ]);
  });

  it("refuses while an edge that collects is silent, but not for one that was taken away", () => {
    expect(reasonsOf({ kis: { seenAgeMs: 6_000 } })).toEqual([
      "kis holds an account and was last heard 6.0 s ago.",
    ]);
    expect(reasonsOf({ kis: { seenAgeMs: 9e6, oldestMs: 9e6, holds: false } })).toEqual([]);
  });

  it("counts what an edge that stands by still holds", () => {
    expect(reasonsOf({ kis: { oldestMs: 60_000, holds: false } })).toHaveLength(1);
  });

  it("refuses while the database is away", () => {
    expect(reasonsOf({ kis: {} }, false)).toEqual([
      "The database does not answer (DATABASE_UNREACHABLE).",
    ]);
  });

  it("exits with 0 or 1 by what the hub says, and with 1 where there is no hub", async () => {
    let oldestMs = 100;
    const hub = createServer((_request, response) => {
      response.end(JSON.stringify(pictureOf({ kis: { oldestMs } })));
    });
    await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
    const ready = await tickhub(["preflight", "--hub", url]);
    expect(ready).toMatchObject({
      code: 0,
      stdout: "ready: 1 edges, the oldest record held for 0.1 s\n",
    });
    oldestMs = 60_000;
    const full = await tickhub(["preflight", "--hub", url, "--json"]);
    expect(full).toMatchObject({
      code: 1,
      json: { ok: false, edges: [{ edge: "kis", oldestMs }] },
    });
    hub.closeAllConnections();
    await new Promise((resolve) => hub.close(resolve));
    const nobody = await tickhub(["preflight", "--hub", url, "--json"]);
    expect(nobody).toMatchObject({
      code: 1,
      json: { ok: false, reasons: [`No hub answers at ${url}.`] },
    });
  });
});
