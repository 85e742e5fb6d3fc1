// Direct or relayed, from a LocalAPI on a unix socket as tailscaled serves it.
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findPath, pathInWords } from "../../app/measure/path.ts";
import { systemClock } from "../../app/shared/clock.ts";

const folder = mkdtempSync(join(tmpdir(), "tickhub-path-"));
let number = 0;

/** As tailscaled v1.94 writes a peer, shortened. */
const hub = {
  ID: "nHUB1CNTRL",
  PublicKey: "nodekey:1",
  HostName: "tickhub-hub",
  DNSName: "tickhub-hub.tail1234.ts.net.",
  OS: "linux",
  TailscaleIPs: ["100.64.0.1", "fd7a:115c:a1e0::1"],
  Addrs: null,
  CurAddr: "",
  Relay: "tok",
  PeerRelay: "",
  Online: true,
  Active: true,
};
const other = {
  ...hub,
  ...{ HostName: "other", DNSName: "other.tail1234.ts.net.", TailscaleIPs: ["100.64.0.9"] },
};

async function tailscaled(answer: unknown, status = 200): Promise<string> {
  const socketPath = join(folder, `${++number}.sock`);
  const server = createServer((request, response) => {
    const isIt = request.url === "/localapi/v0/status";
    response.writeHead(isIt ? status : 404).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  onTestFinished(() => server.close().closeAllConnections());
  return socketPath;
}

const peers = (...all: object[]) => ({
  BackendState: "Running",
  Self: {
    ...other,
    HostName: "home",
    DNSName: "home.tail1234.ts.net.",
    TailscaleIPs: ["100.64.0.5"],
  },
  Peer: Object.fromEntries(all.map((peer, i) => [`nodekey:${i}`, peer])),
});
const pathTo = (host: string, address: string | null, socketPath: string) =>
  findPath({ host, address, socketPath, clock: systemClock });

test("a peer with a current address is reached directly, whatever its home relay", async () => {
  const socket = await tailscaled(peers(other, { ...hub, CurAddr: "203.0.113.7:41641" }));
  const path = await pathTo("tickhub-hub", "100.64.0.1", socket);
  expect(path).toMatchObject({ name: "direct", address: "203.0.113.7:41641" });
  expect(pathInWords(path)).toBe("direct, 203.0.113.7:41641 (tickhub-hub.tail1234.ts.net)");
});

test("a peer without one is reached by its relay while packets flow, else nobody knows", async () => {
  const relayed = await pathTo("hub", "100.64.0.1", await tailscaled(peers(other, hub)));
  expect(relayed).toEqual({ name: "relayed", peer: "tickhub-hub.tail1234.ts.net", relay: "tok" });
  expect(pathInWords(relayed)).toBe("relayed by tok (tickhub-hub.tail1234.ts.net)");
  const own = await tailscaled(peers({ ...hub, PeerRelay: "198.51.100.1:3478:vni:5" }));
  expect(await pathTo("hub", "100.64.0.1", own)).toMatchObject({
    relay: "198.51.100.1:3478:vni:5",
  });
  const idle = await tailscaled(peers({ ...hub, Active: false }));
  expect(await pathTo("hub", "100.64.0.1", idle)).toMatchObject({ name: "idle" });
});

test("a name that a proxy resolves is found among the tailnet's names, and by IPv6", async () => {
  const socket = await tailscaled(peers(other, { ...hub, CurAddr: "203.0.113.7:1" }));
  for (const name of [
    "tickhub-hub.tail1234.ts.net",
    "TICKHUB-HUB",
    "tickhub-hub.tail1234.ts.net.",
  ]) {
    expect(await pathTo(name, null, socket), name).toMatchObject({ name: "direct" });
  }
  expect(await pathTo("fd7a:115c:a1e0::1", null, socket)).toMatchObject({ name: "direct" });
  expect(await pathTo("hub.example.com", null, socket)).toEqual({
    name: "not a tailnet address",
    address: "hub.example.com",
  });
});

test("an address outside the tailnet is said to be one, and nobody is asked", async () => {
  const nowhere = join(folder, "nowhere.sock");
  expect(pathInWords(await pathTo("hub", "192.0.2.7", nowhere))).toBe(
    "not a tailnet address: 192.0.2.7",
  );
  expect(await pathTo("localhost", "127.0.0.1", nowhere)).toEqual({ name: "this machine" });
  const self = await tailscaled(peers(hub));
  expect(await pathTo("home", "100.64.0.5", self)).toEqual({ name: "this machine" });
});

test("without a clear answer the path is unknown, with the reason", async () => {
  const nowhere = join(folder, "nowhere.sock");
  expect(await pathTo("hub", "100.64.0.1", nowhere)).toEqual({
    name: "unknown",
    reason: `no tailscaled at ${nowhere}`,
  });
  for (const socket of [
    await tailscaled(peers(other)),
    await tailscaled({ Peer: null }),
    await tailscaled("nonsense"),
    await tailscaled({}, 403),
  ]) {
    expect(await pathTo("hub", "100.64.0.1", socket)).toMatchObject({ name: "unknown" });
  }
});
