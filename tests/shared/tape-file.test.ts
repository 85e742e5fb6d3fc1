// Tapes: what was closed can be read, what was cut short is read as far as it goes.
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeBatch, type RawFrame } from "../../app/shared/batch.ts";
import { codeOf } from "../../app/shared/errors.ts";
import { openTape, tapeSha256, tapeStream, TapeWriter } from "../../app/shared/tape-file.ts";

const META = { broker: "kis", market: "real", startedMs: 1_700_000_000_000 };
const STREAM = "01234567-89ab-4def-8123-456789abcdef";
const BATCHES = [1, 2, 3].map((number) => {
  const bytes = new TextEncoder().encode(`0|H0STCNT0|001|frame ${number}`);
  const frame: RawFrame = { kind: "frame", edgeRecvMs: 1000 + number, marketMs: 1000, bytes };
  return encodeBatch({ table: "frame", stream: STREAM, number, account: "kis:1", epoch: 0 }, [
    frame,
  ]);
});

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tickhub-tape-"));
  path = join(directory, "a.tape");
});
afterEach(() => rm(directory, { recursive: true }));

async function write(): Promise<void> {
  const tape = await TapeWriter.create(path, META);
  for (const batch of BATCHES) await tape.append(batch);
  await tape.close();
}

/** How many batches came before the end or the error, and which it was. */
async function read(limits?: Parameters<typeof openTape>[1]): Promise<[number, string]> {
  let count = 0;
  try {
    const { batches } = await openTape(path, limits);
    for await (const batch of batches) {
      expect(Buffer.compare(batch, BATCHES[count]!)).toBe(0);
      count++;
    }
    return [count, "end"];
  } catch (error) {
    return [count, codeOf(error)];
  }
}

describe("a tape", () => {
  beforeEach(write);

  test("gives back its description and its batches in order", async () => {
    const tape = await openTape(path);
    expect(tape.meta).toEqual(META);
    await tape.close();
    expect(await read()).toEqual([3, "end"]);
  });

  test("cut short at any byte gives every whole batch and then says so", async () => {
    const whole = readFileSync(path);
    const lengths = BATCHES.map(({ length }) => 4 + length);
    const headBytes = whole.length - lengths.reduce((sum, length) => sum + length);
    const ends = [0, 1, 2, 3].map((n) =>
      lengths.slice(0, n).reduce((sum, length) => sum + length, headBytes),
    );
    for (let size = whole.length; size >= 0; size -= 7) {
      await truncate(path, size);
      const complete = ends.filter((end) => end <= size).length - 1;
      const outcome = ends.includes(size) ? "end" : "TAPE_UNREADABLE";
      expect(await read()).toEqual([Math.max(complete, 0), outcome]);
    }
  });

  test("with a damaged byte gives what stands in front of it", async () => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 1;
    await writeFile(path, bytes);
    expect(await read()).toEqual([2, "TAPE_UNREADABLE"]);
  });

  test("is read within limits", async () => {
    const longest = Math.max(...BATCHES.map(({ length }) => length));
    const metaBytesMax = JSON.stringify(META).length;
    expect(await read({ metaBytesMax, batchBytesMax: longest })).toEqual([3, "end"]);
    expect(await read({ metaBytesMax, batchBytesMax: 20 })).toEqual([0, "TAPE_UNREADABLE"]);
    expect(await read({ metaBytesMax: metaBytesMax - 1, batchBytesMax: longest })).toEqual([
      0,
      "TAPE_UNREADABLE",
    ]);
  });

  test("is never overwritten", async () => {
    await expect(TapeWriter.create(path, META)).rejects.toThrow("EEXIST");
  });
});

test("what is no tape, or is not there, is unreadable", async () => {
  expect(await read()).toEqual([0, "TAPE_UNREADABLE"]);
  await writeFile(path, "not a tape at all");
  expect(await read()).toEqual([0, "TAPE_UNREADABLE"]);
  await writeFile(
    path,
    Buffer.concat([Buffer.from("TKTAPE1\n"), Buffer.of(2, 0, 0, 0, 0x7b, 0x7b)]),
  );
  expect(await read()).toEqual([0, "TAPE_UNREADABLE"]);
});

test("a tape's stream follows from its content and its lane alone", async () => {
  await write();
  const sha256 = await tapeSha256(path);
  expect(tapeStream(sha256)).toBe(tapeStream(sha256));
  expect(tapeStream(sha256, "kis:1/trade")).not.toBe(tapeStream(sha256));
  expect(tapeStream(sha256)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
  await writeFile(path, Buffer.concat([readFileSync(path), Buffer.of(0)]));
  expect(tapeStream(await tapeSha256(path))).not.toBe(tapeStream(sha256));
});
