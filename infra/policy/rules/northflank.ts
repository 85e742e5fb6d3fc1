// The two collectors on Northflank's free sandbox. The inputs are the provider's of infra/northflank/; keys
// are looked for at any depth, so that the rules hold however that provider nests its body.
import { LIMITS } from "../../../app/shared/free-tier.ts";
import { NORTHFLANK_PLANS } from "../../lib/free-tier.ts";
import { everyAt, numberOf, ofType, shown } from "../read.ts";
import type { Resource, Rule } from "../rule.ts";

export const SERVICE = "pulumi-nodejs:dynamic/northflank:DeploymentService";

/** The plan's name as the service's body has it. */
export const plansOf = (service: Resource): unknown[] => [
  ...everyAt(service.inputs, "deploymentPlan"),
  ...everyAt(service.inputs, "plan"),
];

export const northflank: readonly Rule[] = [
  {
    name: "northflank-plan",
    about: "bill",
    over: "resource",
    description: "Northflank services have the smallest plan.",
    why: "The smallest is the only one that the sandbox may cover; every other bills.",
    fix: `Set northflankPlan to ${Object.keys(NORTHFLANK_PLANS).join(" or ")}.`,
    check: (resource) => {
      if (resource.type !== SERVICE) return [];
      const plans = plansOf(resource);
      if (plans.length === 0) return ["The service states no plan."];
      return plans
        .filter((plan) => !Object.hasOwn(NORTHFLANK_PLANS, shown(plan)))
        .map((plan) => `The plan is ${shown(plan)}.`);
    },
  },
  {
    name: "northflank-instances",
    about: "safety",
    over: "resource",
    description: "A Northflank service has at most one instance.",
    why: "Two instances are two sockets on one broker account, which the broker locks.",
    fix: "Set instances to 1 (or 0 to stop it).",
    check: ({ type, inputs }) => {
      if (type !== SERVICE) return [];
      const stated = everyAt(inputs, "instances");
      if (stated.length === 0) return ["The number of instances is not stated."];
      return stated
        .filter((count) => (numberOf(count) ?? Infinity) > 1)
        .map((count) => `Instances are ${shown(count)}.`);
    },
  },
  {
    name: "northflank-public-port",
    about: "safety",
    over: "resource",
    description: "No port of a Northflank service is public.",
    why: "Edges dial the hub over the tailnet; a public port shows a broker's collector to the world, and its requests count.",
    fix: "Remove the port, or set public: false and no domains.",
    check: ({ type, inputs }) =>
      type === SERVICE
        ? [
            ...everyAt(inputs, "public")
              .filter((open) => open !== false)
              .map((open) => `A port's public is ${shown(open)}.`),
            ...everyAt(inputs, "domains")
              .filter((domains) => !Array.isArray(domains) || domains.length > 0)
              .map(() => "A port has domains."),
          ]
        : [],
  },
  {
    name: "northflank-count",
    about: "bill",
    over: "stack",
    description: "At most two Northflank services.",
    why: "The sandbox has two; a third bills.",
    fix: "KIS and Kiwoom take both; the light edge runs on GCP.",
    check: (resources) => {
      const services = ofType(resources, SERVICE).length;
      return services > LIMITS.northflankServices.limit
        ? [{ what: `${services} services are planned.` }]
        : [];
    },
  },
];
