// The month's bill of a plan, line by line: what is known to be charged, and what each line that no vendor
// has confirmed could cost at worst. Pure: planned resources in, lines out.
import {
  billText,
  cents,
  GCP_SECRET_VERSION_USD,
  OCI_SHAPES,
  OCI_USD,
  worstUsdOf,
} from "../../app/shared/bill.ts";
import type { Limit, LimitName } from "../../app/shared/free-tier.ts";
import { HOURS_A_MONTH, LIMITS } from "../../app/shared/free-tier.ts";
import { at, everyAt, listAt, numberOf, ofType, shown } from "../policy/read.ts";
import type { Facts, Resource } from "../policy/rule.ts";
import { violationsOf } from "../policy/rule.ts";
import { secretVersionsOf } from "../policy/rules/gcp.ts";
import { rules } from "../policy/rules/all.ts";
import { plansOf, SERVICE } from "../policy/rules/northflank.ts";
import { backupsKept, blockStorageOf } from "../policy/rules/oci-compute.ts";
import { NORTHFLANK_PLANS } from "./free-tier.ts";

export interface Line {
  vendor: Limit["vendor"];
  item: string;
  /** What the plan takes; absent where only the running system can tell. */
  planned?: number;
  limit: number;
  unit: string;
  confidence: Limit["confidence"];
  /** Beyond a confirmed limit. */
  over: boolean;
  knownUsd: number;
  /** What the line costs a month if the unconfirmed figure is wrong. */
  unconfirmedUsd: number;
  note: string;
}

/** A stack's plan, with what the policy pack would know of it. */
export interface StackPlan {
  stack: string;
  facts: Facts;
  resources: readonly Resource[];
}

export interface Projection {
  lines: Line[];
  /** What the policy pack's bill rules have against it; each stack of allowPaid as well. */
  refusals: { stack: string; rule: string; message: string }[];
  knownUsd: number;
  unconfirmedUsd: number;
  /** False when something is known to bill or a limit is passed. */
  ok: boolean;
}

/** The month of all stacks together, because the free pools are a tenancy's, not a stack's. */
export function project(stacks: readonly StackPlan[]): Projection {
  const resources = stacks.flatMap((stack) => stack.resources);
  const lines = [...ociLines(resources), ...gcpLines(resources), ...otherLines(resources)];
  const billRules = rules.filter(({ about }) => about === "bill");
  const refusals = stacks.flatMap(({ stack, facts, resources: own }) =>
    violationsOf(billRules, own, facts).map(({ rule, message }) => ({
      stack,
      rule: rule.name,
      message,
    })),
  );
  const knownUsd = cents(lines.reduce((sum, line) => sum + line.knownUsd, 0));
  const unconfirmedUsd = cents(lines.reduce((sum, line) => sum + line.unconfirmedUsd, 0));
  const ok = knownUsd === 0 && refusals.length === 0 && lines.every(({ over }) => !over);
  return { lines, refusals, knownUsd, unconfirmedUsd, ok };
}

function ociLines(resources: readonly Resource[]): Line[] {
  const instances = ofType(resources, "oci:Core/instance:Instance");
  const a1 = instances.filter(({ inputs }) => at(inputs, "shape") === OCI_SHAPES[0]);
  const micros = instances.filter(({ inputs }) => at(inputs, "shape") === OCI_SHAPES[1]);
  const of = (key: string) =>
    a1.reduce((sum, { inputs }) => sum + (numberOf(at(inputs, "shapeConfig", key)) ?? NaN), 0);
  const { usedGb = NaN, restoreGb } = blockStorageOf(resources);
  const backups =
    ofType(resources, "oci:Core/volumeBackupPolicy:VolumeBackupPolicy")
      .map(backupsKept)
      .reduce((sum, count) => sum + count, 0) +
    ofType(resources, "oci:Core/volumeBackup:VolumeBackup").length;
  const buckets = ofType(resources, "oci:ObjectStorage/bucket:Bucket").length;
  const reserved = ofType(resources, "oci:Core/publicIp:PublicIp").filter(
    ({ inputs }) => at(inputs, "lifetime") !== "EPHEMERAL",
  ).length;
  return [
    line("ociA1Ocpus", of("ocpus"), { usdEach: OCI_USD.ocpuHour * HOURS_A_MONTH }),
    line("ociA1MemoryGb", of("memoryInGbs"), { usdEach: OCI_USD.memoryGbHour * HOURS_A_MONTH }),
    line("ociMicros", micros.length),
    line("ociBlockGb", usedGb, {
      usdEach: OCI_USD.blockGbMonth,
      note: `a restored copy takes ${restoreGb} GB more`,
    }),
    line("ociBackups", backups),
    line("ociVcns", ofType(resources, "oci:Core/vcn:Vcn").length),
    line("ociReservedIps", reserved),
    line("ociVaultSecrets", ofType(resources, "oci:Vault/secret:Secret").length),
    measured("ociObjectGb"),
    measured("ociObjectRequests", buckets > 0),
    measured("ociEgressGb"),
  ];
}

function gcpLines(resources: readonly Resource[]): Line[] {
  const instances = ofType(resources, "gcp:compute/instance:Instance");
  const diskGb = instances.reduce(
    (sum, { inputs }) =>
      sum + (numberOf(at(inputs, "bootDisk", "initializeParams", "size")) ?? NaN),
    0,
  );
  const addresses = instances.flatMap(({ inputs }) =>
    listAt(inputs, "networkInterfaces").flatMap((nic) => listAt(nic, "accessConfigs")),
  );
  return [
    line("gcpMachineHours", instances.length * HOURS_A_MONTH),
    line("gcpDiskGb", diskGb),
    line("gcpExternalIp", addresses.length),
    line("gcpSecretVersions", secretVersionsOf(resources), { usdEach: GCP_SECRET_VERSION_USD }),
    measured("gcpSecretReads"),
    measured("gcpEgressGb"),
  ];
}

function otherLines(resources: readonly Resource[]): Line[] {
  const services = ofType(resources, SERVICE);
  const machines =
    ofType(resources, "oci:Core/instance:Instance").length +
    ofType(resources, "gcp:compute/instance:Instance").length +
    services.length;
  const planUsd = services.reduce(
    (sum, service) => sum + (NORTHFLANK_PLANS[shown(plansOf(service)[0])] ?? NaN),
    0,
  );
  const images = ofType(resources, "docker:index/image:Image").length;
  const running = services.some(({ inputs }) =>
    everyAt(inputs, "instances").some((count) => count !== 0),
  );
  return [
    line("northflankServices", services.length),
    { ...line("northflankPlan", services.length), unconfirmedUsd: cents(planUsd) },
    measured("northflankEgressGb", running),
    measured("northflankRequests", running),
    measured("northflankLogsGb", running),
    line("tailscaleTagged", machines, { note: "the home machine adds one" }),
    measured("tailscaleEphemeralMinutes", running),
    measured("registryStorageGb", images > 0),
  ];
}

/** A line the plan decides. `usdEach` is the price of one unit beyond the limit, where it is known. */
function line(
  name: LimitName,
  planned: number,
  { usdEach = 0, note = "" }: { usdEach?: number; note?: string } = {},
): Line {
  const limit: Limit = LIMITS[name];
  const beyond = Math.max(0, planned - limit.limit);
  const confirmed = limit.confidence === "confirmed";
  return {
    vendor: limit.vendor,
    item: limit.item,
    planned,
    limit: limit.limit,
    unit: limit.unit,
    confidence: limit.confidence,
    // What cannot be added up is not within any limit.
    over: Number.isNaN(planned) || (confirmed && beyond > 0),
    knownUsd: Number.isNaN(beyond) ? 0 : cents(beyond * usdEach),
    unconfirmedUsd: worstUsdOf(limit, planned),
    note: confirmed || planned === 0 ? note : (limit.worstCase ?? note),
  };
}

/** A line that only the running system can tell; it may cost its worst case when the plan uses the thing. */
function measured(name: LimitName, used = false): Line {
  const rest = line(name, 0);
  delete rest.planned;
  const limit: Limit = LIMITS[name];
  const note = "measured at run time";
  if (!used || limit.confidence === "confirmed") return { ...rest, note };
  return {
    ...rest,
    unconfirmedUsd: limit.worstCaseUsd ?? 0,
    note: `${note}; ${limit.worstCase ?? ""}`,
  };
}

/** The projection as lines of text, the sum last. */
export function projectionText({
  lines,
  refusals,
  knownUsd,
  unconfirmedUsd,
  ok,
}: Projection): string {
  const rows = lines.map((each) => [
    each.vendor,
    each.item,
    each.planned === undefined
      ? `${each.limit} ${each.unit} free`
      : `${each.planned} of ${each.limit} ${each.unit}`,
    each.over ? "OVER" : each.knownUsd > 0 ? each.knownUsd.toFixed(2) : "0.00",
    each.unconfirmedUsd > 0 ? `+ <= ${each.unconfirmedUsd.toFixed(2)}` : "",
    each.note,
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...rows.map((row) => row[column]!.length)),
  );
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [
    ...table,
    ...refusals.map(({ stack, rule, message }) => `refused  ${stack}  ${rule}  ${message}`),
    billText({ ok, knownUsd, unconfirmedUsd }),
    "",
  ].join("\n");
}
