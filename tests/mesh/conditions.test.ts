// The gate in front of `npm run test:mesh`: nothing is made without a word, and what is missing is said.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { wayIn, whatIsMissing } from "./conditions.ts";

const whole = {
  platform: "linux",
  isRoot: true,
  hasTun: true,
  hasIp: true,
  go: "go version go1.26.8 linux/amd64",
};

describe("the mesh", () => {
  it("is built only where TICKHUB_CI=1 or --here says so", () => {
    expect(wayIn([], {})).toMatch(/--here, or TICKHUB_CI=1/);
    expect(wayIn([], { TICKHUB_CI: "0" })).not.toBeNull();
    expect(wayIn([], { TICKHUB_CI: "1" })).toBeNull();
    expect(wayIn(["--here"], {})).toBeNull();
  });

  it("says why it is not built, and fails", () => {
    const { status, stderr } = spawnSync(process.execPath, ["tests/mesh/run.ts"], {
      env: { ...process.env, TICKHUB_CI: "" },
      encoding: "utf8",
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^mesh: this makes network namespaces .* --here/);
  });

  it("names everything that is missing at once", () => {
    expect(whatIsMissing(whole)).toEqual([]);
    const bare = { platform: "linux", isRoot: false, hasTun: false, hasIp: false, go: "" };
    expect(whatIsMissing(bare)).toEqual([
      expect.stringMatching(/need root/),
      expect.stringMatching(/\/dev\/net\/tun/),
      expect.stringMatching(/iproute2/),
      expect.stringMatching(/there is no Go/),
    ]);
    expect(whatIsMissing({ ...bare, platform: "darwin" })).toEqual([
      expect.stringMatching(/this is darwin/),
    ]);
  });

  it.each([
    ["go1.26.3", false],
    ["go1.25", false],
    ["go1.26", false],
    ["go1.26.4", true],
    ["go1.27", true],
    ["go2.0.1", true],
  ])("takes %s: %s", (version, isEnough) => {
    expect(whatIsMissing({ ...whole, go: `go version ${version} linux/amd64` })).toHaveLength(
      isEnough ? 0 : 1,
    );
  });
});
