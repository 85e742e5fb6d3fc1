// `tickhub proxy` as systemd runs it: a process, a port, a signal.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../app/shared/clock.ts";
import { dialThrough } from "../../app/shared/dial/dial.ts";
import { tickhub } from "../support/cli.ts";

describe("tickhub proxy", () => {
  it.each(["8640", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:8640"])(
    "--listen %s is a usage error",
    async (listen) => {
      const result = await tickhub(["proxy", "--listen", listen, "--json"]);
      expect(result.code).toBe(2);
      expect(result.json).toMatchObject({ code: "USAGE" });
      expect(result.stderr).toContain("ADDRESS:PORT");
    },
  );

  it("does not listen on every address unless it is told that this is meant", async () => {
    const result = await tickhub(["proxy", "--listen", "0.0.0.0:0", "--json"]);
    expect(result.json).toMatchObject({ ok: false, code: "GATEWAY_PUBLIC" });
  });

  it("refuses other hosts, and ends in order at SIGTERM", async () => {
    const child = spawn(
      process.execPath,
      ["app/cli/main.ts", "proxy", "--listen", "127.0.0.1:0", "--json"],
      {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, TICKHUB_LOG_LEVEL: "silent" },
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const line = await new Promise<string>((resolve) =>
      createInterface(child.stdout).once("line", resolve),
    );
    const { event, url } = JSON.parse(line) as { event: string; url: string };
    expect(event).toBe("proxy_listening");
    const dial = dialThrough([new URL(url)], { clock: systemClock, answerMs: 10_000 });
    await expect(dial({ host: "example.com", port: 443 })).rejects.toMatchObject({
      code: "PROXY_REFUSED",
      context: { reason: "HTTP 403" },
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });
});
