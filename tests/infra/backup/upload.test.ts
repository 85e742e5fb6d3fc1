// The upload of archived WAL, run as the timer runs it, with a folder for a bucket and a store that fails on order.
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const UPLOAD = resolve("infra/vm/tickhub-wal-upload");
const BUCKET = resolve("tests/infra/backup/bucket");
const SYSTEM = 7_384_213_946_112_233_445n;

interface Status {
  failure: string;
  lastSegment: string;
  spoolFiles: number;
  spoolBytes: number;
  oldestSpoolAt: number | null;
  walBytes: number;
  bucketBytes: number | null;
}

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tickhub-upload-"));
  await mkdir(join(root, "volume", "wal-spool"), { recursive: true });
  await mkdir(join(root, "bucket"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** What a server leaves in the spool: the long page header names its system. */
async function segment(name: string, system = SYSTEM): Promise<void> {
  const bytes = Buffer.alloc(64 * 1024);
  bytes.writeBigUInt64LE(system, 24);
  await writeFile(join(root, "volume", "wal-spool", name), bytes);
}

interface Run {
  code: number;
  stderr: string;
}

async function upload(env: Record<string, string> = {}): Promise<Run> {
  return await new Promise((done) => {
    const child = execFile(
      UPLOAD,
      {
        env: {
          ...process.env,
          TICKHUB_STACK: "oci",
          TICKHUB_DATA: join(root, "volume"),
          TEST_BUCKET: join(root, "bucket"),
          TICKHUB_OCI: BUCKET,
          ...env,
        },
      },
      (_error, _stdout, stderr) => done({ code: child.exitCode ?? -1, stderr }),
    );
  });
}

const status = async () =>
  JSON.parse(await readFile(join(root, "volume", "backup", "status.json"), "utf8")) as Status;
const spool = () => readdir(join(root, "volume", "wal-spool"));
async function bucket(): Promise<string[]> {
  const entries = await readdir(join(root, "bucket"), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + "/bucket/".length))
    .sort();
}

/** A store that does as `body` says before it does its work; $1 is what it is asked for. */
async function storeThat(body: string): Promise<string> {
  const file = join(root, "store");
  await writeFile(file, `#!/usr/bin/env bash\n${body}\nexec ${BUCKET} "$@"\n`);
  await chmod(file, 0o755);
  return file;
}

describe("the upload of WAL", () => {
  it("takes whole segments in order, leaves what is being written, and says where it stands", async () => {
    await segment("000000010000000000000002");
    await segment("000000010000000000000001");
    await writeFile(join(root, "volume", "wal-spool", "archtemp.0000.17.9"), "half");
    expect(await upload()).toEqual({ code: 0, stderr: "" });
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    expect(await bucket()).toEqual(
      ["000000010000000000000001", "000000010000000000000002"].map(
        (name) => `wal/oci/${SYSTEM}/${day}/${name}.zst`,
      ),
    );
    expect(await spool()).toEqual(["archtemp.0000.17.9"]);
    expect(await status()).toMatchObject({
      failure: "",
      lastSegment: "000000010000000000000002",
      spoolFiles: 0,
    });
    expect((await status()).bucketBytes).toBeGreaterThan(0);
  });

  it("keeps a segment that the bucket did not take, says so, and sends it at the next run", async () => {
    await segment("000000010000000000000001");
    const store = await storeThat('[[ $1 != object-put ]] || { echo "503" >&2; exit 1; }');
    const { code, stderr } = await upload({ TICKHUB_OCI: store });
    expect(code).toBe(1);
    expect(stderr).toContain("000000010000000000000001 was not uploaded");
    expect(await spool()).toEqual(["000000010000000000000001"]);
    expect(await status()).toMatchObject({
      failure: "000000010000000000000001 was not uploaded",
      spoolFiles: 1,
      spoolBytes: 65_536,
    });
    expect((await status()).oldestSpoolAt).not.toBeNull();
    expect(await upload()).toMatchObject({ code: 0 });
    expect(await spool()).toEqual([]);
    expect(await status()).toMatchObject({ failure: "" });
  });

  it("goes on after a kill at any of its steps, with each segment once in the bucket", async () => {
    for (const asked of ["object-put", "object-list", "object-delete"]) {
      await rm(join(root, "volume", "backup"), { recursive: true, force: true });
      await segment("000000010000000000000007");
      const store = await storeThat(`[[ $1 != ${asked} ]] || { kill -9 $PPID; exit 1; }`);
      await mkdir(join(root, "bucket", "wal", "oci", "1", "20200101"), { recursive: true });
      await writeFile(join(root, "bucket", "wal", "oci", "1", "20200101", "old.zst"), "x");
      await upload({ TICKHUB_OCI: store });
      expect((await upload()).code).toBe(0);
      expect(await spool()).toEqual([]);
      expect(await bucket()).toHaveLength(1);
    }
  });

  it("lets go of days older than it keeps, by the day in the key", async () => {
    const day = (ago: number) =>
      new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10).replaceAll("-", "");
    for (const ago of [9, 10, 11, 30]) {
      const folder = join(root, "bucket", "wal", "oci", "1", day(ago));
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "000000010000000000000001.zst"), "x");
    }
    await mkdir(join(root, "bucket", "wal", "staging", "1", day(30)), { recursive: true });
    await writeFile(join(root, "bucket", "wal", "staging", "1", day(30), "other.zst"), "x");
    expect((await upload()).code).toBe(0);
    expect(await bucket()).toEqual([
      `wal/oci/1/${day(10)}/000000010000000000000001.zst`,
      `wal/oci/1/${day(9)}/000000010000000000000001.zst`,
      `wal/staging/1/${day(30)}/other.zst`,
    ]);
  });

  it("asks the bucket for nothing while there is nothing to send", async () => {
    await upload();
    const asked = await storeThat('echo "$1" >>"$TEST_BUCKET/../asked"');
    await upload({ TICKHUB_OCI: asked });
    expect(await readFile(join(root, "asked"), "utf8").catch(() => "")).toBe("");
    await segment("000000010000000000000001");
    await upload({ TICKHUB_OCI: asked });
    expect(await readFile(join(root, "asked"), "utf8")).toBe("object-put\n");
    expect((await status()).bucketBytes).toBeGreaterThan(0);
  });

  it("keeps clusters apart that a new volume or a restore made", async () => {
    await segment("000000010000000000000001");
    await upload();
    await segment("000000010000000000000001", 42n);
    await upload();
    expect((await bucket()).map((key) => key.split("/")[2])).toEqual(["42", String(SYSTEM)]);
  });

  it("refuses to work where the volume is not mounted", async () => {
    await rm(join(root, "volume", "wal-spool"), { recursive: true });
    const { code, stderr } = await upload();
    expect(code).toBe(1);
    expect(stderr).toContain("is the volume mounted?");
  });
});
