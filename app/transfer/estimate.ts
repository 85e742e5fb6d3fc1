// What a transfer will take, told by one chunk that is copied into a temporary table of the target's shape,
// indexes included, and thrown away.
import { statfs } from "node:fs/promises";
import { firstBounds } from "./cut.ts";
import { copyThrough } from "./pipe.ts";
import { spansOf } from "./plan.ts";
import { arrayLiteral, inTransaction, setLocal } from "./sides.ts";
import type { Side } from "./sides.ts";
import * as sql from "./statements.ts";
import type { RunPassage } from "./transfer.ts";

export interface Estimate {
  table: string;
  /** By the source's statistics. */
  rows: number;
  /** With indexes, on the source. */
  sourceBytes: number;
  chunks: number;
  sampleRows: number;
  sampleMs: number;
  /** On the wire. */
  wireBytes: number;
  /** With indexes, on the target; before any columnstore. */
  targetBytes: number;
  /** With so many chunks at once as asked for; the looks afterwards included. */
  tookMs: number;
  /** Free on the target's disk, where its server is on this machine and says where it stores; else null. */
  freeBytes: number | null;
}

/** Two chunks at once share the network, the disk and mostly the processors: this much of a second flow helps. */
const SECOND_FLOW = 0.4;

export async function estimate(
  passage: RunPassage,
  options: { chunkRows: number; parallel: number; maxRate: number | null },
): Promise<Estimate> {
  const { shape, source, target, clock } = passage;
  const { rowsEstimate: rows, bytes: sourceBytes } = shape.source;
  const spans = spansOf(await firstBounds(passage, options.chunkRows), false);
  const sample = spans[Math.floor(spans.length / 2)]!;
  const { sampleRows, bytes, kept, sampleMs } = await inTransaction(source, async (from) => {
    await setLocal(from, { ...passage.settings, ...sql.spanSettings(sample), job: passage.job });
    const startedMs = clock.monoMs();
    const lanes = (await from.query<{ lane: string; rows: number }>(sql.sourceSum(shape, sample)))
      .rows;
    await setLocal(from, {
      lanes: arrayLiteral(lanes.map(({ lane }) => lane)),
      streams: arrayLiteral(lanes.map(() => 0)),
    });
    return await inTransaction(target, async (to) => {
      await to.query(sql.makeSample(shape));
      const { throttle, signal, onBytes } = passage;
      const way = { out: sql.copyOut(shape, sample), in: sql.copyIn(shape, "sample") };
      const passed = await copyThrough(from, to, { ...way, clock, throttle, signal, onBytes });
      await to.query(sql.sampleSum(shape));
      const took = clock.monoMs() - startedMs;
      const { rows: size } = await to.query<{ bytes: number }>(sql.SAMPLE_SIZE);
      await to.query(sql.DROP_SAMPLE);
      const count = lanes.reduce((sum, lane) => sum + lane.rows, 0);
      return { sampleRows: count, bytes: passed.bytes, kept: size[0]!.bytes, sampleMs: took };
    });
  });
  const times = sampleRows === 0 ? 0 : rows / sampleRows;
  const flows = options.parallel > 1 ? 1 + SECOND_FLOW : 1;
  const wireBytes = times * bytes;
  const leastMs = options.maxRate === null ? 0 : (1_000 * wireBytes) / options.maxRate;
  return {
    ...{ table: shape.target.title, rows: Math.round(rows), sourceBytes, chunks: spans.length },
    ...{ sampleRows, sampleMs: Math.round(sampleMs), wireBytes: Math.round(wireBytes) },
    targetBytes: Math.round(times * kept),
    tookMs: Math.round(Math.max(leastMs, (times * sampleMs) / flows)),
    freeBytes: await freeBytes(target),
  };
}

async function freeBytes(target: Side): Promise<number | null> {
  if (!/^(127\.|localhost|\[?::1)/.test(target.label)) return null;
  try {
    const { rows } = await target.pool.query<{ directory: string }>(
      "select current_setting('data_directory') as directory",
    );
    const { bavail, bsize } = await statfs(rows[0]!.directory);
    return bavail * bsize;
  } catch {
    return null; // The user may not ask, or a container shows another path.
  }
}
