import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readSettings, required } from "../../app/shared/config.ts";
import { codeOf, TickhubError } from "../../app/shared/errors.ts";

function failure(run: () => unknown): TickhubError {
  try {
    run();
  } catch (error) {
    if (error instanceof TickhubError) return error;
  }
  throw new Error("nothing was thrown");
}

describe("settings", () => {
  it("an empty environment gives every default", () => {
    const settings = readSettings({});
    expect(settings.TICKHUB_PORT).toBe(8610);
    expect(settings.TICKHUB_SYMBOLS).toEqual([]);
    expect(settings.TICKHUB_DATABASE_URL).toBeUndefined();
  });

  it("an unknown TICKHUB_ name is refused with the nearest known one", () => {
    const error = failure(() => readSettings({ TICKHUB_DATABSE_URL: "postgres://x/y" }));
    expect(error.code).toBe("CONFIG_UNKNOWN");
    expect(error.context).toEqual({ name: "TICKHUB_DATABSE_URL", nearest: "TICKHUB_DATABASE_URL" });
  });

  it("names of other programs are none of our business", () => {
    expect(() => readSettings({ PATH: "/bin", KIS_SOMETHING: "1" })).not.toThrow();
  });

  it("a value of the wrong form names the setting, the value and the form", () => {
    const error = failure(() => readSettings({ TICKHUB_HUB_URL: "http://hub:8610" }));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("TICKHUB_HUB_URL");
    expect(error.message).toContain("ws://");
  });

  it("a secret's value is never in the message", () => {
    const error = failure(() => readSettings({ TICKHUB_EDGE_TOKEN: "hunter2" }));
    expect(JSON.stringify([error.message, error.context])).not.toContain("hunter2");
  });

  it("lists and pairs are split and trimmed", () => {
    const settings = readSettings({
      TICKHUB_SYMBOLS: "005930, 000660,",
      TICKHUB_EDGE_TAGS: "a=tag:edge-a, b=tag:edge-b|tag:edge",
    });
    expect(settings.TICKHUB_SYMBOLS).toEqual(["005930", "000660"]);
    expect([...settings.TICKHUB_EDGE_TAGS!]).toEqual([
      ["a", ["tag:edge-a"]],
      ["b", ["tag:edge-b", "tag:edge"]],
    ]);
    for (const text of ["a", "a=", "a=edge", "a=tag:x|", "=tag:x"]) {
      const error = failure(() => readSettings({ TICKHUB_EDGE_TAGS: text }));
      expect(codeOf(error), text).toBe("CONFIG_INVALID");
    }
  });

  it("an edge's token is a hash as soon as it is read, also one that holds an equals sign", () => {
    const token = "padded==";
    const hash = `sha256:${createHash("sha256").update(token).digest("hex")}`;
    const { TICKHUB_EDGE_TOKENS: edges } = readSettings({
      TICKHUB_EDGE_TOKENS: `plain=${token},hashed=${hash},loud=${hash.toUpperCase().replace("SHA", "sha")}`,
    });
    expect([...edges!]).toEqual([
      ["plain", hash],
      ["hashed", hash],
      ["loud", hash],
    ]);
  });

  it("what begins like a hash and is none is refused, and not shown", () => {
    for (const text of ["a", "a=", "a=sha256:", "a=sha256:abc123", `a=sha256:${"g".repeat(64)}`]) {
      const error = failure(() => readSettings({ TICKHUB_EDGE_TOKENS: text }));
      expect(error.context, text).toMatchObject({ name: "TICKHUB_EDGE_TOKENS" });
      expect(error.message).not.toContain("abc123");
    }
  });

  it("an empty value is a default, not a value", () => {
    expect(readSettings({ TICKHUB_PORT: "" }).TICKHUB_PORT).toBe(8610);
  });

  it("a setting that a command needs is asked for by name", () => {
    const error = failure(() => required(readSettings({}), "KIS_APP_KEY"));
    expect(error.code).toBe("CONFIG_MISSING");
    expect(error.context.name).toBe("KIS_APP_KEY");
  });
});
