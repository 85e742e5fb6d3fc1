// The whole way from home to the cloud and back with the command itself, between two databases on two servers,
// six real edges and the simulated brokers: killed with -9 at each step of each transition and run again, it
// ends as an uninterrupted run; no account has two sockets, as its broker counts them; no trade is missing.
import { afterAll, beforeAll, expect, it } from "vitest";
import { nothingLost } from "./support/two-sites-end.ts";
import { printTable } from "./support/table.ts";
import { TwoSites } from "./support/two-sites.ts";
import type { Where } from "./support/two-sites.ts";

let sites: TwoSites;
beforeAll(async () => {
  sites = await TwoSites.start();
});
afterAll(() => sites.stop());

const FORCE = ["--force", "parity is proved elsewhere"];
interface Leg {
  verb: "advance" | "rollback";
  to: string;
  from?: Where;
  more?: string[];
}
const ROAD: Leg[] = [
  { verb: "advance", to: "local", from: "home" },
  { verb: "advance", to: "dual" },
  { verb: "advance", to: "cloud", more: FORCE },
  { verb: "rollback", to: "dual" },
  { verb: "rollback", to: "local" },
  { verb: "rollback", to: "home", from: "hub" },
];
const figures: (string | number)[][] = [];

/** The command; killed with -9 as soon as it says it is at step `killAt`. */
async function run(leg: Leg, killAt?: number) {
  const { verb, from, more = [] } = leg;
  let carrying: Promise<void> | undefined;
  let steps = 0;
  const args = [
    verb,
    "--to",
    leg.to,
    ...(from ? ["--from", sites.postgres.home.url] : []),
    ...more,
  ];
  const ended = await sites.phase(args, "hub", (line, child) => {
    const [, no, of] = /^\[(\d+)\/(\d+)\]/.exec(line) ?? [];
    steps = Math.max(steps, Number(of ?? 0));
    if (Number(no) === killAt) child.kill("SIGKILL");
    // The operator, in another terminal.
    else if (line.includes("verify the transfer") && line.includes("waits")) {
      carrying ??= sites.carry(from!);
    }
  });
  await carrying;
  return { ...ended, steps };
}

it(
  "goes all the way and back, uninterrupted, and then again killed at each step",
  { timeout: 900_000 },
  async () => {
    const started = await sites.phase(["advance"], "home");
    expect(started).toMatchObject({ code: 0, out: "phase home\n" });
    await sites.collects("home-kis@home", "kis:1");
    await sites.proveAll();
    const states: object[] = [];
    for (const leg of ROAD) {
      const { code, out, err } = await run(leg);
      expect([code, out.split("\n")[0], err]).toEqual([0, `phase ${leg.to}`, err]);
      states.push(await sites.state());
    }
    for (const [i, leg] of ROAD.entries()) {
      let kills = 0;
      let steps = 1;
      for (let at = 1; at <= steps; at++) {
        const killed = await run(leg, at);
        steps = Math.max(steps, killed.steps);
        if (killed.code === null) kills++;
      }
      const { code, out, err } = await run(leg);
      expect([code, out.split("\n")[0], err]).toEqual([0, `phase ${leg.to}`, err]);
      expect(await sites.state()).toEqual(states[i]);
      // The last step is one statement: the signal may come after its end.
      expect(kills).toBeGreaterThanOrEqual(steps - 1);
      figures.push([`${leg.verb} to ${leg.to}`, steps, kills]);
      expect((await sites.counts()).doubleSockets).toBe(0);
    }
    printTable("kill -9 of tickhub phase", ["transition", "steps", "kills"], figures);
    await nothingLost(sites);
  },
);
