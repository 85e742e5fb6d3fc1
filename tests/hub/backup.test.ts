import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BACKUP_LIMITS, BackupWatch, judgeBackup } from "../../app/hub/query/backup.ts";
import type { Event } from "../../app/shared/events.ts";
import { FakeClock } from "../support/fake-clock.ts";

const NOW_S = 1_795_000_000;
const WELL = {
  format: 1 as const,
  at: NOW_S - 30,
  failure: "",
  lastSegment: "000000010000000000000001",
  spoolFiles: 1,
  spoolBytes: 16 * 1024 ** 2,
  oldestSpoolAt: NOW_S - 60,
  walBytes: 1024 ** 3,
  bucketBytes: 8 * 1024 ** 3,
};
const judge = (over: Partial<typeof WELL>) =>
  judgeBackup({ ...WELL, ...over }, NOW_S * 1_000).troubles;

describe("what the upload's note means", () => {
  it("is nothing while all is within its limits", () => {
    expect(judge({})).toEqual([]);
    expect(judge({ spoolFiles: 0, spoolBytes: 0, oldestSpoolAt: null as never })).toEqual([]);
  });

  it("names each thing that is wrong", () => {
    const over: [Partial<typeof WELL>, string][] = [
      [{ failure: "the bucket cannot be listed" }, "the WAL upload failed (the bucket cannot be"],
      [{ at: NOW_S - BACKUP_LIMITS.silentS - 60 }, "has not run for 16 min"],
      [{ oldestSpoolAt: NOW_S - BACKUP_LIMITS.spoolAgeS - 120 }, "waits in the spool for 17 min"],
      [{ spoolBytes: BACKUP_LIMITS.spoolBytes + 2 ** 30 }, "3.0 GiB wait in the spool"],
      [{ walBytes: BACKUP_LIMITS.walBytes + 2 ** 30 }, "pg_wal holds 7.0 GiB"],
      [{ bucketBytes: BACKUP_LIMITS.bucketBytes + 2 ** 30 }, "the bucket holds 17.0 GiB"],
    ];
    for (const [change, words] of over) {
      expect(judge(change)).toHaveLength(1);
      expect(judge(change)[0]).toContain(words);
    }
  });

  it("is a trouble when there is no note", () => {
    expect(judgeBackup(null, 0, "ENOENT").troubles).toEqual(["backup: nothing known (ENOENT)"]);
  });
});

describe("the watch over the backup", () => {
  let directory = "";
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), "tickhub-note-"))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("says a trouble once as long as it lasts, and again when it comes back", async () => {
    const path = join(directory, "status.json");
    const clock = new FakeClock(NOW_S * 1_000);
    const told: string[] = [];
    const emit = (event: Event) => {
      if (event.event === "backup_troubled") told.push(event.reason);
    };
    const watch = new BackupWatch({ path, clock, emit });
    const note = async (over: Partial<typeof WELL>) => {
      await writeFile(path, JSON.stringify({ ...WELL, ...over }));
      await watch.look();
    };
    await note({});
    expect(watch.picture().troubles).toEqual([]);
    await note({ spoolBytes: 3 * 2 ** 30 });
    await note({ spoolBytes: 4 * 2 ** 30 });
    expect(told).toEqual(["backup: 3.0 GiB wait in the spool"]);
    await note({});
    await note({ spoolBytes: 5 * 2 ** 30 });
    expect(told).toHaveLength(2);
    await writeFile(path, "{");
    await watch.look();
    expect(watch.picture().troubles[0]).toContain("nothing known");
  });

  it("watches nothing where no note is configured", async () => {
    const watch = new BackupWatch({
      path: undefined,
      clock: new FakeClock(0),
      emit: () => expect.fail(),
    });
    watch.start();
    await watch.look();
    expect(watch.picture()).toEqual({ isWatched: false, troubles: [], note: null });
  });
});
