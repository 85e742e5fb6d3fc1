// What the gate is asked with, read from the databases: the newest evidence of each kind and subject, what the
// home database holds, parity, and whether a market that is collected trades now.
import { releaseWindow } from "../../shared/release-window.ts";
import type { Venue } from "../../shared/tick.ts";
import { tablesWithRows } from "./acts.ts";
import type { GateFacts, ParityVerdict, Proof } from "./gate.ts";
import type { MachineOptions } from "./machine.ts";
import { isSwitch } from "./phases.ts";
import type { Transition } from "./phases.ts";
import { readPlace } from "./world.ts";
import type { Queryable } from "./world.ts";

const NOT_ASKED: ParityVerdict = { open: false, reasons: ["not asked"], days: [] };

export async function readFacts(
  options: MachineOptions,
  transition: Transition,
): Promise<GateFacts> {
  const { here, home, marketMs, parity } = options;
  const { leases, sites } = await readPlace(here);
  const toCloud = transition.to === "cloud" && transition.verb === "advance";
  return {
    accounts: [...leases.keys()],
    sites,
    proofs: await readProofs(here),
    sourceTables: isSwitch(transition) && home ? await tablesWithRows(home) : null,
    parity: toCloud ? await parity(here) : NOT_ASKED,
    window: releaseWindow(await readVenues(here), marketMs),
  };
}

/** The newest of each subject: a failed measurement takes back the one before it. */
async function readProofs(database: Queryable): Promise<Proof[]> {
  const { rows } = await database.query<Proof>(
    `select distinct on (kind, subject) kind, subject, ok, summary, detail,
       (extract(epoch from clock_timestamp() - stored_at) * 1000)::float8 as "ageMs"
     from public.evidence order by kind, subject, id desc`,
  );
  return rows;
}

async function readVenues(database: Queryable): Promise<Venue[]> {
  const { rows } = await database.query<{ venue: Venue }>(
    "select distinct venue from public.assignment",
  );
  return rows.map(({ venue }) => venue);
}
