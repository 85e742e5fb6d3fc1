// Where a port of ours may listen: this machine, or the tailnet. Asked before anything binds, by the hub for
// both of its ports and by the edge for its status port.
import { BlockList, isIP } from "node:net";
import { TickhubError } from "./errors.ts";

/** This machine alone. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** Addresses of a tailnet (https://tailscale.com/kb/1015/100.x-addresses, kb/1033/ip-and-dns-addresses). */
const TAILNET = new BlockList();
TAILNET.addSubnet("100.64.0.0", 10);
TAILNET.addSubnet("fd7a:115c:a1e0::", 48, "ipv6");

/** Addresses that nobody on the public Internet has (IANA's special-purpose registries): ours, a cloud's metadata server. */
const INNER = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  INNER.addSubnet(net, bits);
}
for (const [net, bits] of [
  ["::", 96],
  ["64:ff9b:1::", 48],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const) {
  INNER.addSubnet(net, bits, "ipv6");
}

/** True for an address that anybody may have; false for what is no address. */
export function isPublic(address: string): boolean {
  return isIP(address) !== 0 && !isIn(INNER, address);
}

/** True for an address of a tailnet, also when written as IPv4 in IPv6. */
export function isTailnet(address: string): boolean {
  return isIn(TAILNET, address);
}

/** True for this machine's own address. */
export function isLoopback(address: string): boolean {
  return isIn(LOOPBACK, address);
}

/**
 * Throws GATEWAY_PUBLIC for anything but loopback and the tailnet. Also for RFC 1918: a cloud's public
 * address is usually a private one behind its NAT. `0.0.0.0` and `::` are every address, and a name may
 * mean another one tomorrow.
 */
export function assertPrivate(bind: string, allowPublic: boolean): void {
  if (allowPublic || bind === "localhost" || isLoopback(bind) || isTailnet(bind)) return;
  throw new TickhubError("GATEWAY_PUBLIC", { bind });
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}
