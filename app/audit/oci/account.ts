// What kind of account it is, where its home is, what it has been charged and what guards it. Pure.
import { OCI_REGIONS_WITHOUT_A1 } from "../../shared/free-tier.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import type { OciFacts } from "./facts.ts";

const { ok, note, fail } = sectionOf("OCI");

/** Within some tens of milliseconds of the brokers. */
const NEAR = new Set(["ap-seoul-1", "ap-tokyo-1", "ap-osaka-1"]);

export function regionFindings({ homeRegion, region, domains }: OciFacts): Finding[] {
  const found: Finding[] = [];
  if (OCI_REGIONS_WITHOUT_A1.includes(homeRegion))
    found.push(
      fail(
        "home region",
        `${homeRegion} has no free A1, and a home region can never be changed`,
        "Open another account with the home region South Korea Central (Seoul), ap-seoul-1.",
      ),
    );
  else if (NEAR.has(homeRegion)) found.push(ok("home region", `${homeRegion}, where A1 is free`));
  else
    found.push(
      note(
        "home region",
        `${homeRegion}: free, but far from the brokers`,
        "Measure with `tickhub latency` before the phase is advanced; ap-seoul-1 is the nearest.",
      ),
    );
  if (region !== homeRegion)
    found.push(
      fail(
        "region",
        `the credentials are for ${region}; Always Free is of the home region ${homeRegion} alone`,
        `Set the region to ${homeRegion} in ~/.oci/config (OCI_REGION), and \`pulumi config set oci:region ${homeRegion}\`.`,
      ),
    );
  if (domains > 0)
    found.push(
      ok("domains", `${domains} availability ${domains === 1 ? "domain" : "domains"} to try`),
    );
  return found;
}

export function accountFinding({ paidCores }: OciFacts): Finding {
  if (paidCores === undefined) return note("account", "its type cannot be told");
  return paidCores > 0
    ? note(
        "account",
        "upgraded or on trial: it can be billed",
        "Let `pulumi up` make the quota and the budget first; whether 2 or 4 OCPU are free in such an account is contradicted by Oracle's own pages, so stay at 2.",
      )
    : ok("account", "Always Free: it cannot be billed, and idle machines are reclaimed");
}

export function costFindings({ costs }: OciFacts): Finding[] {
  if (costs === undefined) return [];
  const charged = costs.filter(({ amount }) => amount > 0);
  if (charged.length === 0) return [ok("cost", "0.00 charged since the month's start")];
  const parts = charged.map(({ service, amount, currency }) =>
    `${service} ${amount.toFixed(2)} ${currency}`.trim(),
  );
  const next = "See Billing > Cost Analysis which resource it is, and end it.";
  // Less than half a cent is a rounding of OCI's own.
  return charged.some(({ amount }) => amount >= 0.005)
    ? [fail("cost", `charged since the month's start: ${parts.join(", ")}`, next)]
    : [ok("cost", "0.00 charged since the month's start")];
}

export function guardFindings({ budgets, quotas }: OciFacts): Finding[] {
  const found: Finding[] = [];
  const made = "`pulumi up --stack oci` makes it; until then nothing warns or refuses.";
  if (budgets !== undefined) {
    const alerting = budgets.filter(({ alertRules }) => alertRules > 0).length;
    if (alerting > 0) found.push(ok("budget", `${alerting} with an alert`));
    else found.push(note("budget", "none that alerts anybody", made));
  }
  if (quotas !== undefined)
    found.push(
      quotas > 0
        ? ok("quota", `${quotas} in force`)
        : note("quota", "none: nothing is refused", made),
    );
  return found;
}
