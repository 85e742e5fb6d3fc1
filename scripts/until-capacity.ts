// When Oracle has no free A1 to give ("Out of host capacity"), trying again is all that helps, politely. Decides
// after each attempt whether to try once more, when, and whether with half the machine, which finds room
// sooner and can be made whole later. Pure; scripts/up-until-capacity.ts runs pulumi around it.

export interface CapacityLimits {
  attemptsMax: number;
  hoursMax: number;
  /** Between attempts; Oracle asks clients not to hammer. */
  waitMinMs: number;
  waitMaxMs: number;
  /** After so many attempts half the machine is tried; 0: never. */
  halfAfter: number;
}

export const CAPACITY_LIMITS: CapacityLimits = {
  attemptsMax: 300,
  hoursMax: 12,
  waitMinMs: 60_000,
  waitMaxMs: 120_000,
  halfAfter: 0,
};

export type Outcome = "up" | "no-capacity" | "failed";

export type Decision =
  | { then: "done" }
  | { then: "wait"; waitMs: number; machine: "whole" | "half" }
  | { then: "give-up"; why: "failed" | "attempts" | "hours" };

/** What pulumi's output means. Only the host's capacity is worth another try: every other failure stays. */
export function outcomeOf(code: number, output: string): Outcome {
  if (code === 0) return "up";
  return /out of (host )?capacity/i.test(output) ? "no-capacity" : "failed";
}

/** `attempt` counts from 1; `random` is in [0, 1). */
export function decide(
  limits: CapacityLimits,
  {
    attempt,
    elapsedMs,
    outcome,
    random,
  }: { attempt: number; elapsedMs: number; outcome: Outcome; random: number },
): Decision {
  if (outcome === "up") return { then: "done" };
  if (outcome === "failed") return { then: "give-up", why: "failed" };
  if (attempt >= limits.attemptsMax) return { then: "give-up", why: "attempts" };
  const waitMs = Math.round(limits.waitMinMs + random * (limits.waitMaxMs - limits.waitMinMs));
  if (elapsedMs + waitMs > limits.hoursMax * 3_600_000) return { then: "give-up", why: "hours" };
  const isHalf = limits.halfAfter > 0 && attempt >= limits.halfAfter;
  return { then: "wait", waitMs, machine: isHalf ? "half" : "whole" };
}

export interface Attempts {
  /** One `pulumi up`. */
  up: (machine: "whole" | "half") => Promise<{ code: number; output: string }>;
  sleep: (ms: number) => Promise<void>;
  nowMs: () => number;
  random: () => number;
  say: (line: string) => void;
}

/** Tries until it is up or a limit ends it. Returns how it ended. */
export async function untilCapacity(
  limits: CapacityLimits,
  { up, sleep, nowMs, random, say }: Attempts,
): Promise<Exclude<Decision, { then: "wait" }>> {
  const startedMs = nowMs();
  let machine: "whole" | "half" = "whole";
  for (let attempt = 1; ; attempt++) {
    const { code, output } = await up(machine);
    const decision = decide(limits, {
      attempt,
      elapsedMs: nowMs() - startedMs,
      outcome: outcomeOf(code, output),
      random: random(),
    });
    if (decision.then !== "wait") return decision;
    machine = decision.machine;
    const seconds = Math.round(decision.waitMs / 1_000);
    say(
      `attempt ${attempt} of ${limits.attemptsMax}: no capacity; again in ${seconds} s (${machine} machine)`,
    );
    await sleep(decision.waitMs);
  }
}
