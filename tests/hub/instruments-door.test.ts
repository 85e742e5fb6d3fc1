// `tickhub instruments load` fills the table, `GET /instruments` tells edges what is in it, and nobody else.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canaryToken } from "../../app/shared/canary.ts";
import { instrumentNamesSchema } from "../../app/shared/instruments.ts";
import { tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTestHub, TOKEN } from "../support/hub.ts";
import type { TestHub } from "../support/hub.ts";

let database: TestDatabase;
let hub: TestHub;
beforeAll(async () => {
  database = await createDatabase({ migrated: false });
  hub = await startTestHub(database.url, { webPort: 0 });
});
afterAll(async () => {
  await hub.stop();
  await database.drop();
});

async function ask(edge: string, token: string, base = hub.gatewayUrl.replace(/^ws/, "http")) {
  const response = await fetch(`${base}/instruments?edge=${edge}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const load = (...files: string[]) =>
  tickhub(["instruments", "load", ...files, "--json"], { TICKHUB_DATABASE_URL: database.url });
const folder = mkdtempSync(join(tmpdir(), "instruments-"));
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const row = { ISU_SRT_CD: "005930", ISU_CD: "KR7005930003", ISU_ABBRV: "삼성전자" };
const whole = {
  ...row,
  ISU_NM: "삼성전자보통주",
  ISU_ENG_NM: "SamsungElectronics",
  LIST_DD: "1975/06/11",
  SECUGRP_NM: "주권",
  KIND_STKCERT_TP_NM: "보통주",
};
const finder = { short_code: "005930", full_code: "KR7005930003", codeName: "삼성전자" };

describe("names", () => {
  test("are loaded from files of the portal, again without harm, and a poorer file takes nothing away", async () => {
    const first = await load(
      file("a.json.gz", gzipSync(JSON.stringify({ OutBlock_1: [whole, { ISU_SRT_CD: "x" }] }))),
    );
    expect(first.json).toMatchObject({
      loaded: [{ instruments: 1, refused: 1, added: 1, changed: 0, same: 0 }],
      kinds: [{ venue: "KRX", kind: "stock", count: 1 }],
    });
    // A row that is no instrument is not hidden by an exit code of 0.
    expect(first.code).toBe(1);
    const again = await load(file("b.json", JSON.stringify({ block1: [finder] })));
    expect(again).toMatchObject({ code: 0, json: { loaded: [{ added: 0, changed: 0, same: 1 }] } });
    const renamed = await load(
      file("c.json", JSON.stringify({ output: [{ ...row, ISU_ABBRV: "삼성" }] })),
    );
    expect(renamed.json).toMatchObject({ loaded: [{ added: 0, changed: 1 }] });
    const { rows } = await database.pool.query(
      "select symbol, name, isin, listed_on::text, aliases from instrument",
    );
    expect(rows).toEqual([
      {
        symbol: "005930",
        name: "삼성",
        isin: "KR7005930003",
        listed_on: "1975-06-11",
        aliases: ["SamsungElectronics"],
      },
    ]);
  });

  test("are told to an edge with its token, and on the gateway's port alone", async () => {
    const { status, body } = await ask("kis", TOKEN);
    expect(status).toBe(200);
    expect(instrumentNamesSchema.parse(body).instruments).toEqual([
      { symbol: "005930", name: "삼성", kind: "stock", aliases: ["SamsungElectronics"] },
    ]);
    expect(await ask("kis", "wrong")).toMatchObject({ status: 401, body: { code: "EDGE_TOKEN" } });
    expect((await ask("canary", canaryToken(database.url))).status).toBe(401);
    expect((await ask("kis", TOKEN, hub.url)).status).toBe(404);
  });

  test("come from a file that is one: otherwise nothing of the command is loaded", async () => {
    const good = file(
      "good.json",
      JSON.stringify({ block1: [{ ...finder, short_code: "000660", codeName: "SK하이닉스" }] }),
    );
    for (const [bad, reason] of [
      [file("no.json", "<html>"), "no JSON"],
      [file("other.json", "{}"), "no list of instruments"],
      [file("empty.json", '{"output":[]}'), "no instrument in it"],
      [join(folder, "missing.json"), "ENOENT"],
    ] as const) {
      const { code, json } = await load(good, bad);
      expect(code).toBe(1);
      expect(json).toMatchObject({ code: "INSTRUMENTS_FILE" });
      expect(JSON.stringify(json)).toContain(reason);
    }
    expect((await ask("kis", TOKEN)).body).toMatchObject({ instruments: [{ symbol: "005930" }] });
    expect((await tickhub(["instruments", "load"])).code).toBe(2);
  });

  const master = dataFile("krx-reference/MDCSTAT01901_ALL.json.gz");
  const funds = dataFile("krx-reference/MDCSTAT04301_20210325.json.gz");
  test.skipIf(master === null || funds === null)("of all of KRX fit", async () => {
    const { code } = await load(master!, funds!);
    expect(code).toBe(0);
    const { stdout } = await tickhub(["instruments", "list"], {
      TICKHUB_DATABASE_URL: database.url,
    });
    expect(stdout).toBe("KRX etf: 467\nKRX fund: 29\nKRX preferred: 113\nKRX stock: 2,740\n");
    const { body } = await ask("kis", TOKEN);
    expect(instrumentNamesSchema.parse(body).instruments).toHaveLength(3_349);
  });
});
