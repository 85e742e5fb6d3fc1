// The plans whose policies are committed under infra/tailnet/; run as a program, it writes them anew.
import { writeFileSync } from "node:fs";
import {
  renderPolicy,
  tailnetPolicy,
  type TailnetPlan,
} from "../../../infra/lib/tailnet-policy.ts";

const admins = ["admin@example.com"];

export const COMMITTED: Record<string, TailnetPlan> = {
  "policy.local.json": { admins, phase: "local", kiwoomEgress: "home" },
  "policy.cloud.json": { admins, phase: "cloud", kiwoomEgress: "hub" },
  "policy.cloud-micro.json": { admins, phase: "cloud", kiwoomEgress: "oci-micro" },
};

if (import.meta.main) {
  for (const [name, plan] of Object.entries(COMMITTED)) {
    writeFileSync(`infra/tailnet/${name}`, renderPolicy(tailnetPolicy(plan)));
  }
}
