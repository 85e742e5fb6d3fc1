// The way out when the other database is gone for good: this one grants again, on a person's word alone. It is
// the only act of the machine that nothing in the world proves, so it takes a reason and is kept.
import { TickhubError } from "../../shared/errors.ts";
import { open } from "./acts.ts";
import { enterPhase, historyOf, readHistory } from "./history.ts";
import type { MoveOptions } from "./machine.ts";
import { lock } from "./machine.ts";
import { placementOf } from "./phases.ts";
import type { Phase } from "./phases.ts";
import { readPlace } from "./world.ts";
import type { Fence } from "./world.ts";

/**
 * Opens the fence of a copy, or of a database whose other one is lost, in the phase that it can be in. Throws
 * PHASE_ORDER where it grants already, and PHASE_SITES.
 */
export async function adopt(
  options: Pick<MoveOptions, "here" | "clock" | "by" | "mintRun"> & { forced: string },
): Promise<{ phase: Phase }> {
  const { here, clock, by, forced, mintRun } = options;
  await lock(here, clock);
  const place = await readPlace(here);
  const { phase } = historyOf(await readHistory(here));
  if (place.fence.state === "open" || place.fence.state === "none") {
    throw new TickhubError("PHASE_ORDER", { reason: "this database grants leases already" });
  }
  const to = phaseOf(place.fence, phase);
  const accounts = [...place.leases.keys()];
  const { placement, missing } = placementOf(to, accounts, place.sites);
  if (missing.length > 0 || accounts.length === 0) {
    throw new TickhubError("PHASE_SITES", { phase: to, missing: missing.join(", ") });
  }
  const role = to === "home" ? "home" : "hub";
  await open(here, placement, { by, reason: forced, peer: place.fence.peer, role });
  const skipped = ["nothing proves that the other database grants nothing"];
  const beginning = { run: mintRun(), verb: "adopt", from: phase, to, by, forced } as const;
  await enterPhase(here, { ...beginning, skipped, gate: [] });
  return { phase: to };
}

/** A home database can only be at home, and a hub's only beyond. */
function phaseOf({ role }: Fence, phase: Phase | null): Phase {
  if (phase === null && role === null) {
    const reason = "this database is in no phase yet: tickhub phase advance";
    throw new TickhubError("PHASE_ORDER", { reason });
  }
  if (role === "home") return "home";
  return phase === null || phase === "home" ? "local" : phase;
}
