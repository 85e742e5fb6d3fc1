// The release agent of the hub's machine, with a Docker that only remembers: what it starts, refuses, takes
// back and reports, and that a round killed at any command ends the same with the next one.
import { mkdtempSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { image, Machine, releaseOf } from "./support/machine.ts";

const CLOSED = JSON.stringify({
  open: false,
  session: { venue: "KRX", kind: "regular", from: "", to: "" },
  nextQuietAt: "2026-11-23T06:30:00.000Z",
});

/** A machine that runs release 1. */
async function running(): Promise<Machine> {
  const machine = new Machine();
  machine.publish(releaseOf(1));
  await machine.round();
  expect(machine.version("current.json")).toBe("0.1.0");
  return machine;
}

describe("a round of the release agent", () => {
  test("the first release starts the database too, and is reported when it acked", async () => {
    const machine = await running();
    expect(machine.docker("hub")).toBe(image("hub", 1));
    expect(machine.docker("database")).toBe(image("timescaledb", 1));
    expect(machine.report()).toMatchObject({ version: "0.1.0", outcome: "running", reason: "" });
    expect(machine.status()).toMatchObject({ step: "idle", report: machine.report() });
  });

  test("a new release replaces the hub and leaves the database's container alone", async () => {
    const machine = await running();
    machine.publish(releaseOf(2));
    await machine.round();
    expect(machine.docker("hub")).toBe(image("hub", 2));
    expect(machine.version("current.json")).toBe("0.2.0");
    expect(machine.version("previous.json")).toBe("0.1.0");
    const ups = machine
      .docker("calls")
      .split("\n")
      .filter((call) => call.includes(" up "));
    expect(
      ups
        .filter((call) => call.includes("database"))
        .every((call) => call.includes("--no-recreate")),
    ).toBe(true);
    expect(machine.state(".env").split("\n").sort()).toEqual([
      `TICKHUB_DATA=${join(machine.folder, "data")}`,
      `TICKHUB_IMAGE_DATABASE=${image("timescaledb", 1)}`,
      `TICKHUB_IMAGE_HUB=${image("hub", 2)}`,
      "TICKHUB_SECRETS=/run/tickhub/secrets.env",
      "TICKHUB_SYMBOLS=005930,NAS:AAPL",
      "TICKHUB_TAILNET_IP=100.64.0.1",
    ]);
    expect(machine.state("compose.yaml")).toBe(releaseOf(2).compose.trim());
  });

  test("the same release does nothing", async () => {
    const machine = await running();
    const before = { calls: machine.docker("calls"), report: machine.report() };
    await machine.round();
    const since = machine.docker("calls").slice(before.calls.length).trim();
    expect(since.replace(/--\S+ \S*tickhub-machine\S+ /g, "").split("\n")).toEqual([
      "compose version",
      "compose --project-name tickhub ps --quiet hub",
      "inspect --format {{.State.Running}} hub-container",
    ]);
    expect(machine.report()).toEqual(before.report);
  });

  test("the same release is started again where its hub does not run", async () => {
    const machine = await running();
    machine.tellDocker("hub", "");
    await machine.round();
    expect(machine.docker("hub")).toBe(image("hub", 1));
  });

  test("is refused in a session, and done by itself when the session is over", async () => {
    const machine = await running();
    machine.tellDocker("window", CLOSED);
    machine.publish(releaseOf(2));
    await machine.round();
    expect(machine.report()).toMatchObject({ version: "0.2.0", outcome: "refused" });
    expect(machine.report()?.reason).toBe(
      "no restarts around the session KRX regular; tried again from 2026-11-23T06:30:00.000Z",
    );
    expect(machine.docker("hub")).toBe(image("hub", 1));
    expect(machine.docker("pulled")).not.toContain(image("hub", 2));
    machine.tellDocker("window", '{"open":true}');
    await machine.round();
    expect(machine.docker("hub")).toBe(image("hub", 2));
    expect(machine.report()).toMatchObject({ version: "0.2.0", outcome: "running" });
  });

  test("is refused when the running hub does not say whether a session is open", async () => {
    const machine = await running();
    machine.tellDocker("window", "error: unknown command");
    machine.publish(releaseOf(2));
    await machine.round();
    expect(machine.report()).toMatchObject({ outcome: "refused" });
    expect(machine.report()?.reason).toContain("does not say");
  });

  test("force with a reason goes on in a session; force without one is no release", async () => {
    const machine = await running();
    machine.tellDocker("window", CLOSED);
    machine.publish(releaseOf(2, { force: "" }));
    await machine.round();
    expect(machine.report()).toMatchObject({
      outcome: "refused",
      reason: "its force has no reason",
    });
    machine.publish(releaseOf(2, { force: "books are wrong" }));
    const { stderr } = await machine.round();
    expect(stderr).toContain("forced: books are wrong");
    expect(machine.docker("hub")).toBe(image("hub", 2));
  });

  test("an image that cannot be pulled is refused before anything is touched, and tried again", async () => {
    const machine = await running();
    machine.fail("unpullable", image("hub", 2));
    machine.publish(releaseOf(2));
    await machine.round();
    expect(machine.report()).toMatchObject({
      outcome: "refused",
      reason: `${image("hub", 2)} could not be pulled`,
    });
    expect(machine.version("candidate.json")).toBeUndefined();
    expect(machine.docker("hub")).toBe(image("hub", 1));
    machine.fail("unpullable");
    await machine.round();
    expect(machine.report()).toMatchObject({ outcome: "running", version: "0.2.0" });
  });

  test.each([
    ["acks no batch", "mute", "no acked batch within 0 s (DATABASE_REFUSED)"],
    ["does not start", "unstartable", "its containers do not start"],
  ] as const)(
    "a release that %s is taken back, reported, and not tried again",
    async (_what, how, reason) => {
      const machine = await running();
      machine.fail(how, image("hub", 2));
      machine.publish(releaseOf(2));
      await machine.round();
      expect(machine.docker("hub")).toBe(image("hub", 1));
      expect(machine.version("current.json")).toBe("0.1.0");
      expect(machine.report()).toMatchObject({ version: "0.2.0", outcome: "reverted", reason });
      const calls = machine.docker("calls");
      await machine.round();
      expect(machine.docker("calls").slice(calls.length)).not.toContain(" up ");
      machine.fail(how);
      await machine.round(["retry"]);
      expect(machine.docker("hub")).toBe(image("hub", 2));
    },
  );

  test("a release that fails beside one that fails as well says so", async () => {
    const machine = await running();
    machine.fail("mute", image("hub", 1), image("hub", 2));
    machine.publish(releaseOf(2));
    await machine.round();
    expect(machine.docker("hub")).toBe(image("hub", 1));
    expect(machine.report()?.reason).toBe(
      "no acked batch within 0 s (DATABASE_REFUSED); and 0.1.0 does not ack either",
    );
  });

  test("a first release that fails is tried again in every round", async () => {
    const machine = new Machine();
    machine.fail("mute", image("hub", 1));
    machine.publish(releaseOf(1));
    await machine.round();
    expect(machine.report()).toMatchObject({ outcome: "refused" });
    expect(machine.report()?.reason).toContain("no release ran before it");
    machine.fail("mute");
    await machine.round();
    expect(machine.report()).toMatchObject({ outcome: "running" });
  });

  test("another database image is not started, and the report says what to run", async () => {
    const machine = await running();
    const images = { hub: image("hub", 2), database: image("timescaledb", 2) };
    machine.publish(releaseOf(2, { images }));
    await machine.round();
    expect(machine.docker("database")).toBe(image("timescaledb", 1));
    expect(machine.report()).toMatchObject({
      outcome: "running",
      reason: "database image differs: run tickhub-database-upgrade",
    });
    expect((await machine.round(["database-upgrade"])).code).toBe(0);
    expect(machine.docker("database")).toBe(image("timescaledb", 2));
    expect(machine.report()).toMatchObject({ outcome: "running", reason: "" });
  });

  test("a database image of another major version is refused, and one that does not ack is taken back", async () => {
    const machine = await running();
    const images = { hub: image("hub", 2), database: image("timescaledb", 2) };
    machine.publish(releaseOf(2, { images }));
    await machine.round();
    machine.tellDocker("major-of-new", "18");
    const refused = await machine.round(["database-upgrade"]);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain("PostgreSQL 17 would become 18");
    machine.tellDocker("major-of-new", "17");
    machine.fail("mute", image("timescaledb", 2));
    expect((await machine.round(["database-upgrade"])).code).toBe(1);
    expect(machine.docker("database")).toBe(image("timescaledb", 1));
    expect(machine.state("database-image")).toBe(image("timescaledb", 1));
  });

  test.each([
    ["no JSON", "<html>", "it is no JSON"],
    ["another format", { ...releaseOf(2), format: 2 }, "its format is 2, this machine reads 1"],
    ["another stack", releaseOf(2, { stack: "oci-staging" }), "it is of the stack oci-staging"],
    [
      "an image without a digest",
      releaseOf(2, { images: { hub: "ghcr.io/somebody/hub:latest", database: image("t", 1) } }),
      "its images are not pinned by digest",
    ],
    [
      "a setting that an .env file would change",
      releaseOf(2, { settings: { TICKHUB_SYMBOLS: "$HOME" } }),
      "its settings TICKHUB_SYMBOLS have characters that an .env file cannot carry",
    ],
  ])("refuses %s, and what runs goes on", async (_what, release, reason) => {
    const machine = await running();
    machine.publish(typeof release === "string" ? release : JSON.stringify(release));
    await machine.round();
    expect(machine.report()).toMatchObject({ outcome: "refused", reason });
    expect(machine.docker("hub")).toBe(image("hub", 1));
  });

  test("a bucket that does not answer changes nothing", async () => {
    const machine = await running();
    const { code, stderr } = await machine.round([], { TICKHUB_FETCH: "false" });
    expect(code).toBe(0);
    expect(stderr).toContain("what runs goes on");
    expect(machine.version("current.json")).toBe("0.1.0");
  });

  test("a report that could not be handed on is handed on by the next round", async () => {
    const machine = await running();
    machine.publish(releaseOf(2));
    await machine.round([], { TICKHUB_REPORT: "false" });
    expect(machine.version("current.json")).toBe("0.2.0");
    expect(machine.report()).toMatchObject({ version: "0.1.0" });
    await machine.round();
    expect(machine.report()).toMatchObject({ version: "0.2.0" });
  });

  test("without the data volume it fails and starts nothing", async () => {
    const machine = new Machine();
    machine.publish(releaseOf(1));
    const { code, stderr } = await machine.round([], {
      TICKHUB_DATA: join(machine.folder, "away"),
    });
    expect(code).toBe(1);
    expect(stderr).toContain("is the data volume attached");
    expect(machine.docker("calls")).not.toContain("up");
  });
});

describe("a round that is killed", () => {
  const hook = join(mkdtempSync(join(tmpdir(), "tickhub-kill-")), "hook.bash");

  beforeAll(() => {
    // Before each command of the agent, in its functions and subshells too: is it this one?
    writeFileSync(
      hook,
      `[[ \${0##*/} == tickhub-release ]] || return 0
set -T
__n=0
trap 'if ((++__n == KILL_AT)); then kill -9 $$; fi' DEBUG
trap 'echo "$__n" >"$KILL_COUNT"' EXIT
`,
    );
  });

  test.each([
    ["a release that is kept", false],
    ["a release that is taken back", true],
  ])(
    "at any command of %s ends with the next rounds as if it had not been killed",
    async (_what, isMute) => {
      const before = await running();
      if (isMute) before.fail("mute", image("hub", 2));
      before.publish(releaseOf(2));
      const env = { BASH_ENV: hook };
      const counted = before.copy();
      const counter = join(counted.folder, "count");
      await counted.round([], { ...env, KILL_AT: "0", KILL_COUNT: counter });
      const commands = Number(readFileSync(counter, "utf8"));
      expect(commands).toBeGreaterThan(50);
      const wanted = endOf(counted);
      expect(wanted.report).toMatchObject({
        outcome: isMute ? "reverted" : "running",
        version: "0.2.0",
      });
      const steps = Array.from({ length: Math.ceil(commands / STRIDE) }, (_, n) => 1 + n * STRIDE);
      let killed = 0;
      const next = steps.values();
      await Promise.all(
        Array.from({ length: 3 }, async () => {
          for (const at of next) {
            const machine = before.copy();
            const round = await machine.round([], {
              ...env,
              KILL_AT: `${at}`,
              KILL_COUNT: "/dev/null",
            });
            if (round.signal === "SIGKILL") killed++;
            for (let again = 0; again < 5 && !isAt(machine, wanted); again++) await machine.round();
            expect(endOf(machine), `killed at command ${at}`).toEqual(wanted);
            machine.remove();
          }
        }),
      );
      expect(killed).toBe(steps.length);
    },
    600_000,
  );
});

/** Every so many commands: killed at each of them, the two tests take ten minutes. */
const STRIDE = 5;

interface End {
  hub: string;
  database: string;
  current: string | undefined;
  candidate: string | undefined;
  env: string;
  step: string;
  report: unknown;
}

/** All that a machine and its users see in the end, but for times. */
function endOf(machine: Machine): End {
  const report = { ...machine.report(), at: "" };
  return {
    hub: machine.docker("hub"),
    database: machine.docker("database"),
    current: machine.version("current.json"),
    candidate: machine.version("candidate.json"),
    env: machine.state(".env").replaceAll(machine.folder, ""),
    step: machine.state("status.json") ? machine.status().step : "",
    report,
  };
}

function isAt(machine: Machine, wanted: End): boolean {
  return JSON.stringify(endOf(machine)) === JSON.stringify(wanted);
}
