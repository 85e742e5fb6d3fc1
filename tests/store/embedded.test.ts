import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { startEmbedded } from "../../app/store/embedded.ts";

const settings = { shared_buffers: "16MB" };
const start = (directory: string) => startEmbedded({ directory, clock: systemClock, settings });

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ answer: unknown }>(sql);
    return rows[0]?.answer;
  } finally {
    await client.end();
  }
}

/** Another process that starts the server, prints its URL and then only lives. */
async function startInAnotherProcess(directory: string) {
  const script = `
    import { startEmbedded } from ${JSON.stringify(join(process.cwd(), "app/store/embedded.ts"))};
    import { systemClock } from ${JSON.stringify(join(process.cwd(), "app/shared/clock.ts"))};
    const options = ${JSON.stringify({ directory, settings })};
    console.log((await startEmbedded({ ...options, clock: systemClock })).url);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: line.toString().trim() };
}

describe("the embedded database", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "tickhub-embedded-"));
    await chmod(directory, 0o755);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("starts again although a child of a killed server lives on", async () => {
    const first = await start(directory);
    const client = new pg.Client({ connectionString: first.url });
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    // As one that waits for a lock of a process that is gone.
    process.kill(rows[0]!.pid, "SIGSTOP");
    const note = await readFile(join(first.dataDirectory, "postmaster.pid"), "utf8");
    process.kill(Number(note.split("\n")[0]), "SIGKILL");
    const second = await start(directory);
    expect(await ask(second.url, "select 1 as answer")).toBe(1);
    await client.end().catch(() => undefined);
    await second.stop();
  });

  it("keeps its data over a restart, with fsync on and on loopback only", async () => {
    const first = await start(directory);
    expect(await ask(first.url, "select current_setting('fsync') as answer")).toBe("on");
    expect(await ask(first.url, "select current_setting('listen_addresses') as answer")).toBe(
      "127.0.0.1",
    );
    await ask(first.url, "create table kept as select 42 as answer");
    await first.stop();
    const second = await start(directory);
    expect(await ask(second.url, "select answer from kept")).toBe(42);
    await second.stop();
    await expect(ask(second.url, "select 1 as answer")).rejects.toThrow("ECONNREFUSED");
  });

  it("keeps its password in a file that only its owner reads", async () => {
    expect((await stat(join(directory, "password"))).mode & 0o777).toBe(0o600);
  });

  it("is found again after its process was killed, and stops with its last user only", async () => {
    const { child, url } = await startInAnotherProcess(directory);
    child.kill("SIGKILL");
    await once(child, "exit");
    const found = await start(directory);
    expect(found.url).toBe(url);
    const beside = await start(directory);
    await found.stop();
    expect(await ask(beside.url, "select 1 as answer")).toBe(1);
    await beside.stop();
    await expect(ask(url, "select 1 as answer")).rejects.toThrow("ECONNREFUSED");
  });

  it("recovers what was committed when the server itself is killed", async () => {
    const first = await start(directory);
    await ask(first.url, "create table survivor as select 7 as answer");
    const postmaster = await ask(
      first.url,
      "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as answer",
    );
    process.kill(postmaster as number, "SIGKILL");
    const second = await start(directory);
    expect(await ask(second.url, "select answer from survivor")).toBe(7);
    await second.stop();
    await first.stop();
  });

  it("ignores a note of a crashed server whose pid now belongs to another program", async () => {
    const place = (await start(directory).then(async (s) => (await s.stop(), s))).dataDirectory;
    await writeFile(join(place, "postmaster.pid"), `${process.pid}\n${place}\n0\n5432\n\n\n\n`);
    const server = await start(directory);
    expect(await ask(server.url, "select 1 as answer")).toBe(1);
    await server.stop();
  });

  it("refuses a folder it cannot use with DATABASE_DIRECTORY", async () => {
    const file = join(directory, "a-file");
    await writeFile(file, "");
    await expect(start(join(file, "below"))).rejects.toMatchObject({ code: "DATABASE_DIRECTORY" });
  });

  it.skipIf(process.getuid?.() !== 0)(
    "works for root in a folder that nobody else may enter",
    async () => {
      const closed = await mkdtemp(join(tmpdir(), "tickhub-closed-")); // mkdtemp makes it 0700
      const below = join(closed, "clone");
      const server = await start(below);
      expect(server.dataDirectory.startsWith(closed)).toBe(false);
      await ask(server.url, "create table kept as select 1 as answer");
      await server.stop();
      const again = await start(below);
      expect(await ask(again.url, "select answer from kept")).toBe(1);
      await again.stop();
      await rm(join(again.dataDirectory, ".."), { recursive: true });
      await rm(closed, { recursive: true });
    },
  );
});
