// The OCI section: whether this tenancy runs the hub for nothing, now and until the month's end. Judging is pure.
// What cannot be changed later (the home region) comes first.
import { HOURS_A_MONTH, LIMITS } from "../../shared/free-tier.ts";
import { OCI_SHAPES, OCI_USD } from "../../shared/bill.ts";
import { AskError } from "../ask.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import type { Reading, Report } from "../meter.ts";
import { figure, Ledger } from "../meter.ts";
import type { Month } from "../month.ts";
import type { Advice } from "../refusal.ts";
import { explained, unansweredFindings } from "../refusal.ts";
import { accountFinding, costFindings, guardFindings, regionFindings } from "./account.ts";
import type { OciClient } from "./client.ts";
import type { LimitKey, OciFacts } from "./facts.ts";
import { readOci } from "./facts.ts";
import { idleFindings } from "./idle.ts";

const { ok, note, fail } = sectionOf("OCI");

const ADVICE: Advice = {
  signIn:
    "Check user, fingerprint and key in the console (Profile > API keys), and this machine's clock.",
  // OCI answers 404 for what may not be seen.
  rights: "Give the user's group the read rights that docs/audit.md lists.",
  statusPage: "ocistatus.oraclecloud.com",
};

/** Asks a tenancy and judges the answers. A tenancy that refuses to talk is a finding, not an exception. */
export async function auditOci(
  client: OciClient,
  account: { tenancyId: string; region: string },
  month: Month,
): Promise<Report> {
  try {
    return judgeOci(await readOci(client, account, month), month);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const { found, next } = explained(error, ADVICE);
    return { section: "OCI", findings: [fail("sign-in", found, next)], rows: [], extras: [] };
  }
}

/** Pure: what the facts mean for a first `pulumi up`, and for the month's bill. */
export function judgeOci(facts: OciFacts, month: Month): Report {
  const ledger = new Ledger(month);
  ledger.say(...regionFindings(facts), accountFinding(facts));
  judgeCompute(facts, ledger);
  judgeStorage(facts, ledger);
  judgeOthers(facts, ledger);
  ledger.say(
    ...idleFindings(facts),
    ...costFindings(facts),
    ...guardFindings(facts),
    ...unansweredFindings("OCI", facts.unanswered, ADVICE),
  );
  const { findings, rows, extras } = ledger;
  const spentUsd = facts.costs
    ?.filter(({ currency }) => currency === "" || currency === "USD")
    .reduce((sum, { amount }) => sum + amount, 0);
  return { section: "OCI", findings, rows, extras, spentUsd };
}

const SMALLER =
  "Remove what is not tickhub's, or make it smaller: the rest bills, or is terminated.";

function judgeCompute({ limits, instances }: OciFacts, ledger: Ledger): void {
  const [a1, micro] = OCI_SHAPES;
  const of = (shape: string) => instances?.filter((instance) => instance.shape === shape);
  const sum = (value: "ocpus" | "memoryGb") =>
    of(a1)?.reduce((total, instance) => total + instance[value], 0);
  const hours = { usdEach: OCI_USD.ocpuHour * HOURS_A_MONTH };
  ledger.count(
    "A1 cores",
    reading("ociA1Ocpus", limits.a1Ocpus?.used, sum("ocpus"), hours),
    SMALLER,
  );
  ledger.count(
    "A1 memory",
    reading("ociA1MemoryGb", limits.a1MemoryGb?.used, sum("memoryGb"), {
      usdEach: OCI_USD.memoryGbHour * HOURS_A_MONTH,
    }),
    SMALLER,
  );
  ledger.count("E2.1.Micro", reading("ociMicros", limits.micros?.used, of(micro)?.length), SMALLER);
  ledger.say(...roomFindings(limits));
  for (const { name, shape } of instances?.filter(
    (each) => each.shape !== a1 && each.shape !== micro,
  ) ?? [])
    ledger.extra(
      "instances",
      "OCI",
      { what: `${name} is a ${shape}`, usd: undefined },
      "Terminate it: only VM.Standard.A1.Flex and VM.Standard.E2.1.Micro are free.",
    );
  if (instances === undefined) return;
  const names = instances.map(
    ({ name, shape, ocpus, memoryGb }) =>
      `${name} (${shape.replace(/^VM\.Standard\./, "")}, ${figure(ocpus)} OCPU, ${figure(memoryGb)} GB)`,
  );
  const strangers = instances.filter(({ name }) => !name.startsWith("tickhub"));
  const found = names.length === 0 ? "none yet" : names.join(", ");
  ledger.say(
    strangers.length === 0
      ? ok("instances", found)
      : note(
          "instances",
          found,
          `${strangers.map(({ name }) => name).join(", ")} takes from the same pool; fine as long as the sums above hold.`,
        ),
  );
}

/** A reading of two sources: the service limit's own count, and what the lists add up to. The larger one counts. */
function reading(
  limit: Reading["limit"],
  counted: number | undefined,
  listed: number | undefined,
  more: Partial<Reading> = {},
): Reading | undefined {
  if (counted === undefined && listed === undefined) return undefined;
  return { limit, used: Math.max(counted ?? 0, listed ?? 0), ...more };
}

/** What production takes has to be allowed by the service limit. */
function roomFindings(limits: OciFacts["limits"]): Finding[] {
  const needs: [check: string, key: LimitKey, needed: number, unit: string][] = [
    ["A1 cores", "a1Ocpus", LIMITS.ociA1Ocpus.limit, "OCPU"],
    ["A1 memory", "a1MemoryGb", LIMITS.ociA1MemoryGb.limit, "GB"],
    ["networks", "vcns", 1, "networks"],
  ];
  return needs.flatMap(([check, key, needed, unit]) => {
    const use = limits[key];
    if (use === undefined || use.used + use.available >= needed) return [];
    return [
      fail(
        check,
        `the service limit is ${use.used + use.available} ${unit}, production takes ${needed}`,
        "Ask for the limit in the console (Governance > Limits), or use an account whose home region has it.",
      ),
    ];
  });
}

const GIB = 1024 ** 3;
const GB = 1e9;

function judgeStorage(facts: OciFacts, ledger: Ledger): void {
  const { limits, volumes, backups, buckets } = facts;
  const gb = volumes?.reduce((sum, volume) => sum + volume.gb, 0);
  ledger.count(
    "block storage",
    reading("ociBlockGb", limits.blockGb?.used, gb, { usdEach: OCI_USD.blockGbMonth }),
    "Delete volumes that no machine uses (Block Storage > Boot Volumes, Block Volumes); detached ones count.",
  );
  for (const { name, vpus } of volumes ?? [])
    if (vpus !== undefined && vpus > 10)
      ledger.extra(
        "volume performance",
        "OCI",
        { what: `${name} has ${vpus} VPU per GB`, usd: undefined },
        "Set it to balanced (10); what is above bills by the GB.",
      );
  ledger.count(
    "backups",
    reading("ociBackups", limits.backups?.used, backups),
    "Delete the oldest (Block Storage > Backups), and look at the policy's retention.",
  );
  ledger.count(
    "networks",
    reading("ociVcns", limits.vcns?.used, undefined),
    "Delete the network that tickhub does not use.",
  );
  ledger.count(
    "Object Storage",
    buckets && {
      limit: "ociObjectGb",
      used: buckets.reduce((sum, { bytes }) => sum + bytes, 0) / GIB,
      usdEach: OCI_USD.objectGbMonth,
      note: `${buckets.length} ${buckets.length === 1 ? "bucket" : "buckets"}`,
    },
    "Shorten the archive (docs/backup.md), or delete what is not tickhub's.",
  );
  for (const { name } of buckets?.filter(({ isPublic }) => isPublic) ?? [])
    ledger.say(
      fail("bucket", `${name} is public`, "Make it private: it holds what the database holds."),
    );
}

/** Resource types that bill from the first hour, and those of which OCI has a free kind. */
const PAID =
  /^(natgateway|dbsystem|cloudvmcluster|filesystem|mounttarget|cluster|clusterscluster|apigateway|dedicatedvmhost|instancepool|integrationinstance|analyticsinstance|virtualcircuit|stream|streampool)$/i;
const MAYBE_PAID =
  /^(loadbalancer|networkloadbalancer|autonomousdatabase|mysqldbsystem|heatwave\w*|ipsecconnection|nosqltable|table)$/i;

function judgeOthers(facts: OciFacts, ledger: Ledger): void {
  const { reservedIps, resources, objectRequests, egressBytes } = facts;
  ledger.count(
    "reserved addresses",
    reservedIps && {
      limit: "ociReservedIps",
      used: reservedIps.length,
      note: reservedIps
        .map(({ address, attached }) => `${address}${attached ? "" : " (attached to nothing)"}`)
        .join(", "),
    },
    "Release those that no machine holds (Networking > Reserved public IPs).",
  );
  ledger.count(
    "vault secrets",
    resources && {
      limit: "ociVaultSecrets",
      used: resources.filter(({ type }) => /^vaultsecret$/i.test(type)).length,
    },
    "Delete secrets of stacks that are gone.",
  );
  const since = { counts: true } as const;
  ledger.count(
    "Object Storage requests",
    objectRequests === undefined
      ? undefined
      : { limit: "ociObjectRequests", used: objectRequests, ...since },
    "Poll less often, or archive the log in larger pieces (docs/backup.md).",
  );
  ledger.count(
    "egress",
    egressBytes === undefined
      ? undefined
      : {
          limit: "ociEgressGb",
          used: egressBytes / GB,
          usdEach: OCI_USD.egressGb,
          ...since,
          note: "as the machines' interfaces counted, traffic inside the network with it",
        },
    "Find who reads so much: docs/meters.md has egress by peer.",
  );
  for (const { type, name } of resources?.filter((each) => PAID.test(each.type)) ?? [])
    ledger.extra(
      "other resources",
      "OCI",
      { what: `${type} ${name}`, usd: undefined },
      "Terminate it: tickhub has none, and Always Free has none either.",
    );
  const maybe = resources?.filter(({ type }) => MAYBE_PAID.test(type)) ?? [];
  if (maybe.length > 0)
    ledger.say(
      note(
        "other resources",
        maybe.map(({ type, name }) => `${type} ${name}`).join(", "),
        "tickhub has none. See in the console whether each is of the Always Free kind.",
      ),
    );
  else if (resources !== undefined)
    ledger.say(ok("other resources", `${resources.length} in all, none of a kind that bills`));
}
