// Goes through a transition's steps: looks, does what is to be done, and waits for what is to be waited for,
// up to a limit. Keeps nothing between two looks, so a command that was killed is gone on with by another.
import type { Clock } from "../../shared/clock.ts";
import { sleep } from "../../shared/clock.ts";
import { TickhubError } from "../../shared/errors.ts";
import { judge, nameOf } from "./plan.ts";
import type { Step, Verdict, World } from "./plan.ts";

/** How the steps reach the world. */
export interface Hands {
  /** What is, as far as `step` needs it. */
  look(step: Step): Promise<World>;
  act(step: Step, world: World): Promise<void>;
  /** The step is done. */
  note(step: Step, verdict: Verdict): Promise<void>;
}

export interface StepsOptions {
  hands: Hands;
  clock: Clock;
  /** How long one step may wait for others. */
  waitMs: number;
  isForced: boolean;
  /** What goes on, for people: once when a step begins to wait, when it waits for something else, when done. */
  tell: (progress: StepProgress) => void;
}

export interface StepProgress {
  no: number;
  of: number;
  step: string;
  state: "doing" | "waiting" | "done";
  says: string;
  next?: string;
}

const LOOK_MS = 250;

/** Throws PHASE_WAIT when a step waits longer than `waitMs`; what was done stays done. */
export async function runSteps(steps: readonly Step[], options: StepsOptions): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await runStep(step, { no: index + 1, of: steps.length, step: nameOf(step) }, options);
  }
}

async function runStep(
  step: Step,
  place: Pick<StepProgress, "no" | "of" | "step">,
  { hands, clock, waitMs, isForced, tell }: StepsOptions,
): Promise<void> {
  const untilMs = clock.monoMs() + waitMs;
  let told = "";
  for (;;) {
    const world = await hands.look(step);
    const verdict = judge(step, world, isForced);
    const { state, says, next } = verdict;
    if (state === "done") {
      await hands.note(step, verdict);
      tell({ ...place, state: "done", says });
      return;
    }
    const doing = state === "act" ? "doing" : "waiting";
    const key = `${doing} ${next ?? ""}`;
    if (key !== told) tell({ ...place, state: doing, says, ...(next ? { next } : {}) });
    told = key;
    if (state === "act") {
      await hands.act(step, world);
      continue;
    }
    if (clock.monoMs() >= untilMs) {
      const waitedS = Math.round(waitMs / 1_000);
      throw new TickhubError("PHASE_WAIT", {
        step: place.step,
        waits: says,
        do: next ?? "",
        waitedS,
      });
    }
    await sleep(clock, LOOK_MS);
  }
}
