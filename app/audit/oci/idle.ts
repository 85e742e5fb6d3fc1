// Whether OCI would take a machine for idle and reclaim it: the rule of "Always Free Resources", over the metrics of
// seven days. Pure.
import { OCI_SHAPES } from "../../shared/bill.ts";
import type { Finding } from "../finding.ts";
import { sectionOf } from "../finding.ts";
import { figure } from "../meter.ts";
import type { OciFacts } from "./facts.ts";
import type { Activity } from "./metrics.ts";

const { ok, note, fail } = sectionOf("OCI");

/** Reclaimed when the 95th percentiles of CPU, network and (on A1) memory are all below this over seven days. */
const IDLE_PERCENT = 20;
const WEEK_DAYS = 7;

export function idleFindings({ activity, paidCores }: OciFacts): Finding[] {
  return (activity ?? []).map((each) => idleFinding(each, (paidCores ?? 0) > 0));
}

function idleFinding({ instance, cpu, memory, network, days }: Activity, paid: boolean): Finding {
  const isA1 = instance.shape === OCI_SHAPES[0];
  const percent = (value: number | undefined) =>
    value === undefined ? "not told" : `${value.toFixed(1)} %`;
  const found = `${instance.name}: CPU ${percent(cpu)}, memory ${percent(memory)}, network ${percent(network)} (95 of 100 moments of ${figure(days)} days stay below)`;
  if (cpu === undefined)
    return note(
      "idle",
      `${instance.name}: no figures`,
      "Turn the plug-in Compute Instance Monitoring on (Instance > Oracle Cloud Agent): without it nobody sees an idle machine coming.",
    );
  const below = [cpu, network, ...(isA1 ? [memory] : [])].every(
    (value) => value === undefined || value < IDLE_PERCENT,
  );
  if (!below) return ok("idle", `${found}: busy enough to be kept`);
  const next =
    "Give PostgreSQL more shared_buffers (3 GB of 12 is 25 %), or upgrade the account; a reclaimed machine is stopped, its volumes stay.";
  // A machine of a day has not been idle for a week; an upgraded account is said to be exempt.
  return paid || days < WEEK_DAYS - 0.5
    ? note("idle", `${found}: would count as idle`, next)
    : fail("idle", `${found}: idle, OCI may reclaim it`, next);
}
