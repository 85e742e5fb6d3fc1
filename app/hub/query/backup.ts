// How the backup stands, from the note that the machine's WAL upload leaves after each run. The hub only reads
// it: to show it, to count it on /metrics, and to say once when something begins to be wrong.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { every } from "../../shared/clock.ts";
import type { Clock, Timer } from "../../shared/clock.ts";
import { codeOf } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";

/** As infra/vm/tickhub-wal-upload writes it. Times in epoch seconds. */
const noteSchema = z.object({
  format: z.literal(1),
  at: z.number(),
  failure: z.string(),
  lastSegment: z.string(),
  spoolFiles: z.number(),
  spoolBytes: z.number(),
  oldestSpoolAt: z.number().nullable(),
  walBytes: z.number(),
  bucketBytes: z.number().nullable(),
});
type Note = z.output<typeof noteSchema>;

export interface BackupPicture {
  /** False where no note is configured: a machine at home, or a test. */
  isWatched: boolean;
  /** Each in a few words; none when all is well. */
  troubles: readonly string[];
  note: Note | null;
}

/** Beyond these a person should look. Bytes as they count against the volume and the free 20 GB of the bucket. */
export const BACKUP_LIMITS = {
  /** The upload runs each minute. */
  silentS: 15 * 60,
  /** A segment ends after five minutes, and waits one for the upload. */
  spoolAgeS: 15 * 60,
  spoolBytes: 2 * 1024 ** 3,
  /** PostgreSQL keeps what it cannot hand over: then max_wal_size is no bound any more. */
  walBytes: 6 * 1024 ** 3,
  bucketBytes: 16 * 1024 ** 3,
} as const;

const LOOK_MS = 30_000;
const UNWATCHED: BackupPicture = { isWatched: false, troubles: [], note: null };

/** What a note means at `nowMs`; null is a note that could not be read, for `reason`. Pure. */
export function judgeBackup(note: Note | null, nowMs: number, reason = ""): BackupPicture {
  if (note === null) {
    return { isWatched: true, troubles: [`backup: nothing known (${reason})`], note };
  }
  const nowS = nowMs / 1_000;
  const minutes = (seconds: number) => `${Math.floor(seconds / 60)} min`;
  const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  const troubles: string[] = [];
  const silentS = nowS - note.at;
  if (note.failure !== "") troubles.push(`backup: the WAL upload failed (${note.failure})`);
  if (silentS > BACKUP_LIMITS.silentS) {
    troubles.push(`backup: the WAL upload has not run for ${minutes(silentS)}`);
  }
  const ageS = note.oldestSpoolAt === null ? 0 : nowS - note.oldestSpoolAt;
  if (ageS > BACKUP_LIMITS.spoolAgeS) {
    troubles.push(`backup: WAL waits in the spool for ${minutes(ageS)}`);
  }
  if (note.spoolBytes > BACKUP_LIMITS.spoolBytes) {
    troubles.push(`backup: ${gib(note.spoolBytes)} wait in the spool`);
  }
  if (note.walBytes > BACKUP_LIMITS.walBytes) {
    troubles.push(`backup: pg_wal holds ${gib(note.walBytes)}: PostgreSQL cannot archive`);
  }
  if (note.bucketBytes !== null && note.bucketBytes > BACKUP_LIMITS.bucketBytes) {
    troubles.push(`backup: the bucket holds ${gib(note.bucketBytes)} of WAL, 20 GB are free`);
  }
  return { isWatched: true, troubles, note };
}

/** How the backup stands whose note lies at `path`, in one look. Never throws. */
export async function readBackup(path: string, nowMs: number): Promise<BackupPicture> {
  try {
    return judgeBackup(noteSchema.parse(JSON.parse(await readFile(path, "utf8"))), nowMs);
  } catch (error) {
    return judgeBackup(null, nowMs, codeOf(error));
  }
}

export interface BackupWatchOptions {
  /** The note's path; none: nothing is watched. */
  path: string | undefined;
  clock: Clock;
  emit: Emit;
}

export class BackupWatch {
  readonly #options: BackupWatchOptions;
  #note: Note | null = null;
  #reason = "not read yet";
  #told = new Set<string>();
  #timer: Timer | null = null;

  constructor(options: BackupWatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.path === undefined) return;
    void this.look();
    this.#timer = every(this.#options.clock, LOOK_MS, () => void this.look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  picture(): BackupPicture {
    if (this.#options.path === undefined) return UNWATCHED;
    return judgeBackup(this.#note, this.#options.clock.nowMs(), this.#reason);
  }

  /** Reads the note, and says what is newly wrong. Never throws. */
  async look(): Promise<void> {
    const { path, emit } = this.#options;
    if (path === undefined) return;
    try {
      this.#note = noteSchema.parse(JSON.parse(await readFile(path, "utf8")));
    } catch (error) {
      this.#note = null;
      this.#reason = codeOf(error) || "not a note of the upload";
    }
    const kinds = new Map(this.picture().troubles.map((trouble) => [kindOf(trouble), trouble]));
    for (const [kind, reason] of kinds) {
      if (!this.#told.has(kind)) emit({ event: "backup_troubled", reason });
    }
    this.#told = new Set(kinds.keys());
  }
}

/** The words without figures: a trouble that only grew is not a new one. */
function kindOf(trouble: string): string {
  return trouble.replaceAll(/[\d.]+/g, "");
}
