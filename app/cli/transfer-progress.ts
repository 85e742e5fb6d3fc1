// How a transfer tells how far it is: a bar with rate and ETA on a terminal, a line every five seconds
// elsewhere, events as JSON lines on stderr with --json. Copying and comparing are two bars: nobody knows how
// long both sides take to compare before the first chunks of both were.
import type { Clock } from "../shared/clock.ts";
import type { TransferEvent } from "../transfer/transfer.ts";
import { grouped, say } from "./output.ts";

const BAR = 24;
const TERMINAL_MS = 200;
const LINE_MS = 5_000;

/** Where a transfer stands. */
export interface Standing {
  table: string;
  /** Of all, by the source's statistics. */
  rows: number;
  rowsDone: number;
  /** When this run began, what was done before. */
  rowsBefore: number;
  bytes: number;
  sinceMs: number;
  /** The look that is under way; null while rows are copied. */
  look: { number: number; chunks: number; of: number; sinceMs: number } | null;
}

/** The line, `nowMs` on the clock of `sinceMs`. Pure. */
export function progressLine(standing: Standing, nowMs: number): string {
  const { table, rows, rowsDone, rowsBefore, bytes, sinceMs, look } = standing;
  const seconds = Math.max(0.001, (nowMs - sinceMs) / 1_000);
  if (look) {
    const lookS = (nowMs - look.sinceMs) / 1_000;
    const eta = look.chunks > 0 ? clockOf((lookS * (look.of - look.chunks)) / look.chunks) : "?";
    return (
      `${table}: compare ${barOf(look.of > 0 ? look.chunks / look.of : 1)} · look ${look.number},` +
      ` ${look.chunks} of ${look.of} chunks · ${grouped(rowsDone)} rows over · ETA ${eta}`
    );
  }
  const rate = (rowsDone - rowsBefore) / seconds;
  const eta = rate > 0 ? clockOf(Math.max(0, rows - rowsDone) / rate) : "?";
  return (
    `${table}: copy ${barOf(rows > 0 ? Math.min(1, rowsDone / rows) : 1)}` +
    ` · ${grouped(rowsDone)} of about ${grouped(Math.round(rows))} rows` +
    ` · ${size(bytes / seconds)}/s · ETA ${eta}, then compared`
  );
}

function barOf(share: number): string {
  const full = Math.floor(share * BAR);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `[${"#".repeat(full)}${".".repeat(BAR - full)}] ${percent}`;
}

/** 3725 → 1:02:05. */
export function clockOf(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60];
  const pad = (value: number) => String(value).padStart(2, "0");
  return hours > 0
    ? `${hours}:${pad(minutes)}:${pad(whole % 60)}`
    : `${minutes}:${pad(whole % 60)}`;
}

/** 12,345,678 → 11.8 MB; powers of 1024. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1_024 && unit < units.length - 1) [value, unit] = [value / 1_024, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`;
}

export class TransferProgress {
  readonly #clock: Clock;
  readonly #json: boolean;
  readonly #isTerminal = process.stderr.isTTY;
  #standing: Standing | null = null;
  #shownMs = -Infinity;
  #isShown = false;

  constructor(clock: Clock, json: boolean) {
    this.#clock = clock;
    this.#json = json;
  }

  hear(event: TransferEvent): void {
    if (this.#json) process.stderr.write(`${JSON.stringify(event)}\n`);
    if (event.event === "transfer_planned") {
      const { table, rows, chunks, left } = event;
      const before = chunks > 0 ? rows * (1 - left / chunks) : 0;
      this.#standing = {
        ...{ table, rows, rowsDone: before, rowsBefore: before, bytes: 0, look: null },
        sinceMs: this.#clock.monoMs(),
      };
      this.#shownMs = this.#clock.monoMs();
      if (left < chunks && left > 0)
        this.#say(`${table}: goes on, ${left} of ${chunks} chunks left`);
    } else if (event.event === "chunk_visited" && this.#standing) {
      this.#standing.rowsDone += this.#standing.look ? event.inserted : event.rows;
      if (event.state === "differs") this.#say(`${event.table}: chunk ${event.chunk} differs`);
    } else if (event.event === "transfer_compared" && this.#standing) {
      const { look: number, chunks, of } = event;
      const sinceMs = chunks === 0 ? this.#clock.monoMs() : (this.#standing.look?.sinceMs ?? 0);
      this.#standing.look = { number, chunks, of, sinceMs };
    } else if (event.event === "transfer_waited") {
      const seconds = Math.round(event.heldMs / 1_000);
      this.#say(`${event.table}: waits, an edge of the hub holds records for ${seconds} s`);
    }
    this.#show();
  }

  bytes(count: number): void {
    if (this.#standing) this.#standing.bytes += count;
    this.#show();
  }

  /** Leaves the last line standing. */
  end(): void {
    if (this.#isShown && this.#isTerminal) process.stderr.write("\n");
    this.#isShown = false;
  }

  #say(text: string): void {
    if (this.#json) return;
    this.end();
    say(`tickhub: ${text}`);
  }

  #show(): void {
    const nowMs = this.#clock.monoMs();
    const everyMs = this.#isTerminal ? TERMINAL_MS : LINE_MS;
    if (this.#json || !this.#standing || nowMs - this.#shownMs < everyMs) return;
    this.#shownMs = nowMs;
    this.#isShown = true;
    const line = progressLine(this.#standing, nowMs);
    if (this.#isTerminal) process.stderr.write(`\r\x1b[2K${line}`);
    else say(line);
  }
}
