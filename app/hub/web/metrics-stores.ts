// What is kept, on the hub's /metrics: database and disk, backup, coverage and gaps, parity, the meters of the
// free tiers.
import type { Registry } from "prom-client";
import { GB_BYTES } from "../../shared/meters.ts";
import { gaugesOf } from "../../shared/metrics.ts";
import type { Picture } from "../query/picture.ts";
import type { Beside } from "./metrics.ts";

type Setter = (picture: Picture, beside: Beside) => void;

export function storeGauges(registry: Registry): Setter {
  const setters = [databaseGauges, backupGauges, coverageGauges, parityGauges, meterGauges].map(
    (make) => make(registry),
  );
  return (picture, beside) => setters.forEach((set) => set(picture, beside));
}

function databaseGauges(registry: Registry): Setter {
  const gauge = gaugesOf(registry);
  const up = gauge("database_up", "1 while the database answers");
  const size = gauge("database_table_bytes", "A table with its indexes and chunks", ["table"]);
  const disk = gauge("disk_size_bytes", "The disk that the data lies on");
  const free = gauge("disk_free_bytes", "What is free of it");
  return ({ database }, { tables, disk: room }) => {
    up.set(database.ok ? 1 : 0);
    size.reset();
    for (const { table, bytes } of tables) size.set({ table }, bytes);
    if (room === null) return;
    disk.set(room.totalBytes);
    free.set(room.freeBytes);
  };
}

function backupGauges(registry: Registry): Setter {
  const gauge = gaugesOf(registry);
  const ok = gauge("backup_ok", "1 while the backup is well, or none is watched");
  const watched = gauge("backup_watched", "1 where a machine says how its backup stands");
  const bytes = gauge("backup_bytes", "WAL by where it is: spool, pg_wal, bucket", ["place"]);
  const age = gauge("backup_age_seconds", "Since the upload ran, since its oldest WAL waits", [
    "of",
  ]);
  return ({ backup: { troubles, note, isWatched }, nowMs }) => {
    ok.set(troubles.length === 0 ? 1 : 0);
    watched.set(isWatched ? 1 : 0);
    bytes.reset();
    age.reset();
    if (note === null) return;
    bytes.set({ place: "spool" }, note.spoolBytes);
    bytes.set({ place: "pg_wal" }, note.walBytes);
    if (note.bucketBytes !== null) bytes.set({ place: "bucket" }, note.bucketBytes);
    const since = (atS: number) => Math.max(0, nowMs / 1_000 - atS);
    age.set({ of: "upload" }, since(note.at));
    age.set({ of: "spool" }, note.oldestSpoolAt === null ? 0 : since(note.oldestSpoolAt));
  };
}

function coverageGauges(registry: Registry): Setter {
  const gauge = gaugesOf(registry);
  const ratio = gauge("coverage_ratio", "Of the market's day so far: verified, alive, books", [
    "of",
  ]);
  const symbols = gauge("coverage_symbols", "Symbols of the market's day");
  const gaps = gauge("coverage_gaps", "Gaps of the market's day by state", ["state"]);
  const open = gauge("coverage_open_questions", "Gaps that wait for an answer");
  const age = gauge("coverage_age_seconds", "Since the ledger of coverage was read");
  return ({ coverage, nowMs }) => {
    ratio.reset();
    const shares = { verified: coverage.verifiedShare, alive: coverage.aliveShare };
    for (const [of, share] of Object.entries({ ...shares, books: coverage.booksAliveShare }))
      if (share !== null) ratio.set({ of }, share);
    symbols.set(coverage.symbols);
    for (const [state, count] of Object.entries(coverage.gapCounts)) gaps.set({ state }, count);
    open.set(coverage.openQuestions);
    if (coverage.checkedMs !== null) age.set(Math.max(0, nowMs - coverage.checkedMs) / 1_000);
  };
}

function parityGauges(registry: Registry): Setter {
  const gauge = gaugesOf(registry);
  const ratio = gauge("parity_ratio", "The last day's: matched, and joint coverage", ["of"]);
  const open = gauge("parity_gate_open", "1 while seven trading days in a row reach the figure");
  const figures = gauge(
    "parity_gate_figures",
    "Of the last seven trading days, those with a figure",
  );
  return ({ parity }) => {
    const last = parity.days.at(-1);
    ratio.reset();
    if (last?.share != null) {
      ratio.set({ of: "matched" }, last.share);
      ratio.set({ of: "coverage" }, last.coverage);
    }
    open.set(parity.open ? 1 : 0);
    figures.set(parity.days.filter(({ share }) => share !== null).length);
  };
}

/** One family a unit: a sum over bytes and requests would say nothing. */
function meterGauges(registry: Registry): Setter {
  const gauge = gaugesOf(registry);
  const labels = ["meter", "subject"];
  const of = (unit: "bytes" | "requests") => ({
    used: gauge(`meter_used_${unit}`, "Used of a free tier this month", labels),
    limit: gauge(`meter_limit_${unit}`, "What of it is free, or was set", labels),
    projected: gauge(`meter_projection_${unit}`, "Projected to the month's end", labels),
  });
  const units = {
    GB: { ...of("bytes"), base: GB_BYTES },
    requests: { ...of("requests"), base: 1 },
  };
  const ratio = gauge("meter_projection_ratio", "The projection's share of the limit", labels);
  const alarm = gauge("meter_alarm", "0 ok, 1 warn, 2 over", labels);
  const all = Object.values(units).flatMap(({ used, limit, projected }) => [
    used,
    limit,
    projected,
  ]);
  return ({ meters }) => {
    for (const one of [...all, ratio, alarm]) one.reset();
    for (const { meter, subject, unit, used, limit, projected, share, state } of meters) {
      const { base, ...families } = unit === "GB" ? units.GB : units.requests;
      families.used.set({ meter, subject }, used * base);
      families.projected.set({ meter, subject }, projected * base);
      if (limit !== null) families.limit.set({ meter, subject }, limit * base);
      if (share !== null) ratio.set({ meter, subject }, share);
      alarm.set({ meter, subject }, ["ok", "warn", "over"].indexOf(state));
    }
  };
}
