// The tables in code and their pages in docs/ say the same: errors, events, settings, reject codes.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTINGS } from "../../app/shared/config.ts";
import { ERRORS } from "../../app/shared/errors.ts";
import { EVENTS } from "../../app/shared/events.ts";

const page = (name: string) => readFileSync(join("docs", name), "utf8");
const headings = (text: string) =>
  [...text.matchAll(/^### `?([A-Za-z0-9_]+)`?$/gm)].map((match) => match[1]!);

function sources(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
}

/** The union in tick.ts, read as text: types are gone at run time. */
function rejectCodes(): string[] {
  const union = /export type RejectCode =([^;]+);/.exec(
    readFileSync("app/shared/tick.ts", "utf8"),
  )![1]!;
  return [...union.matchAll(/"([A-Z0-9_]+)"/g)].map((match) => match[1]!);
}

describe("vocabulary", () => {
  it("every error and reject code has a heading in docs/errors.md, and no heading is left over", () => {
    const codes = [...new Set([...Object.keys(ERRORS), ...rejectCodes()])].sort();
    expect(headings(page("errors.md")).sort()).toEqual(codes);
  });

  it("every event has a heading in docs/events.md, and no heading is left over", () => {
    expect(headings(page("events.md")).sort()).toEqual(Object.keys(EVENTS).sort());
  });

  it("every setting has a heading in docs/configuration.md, and no heading is left over", () => {
    expect(headings(page("configuration.md")).sort()).toEqual(Object.keys(SETTINGS).sort());
  });

  it("every error code is used somewhere", () => {
    const text = [sources("app"), sources("infra")]
      .join("\n")
      .replace(/export const ERRORS = \{[\s\S]+?\} as const/, "");
    expect(Object.keys(ERRORS).filter((code) => !text.includes(`"${code}"`))).toEqual([]);
  });

  it("every event is told somewhere", () => {
    const text = sources("app");
    expect(Object.keys(EVENTS).filter((name) => !text.includes(`event: "${name}"`))).toEqual([]);
  });

  it("every error says what to do next, in a sentence", () => {
    for (const [code, { hint }] of Object.entries(ERRORS))
      expect(hint, code).toMatch(/^[A-Z].{10,}\.$|\?$/);
  });
});
