// Base images: pinned in one file, and the same everywhere.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const bases = JSON.parse(read("images/bases.json")) as Record<string, string>;

describe("base images", () => {
  it("are pinned to an exact version", () => {
    for (const [name, image] of Object.entries(bases)) {
      expect(image, name).toMatch(/^[a-z/]+:v?\d+\.\d+\.\d+[a-z0-9-]*(@sha256:[0-9a-f]{64})?$/);
    }
  });

  it.each(["hub", "edge"])("of the %s are those of images/bases.json", (which) => {
    const dockerfile = read(`images/${which}/Dockerfile`);
    const pinned = [...dockerfile.matchAll(/^ARG (BASE_\w+)=(\S+)$/gm)].filter(
      ([, , image]) => !image!.startsWith("$"),
    );
    expect(pinned.length).toBeGreaterThan(0);
    for (const [, name, image] of pinned) expect(image).toBe(bases[name!]);
  });

  it("bring the node that this project is run with", () => {
    const { dependencies } = JSON.parse(read("package.json")) as {
      dependencies: Record<string, string>;
    };
    expect(bases["BASE_NODE"]).toContain(`node:${dependencies["node"]}-`);
  });
});
