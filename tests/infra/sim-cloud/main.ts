// The provider plugin's program: `node main.ts <package> [address of the engine]`, started by Pulumi through
// the small script that install.ts writes. TICKHUB_SIM_CLOUD names the folder of the simulated clouds.
import { main } from "@pulumi/pulumi/provider/index.js";
import type { Behaviour } from "./behaviour.ts";
import { Cloud } from "./cloud.ts";
import { docker } from "./docker.ts";
import { gcp } from "./gcp.ts";
import { oci } from "./oci.ts";
import { provider } from "./provider.ts";
import { readTable, type Package } from "./table.ts";
import { tailscale } from "./tailscale.ts";

const BEHAVIOURS: Record<Package, Behaviour> = { oci, gcp, tailscale, docker };

const [name, ...args] = process.argv.slice(2);
const folder = process.env["TICKHUB_SIM_CLOUD"];
if (folder === undefined || name === undefined || !(name in BEHAVIOURS))
  throw new Error("usage: TICKHUB_SIM_CLOUD=folder node main.ts oci|gcp|tailscale|docker [engine]");

// The engine ends its plugins; where it was killed, nobody does, and the parent changes.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 200).unref();

await main(
  provider(readTable(name as Package), BEHAVIOURS[name as Package], new Cloud(folder, name)),
  args,
);
