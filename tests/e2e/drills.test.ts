// The drills as an operator runs them. What each one proves is written in app/cli/drills.ts.
import { describe, expect, it } from "vitest";
import { tickhub } from "../support/cli.ts";

describe.concurrent("tickhub drill", () => {
  it.each([
    // A minute of market while the hub is away.
    ["outage", ["--seconds", "60"]],
    ["crash", []],
    ["double-session", []],
    ["poison", []],
    ["half-open", []],
  ])("%s passes", { timeout: 300_000 }, async (name, options) => {
    const { code, json, stderr } = await tickhub(["drill", name, ...options, "--json"]);
    const failed = (json?.checks as { ok: boolean }[] | undefined)?.filter(({ ok }) => !ok);
    expect(failed, stderr).toEqual([]);
    expect(json).toMatchObject({ drill: name, pass: true });
    expect(code).toBe(0);
  });
});
