// Writes docs/free-tier.md from the table of limits and the rules of the policy pack, so that the document
// never says something else than the code does. `npm run docs:free-tier`.
import { writeFileSync } from "node:fs";
import { format } from "prettier";
import type { Limit } from "../app/shared/free-tier.ts";
import { LIMITS } from "../app/shared/free-tier.ts";
import { FREE_TYPES, GCP_REGIONS, NORTHFLANK_PLANS } from "../infra/lib/free-tier.ts";
import { rules } from "../infra/policy/rules/all.ts";

const FILE = "docs/free-tier.md";

/** The whole document, formatted as it is committed. */
export async function freeTierDocument(): Promise<string> {
  return await format(
    [
      INTRODUCTION,
      "## Limits",
      "",
      table(
        ["vendor", "item", "free", "read in", "on", "confidence", "worst case, USD a month"],
        (Object.values(LIMITS) as Limit[]).map((limit) => [
          limit.vendor,
          limit.item,
          `${limit.limit.toLocaleString("en-US")} ${limit.unit}`,
          limit.source,
          limit.checked,
          limit.confidence,
          limit.worstCaseUsd === undefined
            ? ""
            : `${limit.worstCaseUsd.toFixed(2)}: ${limit.worstCase ?? ""}`,
        ]),
      ),
      "",
      "## Rules",
      "",
      RULES,
      table(
        ["rule", "about", "demands", "because"],
        rules.map(({ name, about, description, why }) => [`\`${name}\``, about, description, why]),
      ),
      "",
      "## What may be planned",
      "",
      `Google regions: ${GCP_REGIONS.join(", ")}. Northflank plans: ${Object.keys(NORTHFLANK_PLANS).join(", ")}. Resource types:`,
      "",
      ...FREE_TYPES.map((type) => `- \`${type}\``),
    ].join("\n"),
    { parser: "markdown", printWidth: 100 },
  );
}

const INTRODUCTION = `# What is free, and what keeps it so

<!-- Rendered by \`npm run docs:free-tier\` from app/shared/free-tier.ts and infra/policy/. Edit those. -->

tickhub is built to cost nothing a month. Three things hold it to that, one after the other:

- **Before anything is made**, \`pulumi preview --policy-pack infra/policy\` refuses a plan that bills, and
  \`npm run infra:check\` prints the month line by line as \`known 0.00 + unconfirmed <= N\`.
- **Before the first \`pulumi up\`**, \`tickhub audit\` looks at the accounts themselves: a home region where
  nothing is free, or something already running, no plan can show.
- **While it runs**, OCI's quotas refuse what is not free, and meters project the month's end.

"confirmed" is the vendor's own page, or several independent texts that quote it. "unconfirmed" figures carry
the worst they can cost, because a zero that nobody has confirmed is not a zero.
`;

const RULES = `A \`bill\` rule becomes advice in a stack with \`allowPaid: true\`. A \`safety\` rule never does: no money
brings back a volume or closes a port. Values that only the update knows are left to the update, which checks
again before each resource is touched; sizes, shapes and plans have to be known before.
`;

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (import.meta.main) writeFileSync(FILE, await freeTierDocument());
