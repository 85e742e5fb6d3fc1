// The Northflank section: whether the collectors' project stays within the free sandbox. Judging is pure. Which plan
// is free, and what egress costs, the vendor does not publish: those lines carry their worst case.
import type { LimitName } from "../../shared/free-tier.ts";
import { LIMITS } from "../../shared/free-tier.ts";
import { worstUsdOf } from "../../shared/bill.ts";
import { AskError } from "../ask.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import type { Report } from "../meter.ts";
import { Ledger } from "../meter.ts";
import type { Month } from "../month.ts";
import type { Advice } from "../refusal.ts";
import { explained, unansweredFindings } from "../refusal.ts";
import type { NorthflankFacts, NorthflankService } from "./facts.ts";
import { NorthflankClient, readNorthflank } from "./facts.ts";
import type { NorthflankAccount } from "./facts.ts";

const { ok, note, fail } = sectionOf("Northflank");

const ADVICE: Advice = {
  signIn:
    "Make an API token (Account settings > API > Tokens) with the read permissions of docs/audit.md, and set NORTHFLANK_API_TOKEN.",
  rights:
    "Check NORTHFLANK_PROJECT, and give the token's role the permissions that docs/audit.md lists.",
  statusPage: "status.northflank.com",
};

/** The only plan that the sandbox may cover. */
const FREE_PLAN = "nf-compute-10";

/** Asks an account and judges the answers. One that refuses to talk is a finding, not an exception. */
export async function auditNorthflank(account: NorthflankAccount, month: Month): Promise<Report> {
  try {
    const client = new NorthflankClient(account);
    return judgeNorthflank(await readNorthflank(client, account.project), account.project, month);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const { found, next } = explained(error, ADVICE);
    return {
      section: "Northflank",
      findings: [fail("sign-in", found, next)],
      rows: [],
      extras: [],
    };
  }
}

export function judgeNorthflank(facts: NorthflankFacts, project: string, month: Month): Report {
  const ledger = new Ledger(month);
  ledger.say(...projectFindings(facts, project));
  judgeServices(facts, ledger);
  judgeTheRest(facts, ledger);
  ledger.say(...costFindings(facts), ...unansweredFindings("Northflank", facts.unanswered, ADVICE));
  const { findings, rows, extras } = ledger;
  return { section: "Northflank", findings, rows, extras, spentUsd: facts.spentUsd };
}

function projectFindings({ region, projects }: NorthflankFacts, project: string): Finding[] {
  const others = projects?.filter((id) => id !== project) ?? [];
  return [
    region === "asia-northeast"
      ? ok("project", `${project} in ${region}`)
      : note(
          "project",
          `${project} is in ${region === "" ? "a region that is not told" : region}`,
          "A project's region can never be changed; asia-northeast (Tokyo) is the nearest to Korea.",
        ),
    ...(others.length === 0
      ? []
      : [
          note(
            "projects",
            `beside it: ${others.join(", ")}`,
            "The sandbox has one project; what runs in the others is not in this audit, and may bill.",
          ),
        ]),
  ];
}

function judgeServices({ services, plans }: NorthflankFacts, ledger: Ledger): void {
  if (services === undefined) return;
  ledger.count(
    "services",
    {
      limit: "northflankServices",
      used: services.length,
      usdEach: plans?.get(FREE_PLAN) ?? 0,
      note: services.map(textOf).join(", "),
    },
    "Delete the services that are not tickhub's: the sandbox has two.",
  );
  const free = services.filter(({ plan }) => plan === FREE_PLAN);
  ledger.count(
    "plan",
    {
      limit: "northflankPlan",
      used: free.length,
      note: `${FREE_PLAN}; which plan is free is not published`,
    },
    "Keep to two services of the smallest plan.",
  );
  for (const service of services.filter(({ plan }) => plan !== FREE_PLAN)) {
    const each = plans?.get(service.plan);
    ledger.extra(
      "plan",
      "Northflank",
      {
        what: `${service.id} has the plan ${service.plan}`,
        usd: each === undefined ? undefined : each * Math.max(1, service.instances),
      },
      `Set tickhub:northflankPlan to ${FREE_PLAN} in Pulumi.northflank.yaml, and \`pulumi up --stack edge-northflank\`.`,
    );
  }
  for (const { id, instances } of services.filter((each) => each.instances > 1))
    ledger.say(
      fail(
        "instances",
        `${id} has ${instances} instances: as many sockets on one broker account, which the broker locks`,
        "Scale it to 1 at once (service > Resources).",
      ),
    );
  const open = services.filter(({ publicPorts }) => publicPorts > 0).map(({ id }) => id);
  if (open.length > 0)
    ledger.say(
      fail(
        "public port",
        `${open.join(", ")}: open to the world, and its requests count`,
        "`pulumi up --stack edge-northflank` closes it: edges dial out and are asked nothing.",
      ),
    );
}

const textOf = ({ id, plan, instances, paused }: NorthflankService) =>
  `${id} (${plan}, ${paused ? "paused" : `${instances} running`})`;

function judgeTheRest(facts: NorthflankFacts, ledger: Ledger): void {
  const { jobs, addons, volumes, services } = facts;
  ledger.count(
    "jobs",
    jobs && { limit: "northflankJobs", used: jobs.length, note: jobs.join(", ") },
    "Delete them: the hub schedules.",
  );
  ledger.count(
    "addons",
    addons && { limit: "northflankAddons", used: addons.length, note: addons.join(", ") },
    "Delete them: the database is the hub's.",
  );
  for (const { id, mb } of volumes ?? [])
    ledger.extra(
      "volumes",
      "Northflank",
      { what: `${id}, ${mb} MB`, usd: undefined },
      "Delete it: edges keep nothing on disk, and volumes are not known to be free.",
    );
  if (volumes?.length === 0) ledger.say(ok("volumes", "none"));
  const running = (services ?? []).some(({ paused, instances }) => !paused && instances > 0);
  if (!running) return;
  const untold: [string, LimitName][] = [
    ["egress", "northflankEgressGb"],
    ["logs", "northflankLogsGb"],
  ];
  for (const [check, limit] of untold)
    ledger.count(check, { limit, used: undefined, note: "tickhub's own meters count it" }, "");
  // Without a public port nothing can request anything of the edges.
  if (services?.every(({ publicPorts }) => publicPorts === 0))
    ledger.count("requests", { limit: "northflankRequests", used: 0, note: "no public port" }, "");
  else ledger.count("requests", { limit: "northflankRequests", used: undefined }, "");
}

function costFindings({ spentUsd, services }: NorthflankFacts): Finding[] {
  if (spentUsd === undefined) return [];
  if (spentUsd < 0.005) return [ok("cost", "0.00 on the invoice in preparation")];
  const expected = worstUsdOf(LIMITS.northflankPlan, services?.length ?? 0);
  return [
    fail(
      "cost",
      `USD ${spentUsd.toFixed(2)} on the invoice in preparation`,
      spentUsd <= expected
        ? "The plan is not free after all: pause the services and move them to the hub's VM, or accept it."
        : "See Billing > Invoices what it is for, and end it.",
    ),
  ];
}
