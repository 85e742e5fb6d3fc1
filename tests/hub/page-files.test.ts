// A hub whose page was not built.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastify from "fastify";
import { expect, test } from "vitest";
import { addPage } from "../../app/hub/web/page-files.ts";

test("a page that is not built says how to build it, and nothing else is missing", async () => {
  const app = fastify();
  addPage(app, mkdtempSync(join(tmpdir(), "tickhub-unbuilt-")));
  app.get("/status", () => ({ ok: true }));
  const answer = await app.inject("/");
  expect(answer.statusCode).toBe(503);
  expect(answer.headers["content-type"]).toContain("text/plain");
  expect(answer.body).toContain("node scripts/page.mjs");
  expect((await app.inject("/status")).json()).toEqual({ ok: true });
  await app.close();
});
