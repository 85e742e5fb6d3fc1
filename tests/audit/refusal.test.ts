// What every vendor can answer in place of an answer, and what each section makes of it: the code, what it means, and
// the next step; a list that broke is never counted by halves.
import { createPrivateKey } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { GoogleClient } from "../../app/audit/google/client.ts";
import { googleLogin } from "../../app/audit/google/login.ts";
import { auditGoogle } from "../../app/audit/google/verdict.ts";
import type { Report } from "../../app/audit/meter.ts";
import { monthOf } from "../../app/audit/month.ts";
import { auditNorthflank } from "../../app/audit/northflank/verdict.ts";
import { OciClient } from "../../app/audit/oci/client.ts";
import { auditOci } from "../../app/audit/oci/verdict.ts";
import { auditTailnet } from "../../app/audit/tailscale/verdict.ts";
import { systemClock } from "../../app/shared/clock.ts";
import {
  ACCESS,
  BILLING,
  DISKS,
  GOOGLE_PRODUCTION,
  googleServer,
  PROJECT,
} from "./support/google.ts";
import {
  NF_TOKEN,
  NORTHFLANK_PRODUCTION,
  northflankServer,
  SERVICES,
} from "./support/northflank.ts";
import {
  FINGERPRINT,
  OCI_PRODUCTION,
  ociServer,
  PRIVATE_KEY,
  REGIONS,
  TENANCY,
  USER,
} from "./support/oci.ts";
import { CUT, reply, SILENCE } from "./support/server.ts";
import type { Replies, Vendor } from "./support/server.ts";
import { ACL, DEVICES, TAILNET_REPLIES, tailnetServer, TOKEN } from "./support/tailscale.ts";

const month = monthOf(Date.parse("2026-11-16T00:00:00Z"));
/** How long a server is listened to that says nothing at all. */
const SILENT_MS = 2_000;

let server: Vendor | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

interface Section {
  name: string;
  /** The first question of the section, and a list in the middle of it. */
  first: string;
  list: string;
  audit: (replies: Replies, answerMs?: number) => Promise<Report>;
}

const SECTIONS: Section[] = [
  {
    name: "OCI",
    first: REGIONS,
    list: "/20160918/instances",
    async audit(replies, answerMs) {
      server = await ociServer({ ...OCI_PRODUCTION, ...replies });
      const credentials = {
        tenancyId: TENANCY,
        region: "ap-seoul-1",
        keyId: `${TENANCY}/${USER}/${FINGERPRINT}`,
        key: createPrivateKey(PRIVATE_KEY),
        from: "a test",
      };
      const options = { base: server.url, answerMs };
      return await auditOci(new OciClient(credentials, systemClock, options), credentials, month);
    },
  },
  {
    name: "GCP",
    first: BILLING,
    list: DISKS,
    async audit(replies, answerMs) {
      server = await googleServer({ ...GOOGLE_PRODUCTION, ...replies });
      const base = `${server.url}/{service}`;
      const client = new GoogleClient(await googleLogin(ACCESS, base), {
        base,
        answerMs,
      });
      return await auditGoogle(client, PROJECT, month);
    },
  },
  {
    name: "Northflank",
    first: "/v1/projects/tickhub",
    list: SERVICES,
    async audit(replies, answerMs) {
      server = await northflankServer({ ...NORTHFLANK_PRODUCTION, ...replies });
      const account = { token: NF_TOKEN, project: "tickhub", base: server.url };
      return await auditNorthflank({ ...account, answerMs }, month);
    },
  },
  {
    name: "Tailscale",
    first: ACL,
    list: DEVICES,
    async audit(replies, answerMs) {
      server = await tailnetServer({ ...TAILNET_REPLIES, ...replies });
      const clock = { ...systemClock, nowMs: () => month.nowMs };
      const question = { token: TOKEN, base: server.url, clock, socketPath: "/nowhere/socket" };
      return await auditTailnet({ ...question, answerMs }, month);
    },
  },
];

const HTML = reply(200, "<html>sign in to the hotel</html>");
/** What comes, what the finding says of it, what to do; and whether the rest may pass without it. */
const FAULTS: [what: string, fault: object, says: RegExp, next: RegExp, passes: boolean][] = [
  [
    "401",
    reply(401, { message: "expired" }),
    /answered 401: expired \(the credentials are not accepted\)/,
    /./,
    true,
  ],
  [
    "403",
    reply(403, { message: "no" }),
    /answered 403: no \(.*lack the right/,
    /docs\/audit\.md/,
    true,
  ],
  [
    "404",
    reply(404, { message: "no" }),
    /answered 404: no \(there is no such thing/,
    /docs\/audit\.md/,
    true,
  ],
  [
    "429",
    reply(429, { message: "slow" }, { "retry-after": "17" }),
    /answered 429: slow \(too many/,
    /Wait 17 s/,
    false,
  ],
  [
    "500",
    reply(500, { message: "oops" }),
    /answered 500: oops \(a fault of the vendor's own/,
    /tells of outages/,
    false,
  ],
  ["503 without JSON", reply(503, "down"), /answered 503: down/, /tells of outages/, false],
  [
    "half an answer",
    CUT,
    /stopped in the middle of its answer \(what came of it is not used/,
    /Run it again/,
    false,
  ],
  ["no answer", SILENCE, /did not answer within 2 s/, /way to the internet/, false],
  ["a page of a proxy", HTML, /something other than JSON/, /Sign in to the network/, false],
];

const patience = (fault: object) => (fault === SILENCE ? SILENT_MS : undefined);

describe.each(SECTIONS)("the section $name", ({ name, first, list, audit }) => {
  it.each(FAULTS)(
    "that meets %s at its first question says so, and what to do",
    async (_, fault, says, next) => {
      const { findings, rows } = await audit({ [first]: fault }, patience(fault));
      const finding = findings.find((each) => says.test(each.found));
      expect(finding, JSON.stringify(findings)).toMatchObject({
        section: name,
        level: finding?.check === "unanswered" ? "note" : "fail",
        next: expect.stringMatching(next) as string,
      });
      // Google's billing may be hidden while the machines are not.
      if (name !== "GCP") expect(rows).toEqual([]);
    },
  );

  it.each(FAULTS)(
    "that meets %s at a list counts nothing of it, and passes only where a right lacks",
    async (...row) => {
      const [, fault, says, next, passes] = row;
      const { findings } = await audit({ [list]: fault }, patience(fault));
      const broken = findings.filter(({ check }) => check === "unanswered");
      expect(broken).toMatchObject([
        {
          section: name,
          level: passes ? "note" : "fail",
          found: expect.stringMatching(says) as string,
        },
      ]);
      expect(broken[0]!.next).toMatch(next);
    },
  );
});

describe("an answer", () => {
  it("of more than 8 MiB is not read to its end", async () => {
    const [oci] = SECTIONS;
    const { findings } = await oci!.audit({
      [oci!.first]: { filler: "x".repeat(9 * 1024 * 1024) },
    });
    expect(findings[0]).toMatchObject({ check: "sign-in" });
    expect(findings[0]!.found).toContain("more than 8 MiB");
  });
});
