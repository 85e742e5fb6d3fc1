// `npm run infra:check` as it is typed: exit codes, and plans from `pulumi preview --json`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tickhub-check-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function check(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["scripts/infra-check.ts", ...args],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

/** A preview as Pulumi writes it, of one A1 instance. */
function previewOf(ocpus: unknown): string {
  const path = join(folder, "preview.json");
  const type = "oci:Core/instance:Instance";
  const urn = `urn:pulumi:oci-staging::tickhub::tickhub:hub:HubVm$${type}::vm-instance`;
  const inputs = { shape: "VM.Standard.A1.Flex", shapeConfig: { ocpus, memoryInGbs: 12 } };
  const config = { "tickhub:role": "hub", "tickhub:staging": "true" };
  const steps = [
    { op: "create", urn, newState: { urn, type, inputs } },
    { op: "delete", urn: `${urn}-old`, oldState: { urn: `${urn}-old`, type, inputs } },
  ];
  writeFileSync(path, JSON.stringify({ config, steps, diagnostics: [] }));
  return path;
}

describe("npm run infra:check", () => {
  it("of what is committed ends in known 0.00, with the worst case of what is not confirmed", () => {
    const { status, stdout, stderr } = check();
    expect(stderr).toBe("");
    expect(stdout).toMatch(/\nok: known 0\.00 \+ unconfirmed <= \d+\.\d\d USD a month\n$/);
    expect(stdout).toMatch(/^OCI +A1\.Flex cores.* 2 of 2 OCPU/m);
    expect(stdout).toMatch(/^GCP +e2-micro.* 730 of 730 hours/m);
    expect(stdout).toMatch(/^Northflank +Services.* 2 of 2 services/m);
    expect(status).toBe(0);
  });

  it("exits with 1 at a preview of 4 OCPU, or of a number that is not known", () => {
    const four = check("--json", "--preview", previewOf(4));
    expect(four.status).toBe(1);
    expect(JSON.parse(four.stdout)).toMatchObject({
      knownUsd: 14.6,
      ok: false,
      refusals: [{ stack: "oci-staging", rule: "oci-shape" }],
    });
    expect(check("--preview", previewOf("3eeb2bf0-c639-47a8-9e75-3b44932eb421")).status).toBe(1);
    expect(check("--preview", previewOf(2)).status).toBe(0);
  });

  it("exits with 2 when there is no plan to look at", () => {
    const absent = check("no-such-stack");
    expect(absent.status).toBe(2);
    expect(absent.stderr).toContain("Pulumi.no-such-stack.yaml");
    const path = join(folder, "notes.json");
    writeFileSync(path, "{}");
    expect(check("--preview", path)).toMatchObject({ status: 2, stdout: "" });
  });
});
