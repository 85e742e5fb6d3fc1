// Which addresses are of the public internet. A name that resolves to any other one (a private network, a
// cloud's metadata service, this machine, the tailnet) is not followed there, whoever answered for it.
import { BlockList, isIP } from "node:net";

/** IANA's special-purpose IPv4 registry, and what is not unicast. */
const SPECIAL4 = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // also the tailnet's
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // also 169.254.169.254, metadata
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  SPECIAL4.addSubnet(network, prefix);
}

/** Of IPv6 the global unicast block alone, less what carries an IPv4 address inside. */
const GLOBAL6 = new BlockList();
GLOBAL6.addSubnet("2000::", 3, "ipv6");
const TUNNELS6 = new BlockList();
TUNNELS6.addSubnet("2001::", 32, "ipv6"); // Teredo
TUNNELS6.addSubnet("2002::", 16, "ipv6"); // 6to4

export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !SPECIAL4.check(address, "ipv4");
  return family === 6 && GLOBAL6.check(address, "ipv6") && !TUNNELS6.check(address, "ipv6");
}
