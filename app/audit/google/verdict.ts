// The GCP section: whether this project's light edge runs for nothing, now and until the month's end. Judging is pure.
import {
  GCP_DISK_TYPE,
  GCP_MACHINE,
  GCP_REGIONS,
  GCP_SECRET_VERSION_USD,
  GCP_USD,
} from "../../shared/bill.ts";
import { HOURS_A_MONTH } from "../../shared/free-tier.ts";
import { AskError } from "../ask.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import type { Report } from "../meter.ts";
import { Ledger } from "../meter.ts";
import type { Month } from "../month.ts";
import type { Advice } from "../refusal.ts";
import { explained, unansweredFindings } from "../refusal.ts";
import type { GoogleClient } from "./client.ts";
import type { GoogleFacts, GoogleInstance } from "./facts.ts";
import { readGoogle } from "./facts.ts";

const { ok, note, fail } = sectionOf("GCP");

const ADVICE: Advice = {
  signIn:
    "Sign in anew: `gcloud auth application-default login` (or a fresh GOOGLE_OAUTH_ACCESS_TOKEN, which lasts an hour).",
  rights: "Check GOOGLE_CLOUD_PROJECT, and give the account the roles that docs/audit.md lists.",
  statusPage: "status.cloud.google.com",
};

/** Asks a project and judges the answers. One that refuses to talk is a finding, not an exception. */
export async function auditGoogle(
  client: GoogleClient,
  project: string,
  month: Month,
): Promise<Report> {
  try {
    return judgeGoogle(await readGoogle(client, project, month), month);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const { found, next } = explained(error, ADVICE);
    return { section: "GCP", findings: [fail("sign-in", found, next)], rows: [], extras: [] };
  }
}

export function judgeGoogle(facts: GoogleFacts, month: Month): Report {
  const ledger = new Ledger(month);
  if (facts.billing) ledger.say(billingFinding(facts.billing));
  judgeMachines(facts, ledger);
  judgeDisks(facts, ledger);
  judgeAddresses(facts, ledger);
  judgeRates(facts, ledger);
  ledger.say(...budgetFindings(facts), ...unansweredFindings("GCP", facts.unanswered, ADVICE));
  const { findings, rows, extras } = ledger;
  return { section: "GCP", findings, rows, extras };
}

function billingFinding({ enabled }: NonNullable<GoogleFacts["billing"]>): Finding {
  return enabled
    ? note(
        "cost",
        "no API tells the month's cost without an export to BigQuery",
        "Look at Billing > Reports in the console once a month; the lines below are what could bill.",
      )
    : note(
        "billing",
        "the project has no billing account: nothing bills, and no machine starts",
        "Link one before `pulumi up --stack edge-gcp`; the free tier needs it too.",
      );
}

/** Of `us-west1-b`: `us-west1`. */
const regionOf = (zone: string) => zone.replace(/-[a-z]$/, "");

function isFree({ type, zone, spot, accelerators }: GoogleInstance): boolean {
  return (
    type === GCP_MACHINE &&
    (GCP_REGIONS as readonly string[]).includes(regionOf(zone)) &&
    !spot &&
    accelerators === 0
  );
}

function judgeMachines({ instances }: GoogleFacts, ledger: Ledger): void {
  if (instances === undefined) return;
  // A stopped machine bills its disk alone.
  const running = instances.filter((instance) => instance.running);
  const free = running.filter(isFree);
  ledger.count(
    "machine hours",
    {
      limit: "gcpMachineHours",
      used: free.length * HOURS_A_MONTH,
      usdEach: GCP_USD.machineHour,
      note: instances.map(({ name, type, zone }) => `${name} (${type}, ${zone})`).join(", "),
    },
    "Delete all but one: the hours of a single e2-micro are free, whatever their number.",
  );
  for (const instance of running.filter((each) => !isFree(each))) {
    const { name, type, zone, spot } = instance;
    const micro = type === GCP_MACHINE && !spot && instance.accelerators === 0;
    ledger.extra(
      "instances",
      "GCP",
      {
        what: `${name} is a ${spot ? "spot " : ""}${type} in ${zone}${instance.accelerators > 0 ? " with accelerators" : ""}`,
        usd: micro ? GCP_USD.machineHour * HOURS_A_MONTH : undefined,
      },
      `Delete it: only a standard ${GCP_MACHINE} in ${GCP_REGIONS.join(", ")} is free.`,
    );
  }
}

function judgeDisks({ disks, snapshotBytes }: GoogleFacts, ledger: Ledger): void {
  const standard = disks?.filter(({ type }) => type === GCP_DISK_TYPE);
  const loose = disks?.filter(({ used }) => !used).map(({ name }) => name) ?? [];
  ledger.count(
    "disks",
    standard && {
      limit: "gcpDiskGb",
      used: standard.reduce((sum, { gb }) => sum + gb, 0),
      usdEach: GCP_USD.diskGbMonth,
      note: loose.length === 0 ? "" : `attached to nothing: ${loose.join(", ")}`,
    },
    "Delete disks that no machine has (Compute Engine > Disks).",
  );
  for (const { name, type, gb } of disks?.filter((disk) => disk.type !== GCP_DISK_TYPE) ?? [])
    ledger.extra(
      "disk type",
      "GCP",
      { what: `${name}, ${gb} GB, is ${type}`, usd: undefined },
      "Make it anew as pd-standard: any other type bills from the first byte.",
    );
  ledger.count(
    "snapshots",
    snapshotBytes === undefined ? undefined : { limit: "gcpSnapshotGb", used: snapshotBytes / 1e9 },
    "Delete them: the edge keeps nothing that the hub does not have.",
  );
}

/** A reserved address that nothing uses, by the hour. Source: cloud.google.com/vpc/network-pricing. */
const IDLE_ADDRESS_USD = 0.01 * HOURS_A_MONTH;
const STATIC_ADDRESS_USD = 0.005 * HOURS_A_MONTH;

function judgeAddresses({ instances, staticAddresses }: GoogleFacts, ledger: Ledger): void {
  const reserved = new Set(staticAddresses?.map(({ address }) => address));
  const addresses = instances?.flatMap((instance) => instance.addresses);
  const ephemeral = addresses?.filter(({ address }) => !reserved.has(address));
  ledger.count(
    "ephemeral addresses",
    ephemeral && { limit: "gcpExternalIp", used: ephemeral.length },
    "One is what the free machine needs; remove the others' access configurations.",
  );
  for (const { address, name, used } of staticAddresses ?? [])
    ledger.extra(
      "static address",
      "GCP",
      {
        what: `${name} (${address}) is reserved${used ? "" : " and not in use"}`,
        usd: used ? STATIC_ADDRESS_USD : IDLE_ADDRESS_USD,
      },
      "Release it: the edge is found by its tailnet name.",
    );
  const cheap = addresses?.filter(({ tier }) => tier === "STANDARD").length ?? 0;
  if (cheap > 0)
    ledger.say(
      note(
        "network tier",
        `${cheap} of the addresses ${cheap === 1 ? "is" : "are"} of the standard tier`,
        "The free GB of egress is the premium tier's; Pulumi makes it so.",
      ),
    );
}

function judgeRates(facts: GoogleFacts, ledger: Ledger): void {
  const { sentBytes, secretVersions, secretReads, imageBytes } = facts;
  ledger.count(
    "egress",
    sentBytes === undefined
      ? undefined
      : {
          limit: "gcpEgressGb",
          used: sentBytes / 1e9,
          counts: true,
          usdEach: GCP_USD.egressGb,
          note: "everything that the machine sent, what is free with it",
        },
    "Raise the feeds' intervals or lower the edge's cap (docs/meters.md); beyond 1 GB it bills.",
  );
  ledger.count(
    "secret versions",
    secretVersions === undefined
      ? undefined
      : {
          limit: "gcpSecretVersions",
          used: secretVersions,
          usdEach: GCP_SECRET_VERSION_USD,
        },
    "Destroy old versions (Secret Manager > secret > Versions); disabled ones bill too.",
  );
  ledger.count(
    "secret reads",
    secretReads === undefined
      ? undefined
      : { limit: "gcpSecretReads", used: secretReads, counts: true },
    "Something restarts again and again: each start reads every secret. See `tickhub logs`.",
  );
  ledger.count(
    "image registry",
    imageBytes === undefined ? undefined : { limit: "gcpArtifactGb", used: imageBytes / 1e9 },
    "Delete the repositories: tickhub's images are in ghcr.io.",
  );
}

function budgetFindings({ budgets, billing }: GoogleFacts): Finding[] {
  if (budgets === undefined || !billing?.enabled) return [];
  return [
    budgets > 0
      ? ok("budget", `${budgets} on the billing account`)
      : note(
          "budget",
          "none: nothing warns",
          "Set tickhub:billingAccount in Pulumi.gcp.yaml; `pulumi up --stack edge-gcp` makes one.",
        ),
  ];
}
