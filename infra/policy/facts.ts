// What the pack knows of the stack, read from the stack's config as the engine hands it to policy packs.
// Whatever is missing is taken the strict way: production, nothing paid.
import * as pulumi from "@pulumi/pulumi";
import type { Role } from "../config.ts";
import type { Facts } from "./rule.ts";

/** The stack's facts. `config` is the project's part of the stack's config. */
export function factsOf(config: Pick<pulumi.Config, "get" | "getBoolean">): Facts {
  const staging = config.getBoolean("staging") ?? false;
  return {
    role: config.get<Role>("role") ?? "hub",
    staging,
    allowPaid: config.getBoolean("allowPaid") ?? false,
    brokers: config.get<Facts["brokers"]>("brokers") ?? (staging ? "simulated" : "real"),
  };
}
