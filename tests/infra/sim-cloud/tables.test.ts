// The simulated clouds' tables are what the installed packages say, and what they say of a change.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { change, failures } from "./rules.ts";
import { readTable } from "./table.ts";

const oci = readTable("oci").resources;

test("the tables are what the installed packages' declarations say", () => {
  const extract = join(import.meta.dirname, "extract.ts");
  expect(execFileSync(process.execPath, [extract, "--check"], { encoding: "utf8" })).toContain(
    `oci ${readTable("oci").version}`,
  );
});

test("another user_data replaces a machine, another image or more memory does not", () => {
  const table = oci["oci:Core/instance:Instance"]!;
  const before = {
    metadata: { user_data: "a", other: "a" },
    sourceDetails: { sourceId: "a" },
    shapeConfig: { memoryInGbs: 6 },
  };
  const replaces = (changed: object) => change(table, before, { ...before, ...changed }).replaces;
  expect(replaces({ metadata: { user_data: "b", other: "a" } })).toEqual(["metadata"]);
  expect(replaces({ metadata: { user_data: "a", other: "b" } })).toEqual([]);
  expect(replaces({ sourceDetails: { sourceId: "b" } })).toEqual([]);
  expect(replaces({ shapeConfig: { memoryInGbs: 12 } })).toEqual([]);
});

test("a missing, an unknown and an unfitting input are told apart, nested ones too", () => {
  const table = oci["oci:Core/volume:Volume"]!;
  const inputs = { compartmentId: "c", sizeInGb: "50", sizeInGbs: ["50"], autotunePolicies: [{}] };
  expect(failures(table, inputs).map(({ property }) => property)).toEqual([
    "sizeInGb",
    "sizeInGbs",
    "autotunePolicies.autotuneType",
    "availabilityDomain",
  ]);
});
