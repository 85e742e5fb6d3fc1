// `tickhub parity` as it is run: two recordings of one feed, and wrong use. The day's comparison is in
// tests/hub/parity/ and, over the whole path, in tests/faults/parity-day.test.ts.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FrameParity } from "../../app/hub/query/parity/frames.ts";
import { compareFrames, readFrames } from "../../app/hub/query/parity/frames.ts";
import { tickhub } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";

const FILES = [1, 2, 3, 4].map((socket) => dataFile(`dual-sockets/BEQUANT.ws.${socket}.0.gz`));
const HAS_FILES = FILES.every((file) => file !== null);

async function frames(one: number, other: number) {
  const { code, json } = await tickhub([
    "parity",
    "--frames",
    FILES[one - 1]!,
    FILES[other - 1]!,
    "--json",
  ]);
  return { code, found: json as unknown as FrameParity };
}

test.skipIf(!HAS_FILES)("sockets 1, 2 and 4 of a recorded feed heard the same frames", async () => {
  for (const other of [2, 4]) {
    const { code, found } = await frames(1, other);
    expect(code).toBe(0);
    expect(found).toMatchObject({ left: 1322, right: 1322, matched: 1322, differences: [] });
    expect(found.acks).toEqual({ left: 40, right: 40 });
  }
});

test.skipIf(!HAS_FILES)(
  "socket 3, which began 0.4 s earlier, heard the same but for its beginning",
  async () => {
    const { code, found } = await frames(1, 3);
    expect(found).toMatchObject({
      left: 1322,
      right: 1344,
      matched: 1312,
      atEdges: 42,
      differences: [],
    });
    expect(code).toBe(0);
  },
);

test("a frame that one recording lacks is named, whatever the order of the others", () => {
  const { frames: left, unreadable } = readFrames(
    Array.from({ length: 50 }, (_, second) => `${second}: {"no":${second % 25}}`),
  );
  const right = left.toReversed().filter(({ ms }) => ms !== 20_000);
  expect(unreadable).toBe(0);
  const { matched, differences } = compareFrames(left, right);
  // Of two equal frames nobody can say which of them is missing: the later one is named.
  expect({ matched, differences }).toEqual({
    matched: 49,
    differences: [{ side: "left", ms: 45_000, text: '{"no":20}' }],
  });
});

test("says all that it has found, however much it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tickhub-frames-"));
  const [left, right] = ["left", "right"].map((side) => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `${i}: {"${side}":"${"x".repeat(99)}"}`);
    const path = join(folder, `${side}.txt`);
    writeFileSync(path, lines.join("\n"));
    return path;
  });
  const { code, json } = await tickhub(["parity", "--frames", left!, right!, "--json"]);
  expect(code).toBe(1);
  expect((json as unknown as FrameParity).differences).toHaveLength(9_996);
});

test("refuses what is no day and what is no recording", async () => {
  expect((await tickhub(["parity", "--json"])).code).toBe(2);
  expect((await tickhub(["parity", "--date", "2026-02-31"])).code).toBe(2);
  expect((await tickhub(["parity", "--frames", "package.json", "package.json"])).code).toBe(2);
});
