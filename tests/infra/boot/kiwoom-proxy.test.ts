// The Kiwoom proxy's unit: its image is taken once, and after that only an operator moves it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { image, Machine, releaseOf } from "./support/machine.ts";

const SCRIPT = "infra/vm/tickhub-kiwoom-proxy";

/** A machine's proxy commands; `calls` is what Docker and systemd were asked since. */
function proxyOf(machine: Machine) {
  const bin = mkdtempSync(join(tmpdir(), "tickhub-bin-"));
  const log = join(bin, "calls");
  writeFileSync(log, "");
  for (const name of ["docker", "systemctl"]) {
    writeFileSync(join(bin, name), `#!/bin/bash\necho "${name} $*" >>${log}\n`, { mode: 0o755 });
  }
  return {
    run: (...args: string[]) =>
      spawnSync(SCRIPT, args, {
        encoding: "utf8",
        env: {
          PATH: `${bin}:${process.env.PATH ?? ""}`,
          TICKHUB_DATA: join(machine.folder, "data"),
          TICKHUB_TAILNET_IP: "100.64.0.1",
        },
      }),
    calls: () => readFileSync(log, "utf8"),
  };
}

test("the proxy runs the first release's image, on the tailnet's address, and keeps it over releases", async () => {
  const machine = new Machine();
  const proxy = proxyOf(machine);
  expect(proxy.run("run").status).not.toBe(0);
  machine.publish(releaseOf(1));
  await machine.round();
  expect(proxy.run("run").status).toBe(0);
  machine.publish(releaseOf(2));
  await machine.round();
  expect(machine.version("current.json")).toBe("0.2.0");
  expect(machine.docker("calls")).not.toContain("kiwoom-proxy");
  expect(proxy.run("run").status).toBe(0);
  const runs = proxy.calls().match(/docker run .*/g)!;
  expect(runs).toHaveLength(2);
  for (const run of runs) {
    expect(run).toContain("--publish 100.64.0.1:8640:8640 ");
    expect(run).not.toContain("--network host");
    expect(run).toContain(`${image("hub", 1)} proxy --listen 0.0.0.0:8640`);
  }
});

test("an operator moves it to the current release's image, or to one that is pinned", async () => {
  const machine = new Machine();
  const proxy = proxyOf(machine);
  machine.publish(releaseOf(1));
  await machine.round();
  expect(proxy.run("move").status).toBe(0);
  expect(machine.state("kiwoom-proxy-image")).toBe(image("hub", 1));
  expect(proxy.calls()).toContain(`docker pull --quiet ${image("hub", 1)}`);
  expect(proxy.calls()).toContain("systemctl restart tickhub-kiwoom-proxy.service");
  const refused = proxy.run("move", "ghcr.io/somebody/hub:latest");
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain("not pinned by a digest");
  expect(machine.state("kiwoom-proxy-image")).toBe(image("hub", 1));
});
