// `tickhub audit` as a user runs it, against all four vendors on loopback: a table or JSON that ends in the month's sum,
// an exit code that says what was looked at, and a row of evidence where a database is at hand.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latestEvidence } from "../../app/store/evidence.ts";
import {
  GOOGLE_PRODUCTION,
  googleServer,
  INSTANCES,
  PROJECT,
  series,
  SERIES,
} from "../audit/support/google.ts";
import { NF_TOKEN, NORTHFLANK_PRODUCTION, northflankServer } from "../audit/support/northflank.ts";
import {
  FINGERPRINT,
  metrics,
  METRICS,
  OCI_PRODUCTION,
  ociServer,
  PRIVATE_KEY,
  TENANCY,
  USER,
} from "../audit/support/oci.ts";
import type { Replies, Vendor } from "../audit/support/server.ts";
import {
  ACL,
  OPEN_POLICY,
  OUR_POLICY,
  TAILNET_REPLIES,
  tailnetServer,
  TOKEN,
} from "../audit/support/tailscale.ts";
import { tickhub } from "../support/cli.ts";
import { createDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

/** The clock is the machine's own, so what counts since the month's start is little enough for its first day. */
const LITTLE = {
  CpuUtilization: 9,
  MemoryUtilization: 41,
  AllRequests: 10,
  VnicToNetworkBytes: 1e9,
};

let home = "";
let database: TestDatabase;
const vendors: Record<"oci" | "google" | "northflank" | "tailnet", Vendor> = {} as never;
const google: Replies = { ...GOOGLE_PRODUCTION, [SERIES]: series(1e6, 1) };
const tailnet: Replies = { ...TAILNET_REPLIES };

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "tickhub-audit-"));
  vendors.oci = await ociServer({ ...OCI_PRODUCTION, [METRICS]: metrics(LITTLE) });
  vendors.google = await googleServer(google);
  vendors.northflank = await northflankServer(NORTHFLANK_PRODUCTION);
  vendors.tailnet = await tailnetServer(tailnet);
  database = await createDatabase({ migrated: true });
  const login = {
    type: "authorized_user",
    client_id: "1.apps.googleusercontent.com",
    client_secret: "public",
    refresh_token: "1//refresh",
  };
  writeFileSync(join(home, "google.json"), JSON.stringify(login));
  writeFileSync(join(home, "policy.hujson"), `// ours\n${JSON.stringify(OUR_POLICY)}`);
});
afterAll(async () => {
  rmSync(home, { recursive: true });
  await Promise.all(Object.values(vendors).map((each) => each.close()));
  await database.drop();
});

/** Nobody's credentials but those that a test adds. */
const nobody = () => ({
  HOME: home,
  OCI_TENANCY_OCID: "",
  OCI_CONFIG_FILE: "",
  TAILSCALE_API_KEY: "",
  GOOGLE_CLOUD_PROJECT: "",
  GOOGLE_APPLICATION_CREDENTIALS: "",
  NORTHFLANK_API_TOKEN: "",
  METADATA_SERVER_DETECTION: "none",
});
const withOci = () => ({
  OCI_TENANCY_OCID: TENANCY,
  OCI_USER_OCID: USER,
  OCI_FINGERPRINT: FINGERPRINT,
  OCI_REGION: "ap-seoul-1",
  OCI_PRIVATE_KEY: PRIVATE_KEY,
  OCI_API_URL: vendors.oci.url,
});
const withGoogle = () => ({
  GOOGLE_CLOUD_PROJECT: PROJECT,
  GOOGLE_APPLICATION_CREDENTIALS: join(home, "google.json"),
  GOOGLE_API_URL: `${vendors.google.url}/{service}`,
});
const withNorthflank = () => ({
  NORTHFLANK_API_TOKEN: NF_TOKEN,
  NORTHFLANK_API_URL: vendors.northflank.url,
});
const withTailnet = () => ({ TAILSCALE_API_KEY: TOKEN, TAILSCALE_API_URL: vendors.tailnet.url });
const everybody = () => ({
  ...nobody(),
  ...withOci(),
  ...withGoogle(),
  ...withNorthflank(),
  ...withTailnet(),
});
const policy = () => ["--policy", join(home, "policy.hujson")];
interface Json {
  ok: boolean;
  findings: { section: string; level: string; check: string }[];
  rows: { limit: string; knownUsd: number }[];
  bill: { ok: boolean; knownUsd: number; unconfirmedUsd: number; without: string[] };
}

describe("tickhub audit", () => {
  it("without credentials names each section it could not look at, and exits with 2", async () => {
    const { code, stdout } = await tickhub(["audit"], nobody());
    expect(code).toBe(2);
    for (const [section, why] of [
      ["OCI", "neither ~/.oci/config nor OCI_TENANCY_OCID"],
      ["GCP", "GOOGLE_CLOUD_PROJECT is not set"],
      ["Northflank", "NORTHFLANK_API_TOKEN is not set"],
      ["Tailscale", "TAILSCALE_API_KEY is not set"],
    ])
      expect(stdout).toMatch(
        new RegExp(`^skipped +${section} +credentials +not asked: ${why}\\n +next: `, "m"),
      );
    expect(stdout).toMatch(
      /\nnot in it, because not asked: OCI, GCP, Northflank, Tailscale\nok: known 0\.00 \+ unconfirmed <= 0\.00 USD a month\n$/,
    );
  });

  it("of a healthy production fails nowhere, knows of no cost, and exits with 0", async () => {
    const { code, stdout, stderr } = await tickhub(["audit", ...policy()], everybody());
    expect(stdout).not.toMatch(/^(fail|skipped)/m);
    // Reserved IP 3.65, requests 0.02; GCP's address 3.65; Northflank's plan 5.40, egress 11.04, logs 0.50;
    // ephemeral devices 2.00.
    expect(stdout).toMatch(/\nok: known 0\.00 \+ unconfirmed <= 26\.26 USD a month\n$/);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  it("prints one JSON object with findings, rows and the month's sum, and no secret", async () => {
    const { code, stdout, json } = await tickhub(["audit", "--json", ...policy()], everybody());
    expect(code).toBe(0);
    const { ok, findings, rows, bill } = json as unknown as Json;
    expect(ok).toBe(true);
    expect(new Set(findings.map(({ section }) => section))).toEqual(
      new Set(["OCI", "GCP", "Northflank", "Tailscale"]),
    );
    expect(rows.map(({ limit }) => limit)).toEqual(
      expect.arrayContaining([
        "ociA1Ocpus",
        "gcpEgressGb",
        "northflankServices",
        "tailscaleTagged",
      ]),
    );
    expect(rows.every(({ knownUsd }) => knownUsd === 0)).toBe(true);
    expect(bill).toMatchObject({ ok: true, knownUsd: 0, without: [] });
    for (const secret of [TOKEN, NF_TOKEN, "ya29.good", "1//refresh", "PRIVATE KEY"])
      expect(stdout).not.toContain(secret);
  });

  it("looks at one section alone when it is asked to", async () => {
    const asked = vendors.oci.asked.length;
    const { code, json } = await tickhub(
      ["audit", "--json", "--section", "northflank"],
      everybody(),
    );
    const { findings } = json as unknown as Json;
    expect(new Set(findings.map(({ section }) => section))).toEqual(new Set(["Northflank"]));
    expect(code).toBe(0);
    expect(vendors.oci.asked).toHaveLength(asked);
    const wrong = await tickhub(["audit", "--section", "aws"], nobody());
    expect(wrong.code).toBe(2);
  });

  it("exits with 2 when one section was looked at and the others were not", async () => {
    const { code, json } = await tickhub(["audit", "--json"], { ...nobody(), ...withOci() });
    expect(code).toBe(2);
    expect(json).toMatchObject({
      ok: false,
      bill: { without: ["GCP", "Northflank", "Tailscale"] },
    });
  });

  it("exits with 1 when something fails, with the next step below it", async () => {
    tailnet[ACL] = OPEN_POLICY;
    const { code, stdout } = await tickhub(["audit"], { ...nobody(), ...withTailnet() });
    tailnet[ACL] = OUR_POLICY;
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^fail +Tailscale +policy +everything may reach everything.*\n +next: Run `npm run tailnet:adopt`/m,
    );
  });

  it("says that the month is not free when something is known to bill", async () => {
    google[INSTANCES] = {
      items: {
        z: {
          instances: [
            { name: "vm", machineType: "e2-micro", zone: "asia-northeast3-a", status: "RUNNING" },
          ],
        },
      },
    };
    const { code, stdout } = await tickhub(["audit", "--section", "gcp"], everybody());
    google[INSTANCES] = GOOGLE_PRODUCTION[INSTANCES]!;
    expect(code).toBe(1);
    expect(stdout).toMatch(/\nnot free: known 6\.13 \+ unconfirmed <= 0\.00 USD a month\n$/);
  });

  it("takes credentials that cannot be used for a failure, not for none", async () => {
    const oci = await tickhub(["audit"], { ...nobody(), ...withOci(), OCI_FINGERPRINT: "" });
    expect(oci.code).toBe(1);
    expect(oci.stdout).toMatch(/^fail +OCI +credentials +the environment has no OCI_FINGERPRINT$/m);
    const absent = { GOOGLE_APPLICATION_CREDENTIALS: join(home, "absent.json") };
    const google = await tickhub(["audit"], { ...nobody(), ...withGoogle(), ...absent });
    expect(google.code).toBe(1);
    expect(google.stdout).toMatch(/^fail +GCP +credentials +.*absent\.json/m);
  });

  it("skips Google by name when nobody is signed in, and takes a token of gcloud's instead", async () => {
    const signedOut = { ...nobody(), ...withGoogle(), GOOGLE_APPLICATION_CREDENTIALS: "" };
    const out = await tickhub(["audit", "--section", "gcp"], signedOut);
    expect(out.code).toBe(2);
    expect(out.stdout).toMatch(/^skipped +GCP +credentials +not asked: .*\n +next: Sign in: /m);
    const token = { GOOGLE_OAUTH_ACCESS_TOKEN: "ya29.good" };
    const signedIn = await tickhub(["audit", "--section", "gcp"], { ...signedOut, ...token });
    expect(signedIn.code).toBe(0);
  });

  it("exits with 2 at a policy file that is none", async () => {
    const path = join(home, "notes.txt");
    writeFileSync(path, "not a policy");
    const { code, stderr } = await tickhub(["audit", "--policy", path], nobody());
    expect(code).toBe(2);
    expect(stderr).toContain("is not a policy in JSON or HuJSON");
  });
});

describe("the evidence of an audit", () => {
  it("is a row a section that was asked, good or bad, where a database is at hand", async () => {
    const at = { TICKHUB_DATABASE_URL: database.url };
    await tickhub(["audit"], { ...nobody(), ...withOci(), ...withNorthflank(), ...at });
    const good = await latestEvidence(database.pool, "audit");
    expect([...good.keys()].toSorted()).toEqual(["Northflank", "OCI"]);
    expect(good.get("OCI")).toMatchObject({
      ok: true,
      summary: expect.stringMatching(
        /^0 to mend, \d+ to know, known 0\.00 \+ unconfirmed <= 3\.6/,
      ) as string,
      detail: { fails: 0, knownUsd: 0 },
    });
    await tickhub(["audit"], { ...nobody(), ...withOci(), OCI_FINGERPRINT: "00:00", ...at });
    const bad = await latestEvidence(database.pool, "audit");
    expect(bad.get("OCI")).toMatchObject({ ok: false });
  });

  it("that could not be left is said, without the password, and changes no exit code", async () => {
    const { code, stderr } = await tickhub(["audit", "--section", "northflank"], {
      ...everybody(),
      TICKHUB_DATABASE_URL: "postgres://hub:hunter2@127.0.0.1:1/tickhub",
    });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^tickhub: no evidence was left: .*ECONNREFUSED/);
    expect(stderr).not.toContain("hunter2");
  });

  it("is not left when every section was skipped", async () => {
    const before = await database.pool.query("select count(*)::int as n from public.evidence");
    await tickhub(["audit"], { ...nobody(), TICKHUB_DATABASE_URL: database.url });
    const after = await database.pool.query("select count(*)::int as n from public.evidence");
    expect(after.rows).toEqual(before.rows);
  });
});
