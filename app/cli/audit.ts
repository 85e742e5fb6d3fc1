// `tickhub audit`: looks at the accounts themselves before the first `pulumi up`, and whenever asked again: what is
// used of what is free, what the month comes to, what expires, what has drifted. Changes nothing at the vendors. What
// it cannot look at, for want of credentials, it names.
import { existsSync, readFileSync } from "node:fs";
import { CredentialsError } from "../audit/credentials.ts";
import type { Finding } from "../audit/finding.ts";
import { exitCodeOfFindings, findingsText, sectionOf } from "../audit/finding.ts";
import { GoogleClient } from "../audit/google/client.ts";
import { googleLogin } from "../audit/google/login.ts";
import { auditGoogle } from "../audit/google/verdict.ts";
import type { Bill, Report } from "../audit/meter.ts";
import { billLines, billOf } from "../audit/meter.ts";
import type { Month } from "../audit/month.ts";
import { monthOf } from "../audit/month.ts";
import { auditNorthflank } from "../audit/northflank/verdict.ts";
import { OciClient } from "../audit/oci/client.ts";
import { ociCredentials } from "../audit/oci/credentials.ts";
import { auditOci } from "../audit/oci/verdict.ts";
import { parsePolicy } from "../audit/tailscale/facts.ts";
import type { Policy } from "../audit/tailscale/policy.ts";
import { auditTailnet } from "../audit/tailscale/verdict.ts";
import type { Clock } from "../shared/clock.ts";
import { systemClock } from "../shared/clock.ts";
import type { Settings } from "../shared/config.ts";
import { readSettings } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import type { Vendor } from "../shared/free-tier.ts";
import { tailscaledSocket } from "../shared/tailscaled.ts";
import { openPool } from "../store/database.ts";
import { recordEvidence } from "../store/evidence.ts";
import { printJson, say } from "./output.ts";

export const SECTIONS = ["oci", "gcp", "northflank", "tailscale"] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface AuditOptions {
  json?: boolean;
  /** File with the policy that the tailnet should have. */
  policy?: string;
  /** One section alone. */
  section?: SectionName;
}

/** What `npm run tailnet:render` commits; absent where only the app is installed. */
const COMMITTED_POLICY = "infra/tailnet/policy.cloud.json";

export async function audit(options: AuditOptions): Promise<number> {
  const { reports, bill, findings } = await runAudit(
    process.env,
    options,
    systemClock,
    options.json || !process.stderr.isTTY ? undefined : showWaiting,
  );
  const exitCode = exitCodeOfFindings(findings);
  if (options.json)
    printJson({
      ok: exitCode === 0,
      findings,
      rows: reports.flatMap(({ rows }) => rows),
      extras: reports.flatMap(({ extras }) => extras),
      bill,
    });
  else process.stdout.write(findingsText(findings) + billLines(bill));
  await leaveEvidence(process.env, reports, systemClock.nowMs());
  return exitCode;
}

/** One line on a terminal while vendors are awaited, gone when all have answered. */
function showWaiting(names: readonly SectionName[]): void {
  const text = names.length === 0 ? "" : `tickhub: waiting for ${names.join(", ")} …`;
  process.stderr.write(`\r\x1b[2K${text}`);
}

export interface AuditResult {
  reports: Report[];
  findings: Finding[];
  bill: Bill;
}

/**
 * The sections asked for, of one environment; `waiting` hears which have not answered yet.
 * Throws CONFIG_INVALID, and USAGE for a policy file that is none.
 */
export async function runAudit(
  env: NodeJS.ProcessEnv,
  { policy, section }: AuditOptions,
  clock: Clock,
  waiting: (names: readonly SectionName[]) => void = () => undefined,
): Promise<AuditResult> {
  const settings = readSettings(env);
  const ours = committedPolicy(policy);
  const month = monthOf(clock.nowMs());
  const all: Record<SectionName, () => Promise<Report>> = {
    oci: () => ociReport(env, settings, clock, month),
    gcp: () => googleReport(env, settings, month),
    northflank: () => northflankReport(settings, month),
    tailscale: () => tailscaleReport(settings, clock, month, ours),
  };
  const wanted = SECTIONS.filter((name) => section === undefined || name === section);
  const left = new Set(wanted);
  waiting(wanted);
  const reports = await Promise.all(
    wanted.map(async (name) => {
      const report = await all[name]();
      left.delete(name);
      waiting([...left]);
      return report;
    }),
  );
  return {
    reports,
    findings: reports.flatMap(({ findings }) => findings),
    bill: billOf(reports, month),
  };
}

function skipped(section: Vendor, found: string, next: string): Report {
  const finding = sectionOf(section).skipped(`not asked: ${found}`, next);
  return { section, findings: [finding], rows: [], extras: [], skipped: true };
}

/** Credentials that are there and of no use are a failure, not a skipped section: somebody meant them. */
async function unlessUnusable(
  section: Vendor,
  next: string,
  report: () => Promise<Report>,
): Promise<Report> {
  try {
    return await report();
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    const finding = sectionOf(section).fail("credentials", error.message, next);
    return { section, findings: [finding], rows: [], extras: [] };
  }
}

async function ociReport(
  env: NodeJS.ProcessEnv,
  settings: Settings,
  clock: Clock,
  month: Month,
): Promise<Report> {
  const next =
    "Complete it as the console shows it for the API key (Profile > API keys > ... > View configuration).";
  return await unlessUnusable("OCI", next, async () => {
    const credentials = ociCredentials(env);
    if (credentials === undefined)
      return skipped(
        "OCI",
        "neither ~/.oci/config nor OCI_TENANCY_OCID",
        "Make an API key in the console (Profile > API keys), save the shown text as ~/.oci/config.",
      );
    const client = new OciClient(credentials, clock, { base: settings.OCI_API_URL });
    return await auditOci(client, credentials, month);
  });
}

async function googleReport(
  env: NodeJS.ProcessEnv,
  settings: Settings,
  month: Month,
): Promise<Report> {
  const project = settings.GOOGLE_CLOUD_PROJECT;
  if (project === undefined)
    return skipped(
      "GCP",
      "GOOGLE_CLOUD_PROJECT is not set",
      "Set it to the project's id (gcp:project in Pulumi.gcp.yaml), and sign in: `gcloud auth application-default login`.",
    );
  const base = settings.GOOGLE_API_URL;
  try {
    const login = await googleLogin(settings.GOOGLE_OAUTH_ACCESS_TOKEN, base);
    return await auditGoogle(new GoogleClient(login, { base }), project, month);
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    const next =
      "Sign in: `gcloud auth application-default login`; or set GOOGLE_OAUTH_ACCESS_TOKEN to what `gcloud auth print-access-token` prints.";
    if (!env["GOOGLE_APPLICATION_CREDENTIALS"]) return skipped("GCP", error.message, next);
    return await unlessUnusable("GCP", next, () => Promise.reject(error));
  }
}

async function northflankReport(settings: Settings, month: Month): Promise<Report> {
  const { NORTHFLANK_API_TOKEN: token, NORTHFLANK_PROJECT: project } = settings;
  if (token === undefined)
    return skipped(
      "Northflank",
      "NORTHFLANK_API_TOKEN is not set",
      "Make a token (Account settings > API > Tokens) with the read permissions of docs/audit.md.",
    );
  return await auditNorthflank({ token, project, base: settings.NORTHFLANK_API_URL }, month);
}

async function tailscaleReport(
  settings: Settings,
  clock: Clock,
  month: Month,
  ours: Policy | undefined,
): Promise<Report> {
  const token = settings.TAILSCALE_API_KEY;
  if (token === undefined)
    return skipped(
      "Tailscale",
      "TAILSCALE_API_KEY is not set",
      "Make an API access token (login.tailscale.com > Settings > Keys) and set TAILSCALE_API_KEY.",
    );
  const question = {
    token,
    base: settings.TAILSCALE_API_URL,
    ours,
    clock,
    socketPath: tailscaledSocket(),
  };
  return await auditTailnet(question, month);
}

function committedPolicy(path: string | undefined): Policy | undefined {
  if (path === undefined && !existsSync(COMMITTED_POLICY)) return undefined;
  const file = path ?? COMMITTED_POLICY;
  try {
    return parsePolicy(readFileSync(file, "utf8"));
  } catch (error) {
    throw new TickhubError(
      "USAGE",
      { problem: `${file} is not a policy in JSON or HuJSON` },
      { cause: error },
    );
  }
}

/** A row a section that was asked, where a database is at hand; a database that is away is said and no failure. */
async function leaveEvidence(
  env: NodeJS.ProcessEnv,
  reports: readonly Report[],
  nowMs: number,
): Promise<void> {
  const url = readSettings(env).TICKHUB_DATABASE_URL;
  const asked = reports.filter((report) => !report.skipped);
  if (url === undefined || asked.length === 0) return;
  const pool = openPool(url, { connectionsMax: 1, name: "tickhub audit" });
  try {
    for (const report of asked) await recordEvidence(pool, evidenceOf(report, nowMs));
  } catch (error) {
    say(`tickhub: no evidence was left: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await pool.end();
  }
}

function evidenceOf(report: Report, nowMs: number) {
  const { section, findings } = report;
  const count = (level: Finding["level"]) => findings.filter((each) => each.level === level).length;
  const { knownUsd, unconfirmedUsd } = billOf([report], monthOf(nowMs));
  const figures = { fails: count("fail"), notes: count("note"), knownUsd, unconfirmedUsd };
  return {
    kind: "audit" as const,
    subject: section,
    ok: figures.fails === 0,
    summary: `${figures.fails} to mend, ${figures.notes} to know, known ${knownUsd.toFixed(2)} + unconfirmed <= ${unconfirmedUsd.toFixed(2)} USD a month`,
    atMs: nowMs,
    detail: figures,
  };
}
