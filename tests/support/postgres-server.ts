// Vitest's global setup: one PostgreSQL for the whole run, in a temporary folder, without fsync.
// TICKHUB_TEST_DATABASE_URL names another server to use instead.
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { systemClock } from "../../app/shared/clock.ts";
import { startEmbedded } from "../../app/store/embedded.ts";

/** In the server's folder: a test failed and its database has to be kept. */
export const KEPT_MARK = "kept";

declare module "vitest" {
  interface ProvidedContext {
    /** Of a superuser, on the server's first database. */
    postgresUrl: string;
    /** Where tests may leave a mark that a database has to be kept; empty on a server of your own. */
    postgresDirectory: string;
  }
}

let end = () => Promise.resolve();

export async function setup(project: TestProject): Promise<void> {
  const given = process.env["TICKHUB_TEST_DATABASE_URL"];
  if (given) {
    project.provide("postgresUrl", given);
    project.provide("postgresDirectory", "");
    return;
  }
  const directory = await mkdtemp(join(tmpdir(), "tickhub-test-"));
  await chmod(directory, 0o755); // PostgreSQL runs as another user when we are root.
  const server = await startEmbedded({
    directory,
    clock: systemClock,
    settings: { fsync: "off", full_page_writes: "off", shared_buffers: "128MB" },
  });
  project.provide("postgresUrl", server.url);
  project.provide("postgresDirectory", directory);
  end = async () => {
    await server.stop();
    if (existsSync(join(directory, KEPT_MARK))) {
      console.error(`Databases of failed tests are kept in ${directory}.`);
    } else {
      await rm(directory, { recursive: true, force: true });
    }
  };
}

export async function teardown(): Promise<void> {
  await end();
}
