// The waiting that an address's wrong tokens cost it, for every door that looks at tokens: the gateway's, and that
// of people's acts. What is waited is decided in rate.ts.
import { sleep } from "../../shared/clock.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Guesses } from "./rate.ts";

/** Waits as long as the address's wrong tokens make it; false at once when too many of it wait. */
export async function waitForGuesses(
  guesses: Guesses,
  address: string,
  clock: Clock,
): Promise<boolean> {
  const waitMs = guesses.waitMs(address, clock.monoMs());
  if (waitMs === null) return false;
  if (waitMs === 0) return true;
  guesses.waits(address, 1);
  await sleep(clock, waitMs);
  guesses.waits(address, -1);
  return true;
}
