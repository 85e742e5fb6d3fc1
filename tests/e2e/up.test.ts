// `npm start` as users meet it: a run on one machine that ends by itself and adds up.
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeBatch, encodeBatch, ticksOf } from "../../app/shared/batch.ts";
import type { RawFrame } from "../../app/shared/batch.ts";
import { openTape, TapeWriter } from "../../app/shared/tape-file.ts";
import { digestDatabase } from "../../app/store/digest.ts";
import { newStateDir, tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";
import { createDatabase } from "../support/database.ts";

/** After Korea's day its ends are asked for, and told again: nothing else comes twice. */
function expectRefilled({ duplicate, backfilled }: Record<string, unknown>): void {
  expect(duplicate).toBeLessThanOrEqual(backfilled as number);
}

describe("tickhub up", () => {
  it(
    "ends with one line in which three independent counts agree",
    { timeout: 120_000 },
    async () => {
      const { code, json } = await tickhub(["up", "--seconds", "20", "--json"]);
      expect(json).toMatchObject({ held: 0, quarantined: 0, lost: 0, balanced: true });
      const { sent, backfilled, received, committed, duplicate, rows, edges } = json as Record<
        string,
        number
      > & { edges: unknown[] };
      expect(received).toBe(sent! + backfilled!);
      expect(committed! + duplicate!).toBe(received);
      expectRefilled(json!);
      expect(rows).toBe(committed);
      expect(rows).toBeGreaterThan(2_000);
      expect(edges).toHaveLength(2);
      expect(json!.p50_ms).toBeGreaterThan(0);
      expect(code).toBe(0);
    },
  );

  it("sends straight into the database as well", { timeout: 120_000 }, async () => {
    const { code, json } = await tickhub([
      "up",
      "--seconds",
      "12",
      "--uplink",
      "postgres",
      "--json",
    ]);
    expect(json).toMatchObject({ held: 0, lost: 0, balanced: true });
    expectRefilled(json!);
    expect(code).toBe(0);
  });

  const tape = dataFile("krx-ticks/20200604.csv.gz");
  it.skipIf(tape === null)(
    "stores a real day once, however often it is played",
    { timeout: 180_000 },
    async () => {
      const env = { TICKHUB_STATE_DIR: newStateDir() };
      const args = ["up", "--tape", tape!, "--speed", "max", "--json"];
      const first = await tickhub(args, env);
      expect(first.json).toMatchObject({
        sent: 91_234,
        committed: 91_234,
        duplicate: 0,
        rows: 91_234,
        balanced: true,
        sources: { "kis:1": { trade: 45_617, book: 0 }, "kiwoom:1": { trade: 45_617, book: 0 } },
        continuity_breaks: { "kis:1": 0, "kiwoom:1": 0 },
      });
      const second = await tickhub(args, env);
      expect(second.json).toMatchObject({
        sent: 91_234,
        committed: 0,
        duplicate: 91_234,
        rows: 0,
        balanced: true,
      });
      expect([first.code, second.code]).toEqual([0, 0]);
    },
  );

  it(
    "keeps tapes whose replay gives the same digest, and a flipped price another one",
    { timeout: 180_000 },
    async () => {
      const env = { TICKHUB_STATE_DIR: newStateDir() };
      const out = `${env.TICKHUB_STATE_DIR}/day`;
      const live = await tickhub(["record", "--out", out, "--seconds", "12", "--json"], env);
      expect(live.code).toBe(0);
      const tapes = live.json!.tapes as string[];
      expect(tapes.every((path) => existsSync(path))).toBe(true);
      const again = await tickhub(["replay", ...tapes, "--json"], env);
      expect(again.json!.digest).toEqual(live.json!.digest);

      const flipped = await flipOnePrice(tapes[0]!, `${out}-flipped.tape`);
      const other = await tickhub(["replay", flipped, tapes[1]!, "--json"], env);
      expect(other.json!.rows).toBe(again.json!.rows);
      expect(other.json!.digest).not.toEqual(live.json!.digest);
    },
  );

  it(
    "stores the same rows when the brokers send a recorded run again",
    { timeout: 180_000 },
    async () => {
      const env = { TICKHUB_STATE_DIR: newStateDir() };
      const out = `${env.TICKHUB_STATE_DIR}/day`;
      const live = await tickhub(["record", "--out", out, "--seconds", "12", "--json"], env);
      const { rows, tapes, digest } = live.json as {
        rows: number;
        tapes: string[];
        digest: unknown;
      };
      const database = await createDatabase({ migrated: false });
      try {
        const again = await tickhub(
          ["up", ...tapes.flatMap((tape) => ["--tape", tape]), "--speed", "max", "--json"],
          { TICKHUB_DATABASE_URL: database.url },
        );
        expect(rows).toBeGreaterThan(1_000);
        expect(again.json).toMatchObject({ sent: rows, committed: rows, rows, balanced: true });
        expect(await digestDatabase(database.pool)).toEqual(digest);
        expect([live.code, again.code]).toEqual([0, 0]);
      } finally {
        await database.drop();
      }
    },
  );
});

/** Copies a tape of raw KIS frames; the first trade's price ends in another digit there. */
async function flipOnePrice(from: string, to: string): Promise<string> {
  const tape = await openTape(from);
  const copy = await TapeWriter.create(to, tape.meta);
  let flipped = false;
  for await (const bytes of tape.batches) {
    const batch = decodeBatch(bytes, { rowsMax: 1_000_000, rawBytesMax: 2 ** 28 });
    const frames = (ticksOf(batch) as RawFrame[]).map((frame) => {
      const fields = Buffer.from(frame.bytes).toString("latin1").split("^");
      if (flipped || !fields[0]!.startsWith("0|H0STCNT0|")) return frame;
      flipped = true;
      fields[2] = String(Number(fields[2]) + 1);
      return { ...frame, bytes: Buffer.from(fields.join("^"), "latin1") };
    });
    await copy.append(encodeBatch(batch.header, frames));
  }
  await copy.close();
  expect(flipped).toBe(true);
  return to;
}
