// What keeps the tenancy free of cost: quotas that refuse, and a budget that tells. The tenancy has one of
// each, so production's hub stack alone makes them. Quotas are made before anything they bound.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { FREE_ALLOWANCE, quotaStatements } from "../lib/quota-statements.ts";

export interface GuardrailsArgs {
  tenancyId: string;
  /** `tenancy`, or the compartment whose name the statements have. */
  scope: "tenancy" | { compartment: string };
  /** What this stack was allowed to plan, where that is more than what is free. */
  atLeast: { a1Ocpus: number; a1MemoryGb: number; volumesGb: number };
  budget: { amount: number; email: string };
}

export class Guardrails extends pulumi.ComponentResource {
  constructor(name: string, args: GuardrailsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Guardrails", name, {}, opts);
    const { tenancyId, atLeast, budget } = args;
    new oci.limits.Quota(
      `${name}-quota`,
      {
        compartmentId: tenancyId,
        name: "tickhub-free",
        description: "Only what is always free; everything else is refused",
        statements: quotaStatements(args.scope, {
          ...FREE_ALLOWANCE,
          a1Ocpus: Math.max(FREE_ALLOWANCE.a1Ocpus, atLeast.a1Ocpus),
          a1MemoryGb: Math.max(FREE_ALLOWANCE.a1MemoryGb, atLeast.a1MemoryGb),
          volumesGb: Math.max(FREE_ALLOWANCE.volumesGb, atLeast.volumesGb),
        }),
      },
      { parent: this },
    );
    const watched = new oci.budget.Budget(
      `${name}-budget`,
      {
        compartmentId: tenancyId,
        displayName: "tickhub",
        description: "Nothing is meant to cost anything",
        amount: budget.amount,
        resetPeriod: "MONTHLY",
        targetType: "COMPARTMENT",
        targets: [tenancyId],
      },
      { parent: this },
    );
    const rule = (which: string, type: "ACTUAL" | "FORECAST", threshold: number, message: string) =>
      new oci.budget.Rule(
        `${name}-${which}`,
        {
          budgetId: watched.id,
          displayName: which,
          type,
          thresholdType: "PERCENTAGE",
          threshold,
          recipients: budget.email,
          message,
        },
        { parent: this },
      );
    rule("spent", "ACTUAL", 1, "The tenancy has cost something. Look at Cost Analysis now.");
    rule("forecast", "FORECAST", 100, "The tenancy is going to cost something this month.");
    this.registerOutputs();
  }
}
