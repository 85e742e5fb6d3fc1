// `tickhub token`: what it prints is what edge and hub take.
import { describe, expect, it } from "vitest";
import { Admission } from "../../app/hub/ingest/admission.ts";
import { readSettings } from "../../app/shared/config.ts";
import { tickhub } from "../support/cli.ts";

describe("tickhub token", () => {
  it("prints a token that the hub accepts by the hash beside it", async () => {
    const { code, json } = await tickhub(["token", "seoul-kis", "--json"]);
    expect(code).toBe(0);
    const { edge, token, hash } = json as Record<string, string>;
    expect(edge).toBe("seoul-kis");
    expect(Buffer.from(token!, "base64url")).toHaveLength(32);
    expect(hash).toMatch(/^sha256:[0-9a-f]{64}$/);
    const hub = readSettings({ TICKHUB_EDGE_TOKENS: `seoul-kis=${hash}` });
    const admission = new Admission(hub.TICKHUB_EDGE_TOKENS!);
    expect(admission.admits("seoul-kis", `Bearer ${token}`)).toBe(true);
    expect(admission.admits("seoul-kis", `Bearer ${token}x`)).toBe(false);
    expect(readSettings({ TICKHUB_EDGE_TOKEN: token }).TICKHUB_EDGE_TOKEN).toBe(token);
  });

  it("says for people which setting goes where, and gives another token each time", async () => {
    const [one, two] = [await tickhub(["token", "e1"]), await tickhub(["token", "e1"])];
    expect(one.stdout).toMatch(/^At the edge: .*TICKHUB_EDGE_TOKEN=[\w-]{43}$/m);
    expect(one.stdout).toMatch(/^At the hub: .*TICKHUB_EDGE_TOKENS=e1=sha256:[0-9a-f]{64}$/m);
    expect(two.stdout).not.toBe(one.stdout);
  });

  it("refuses a name that no edge can have", async () => {
    const result = await tickhub(["token", "Seoul,KIS", "--json"]);
    expect(result.json).toMatchObject({ ok: false, code: "USAGE" });
    expect(result.code).toBe(2);
  });
});
