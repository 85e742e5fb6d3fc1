// Which sources are the internet. Whatever is not surely a private range counts as public, so that no way
// of writing an address (`0/0`, `::/0`, two halves of the world, a single address) passes unseen.

/** Private, shared (tailnet) and link-local IPv4 ranges: first address as a number, and prefix length. */
const PRIVATE_V4: readonly [base: number, prefix: number][] = [
  [numberOf4([10, 0, 0, 0]), 8],
  [numberOf4([172, 16, 0, 0]), 12],
  [numberOf4([192, 168, 0, 0]), 16],
  [numberOf4([100, 64, 0, 0]), 10],
];

const OCTET = "(0|[1-9]\\d{0,2})";
const V4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}/(\\d{1,2})$`);
/** Unique local (fc00::/7) and link-local (fe80::/10) addresses, with the shortest prefix inside each. */
const PRIVATE_V6: readonly [addresses: RegExp, prefix: number][] = [
  [/^f[cd][0-9a-f]{2}:[0-9a-f:]*\/(\d{1,3})$/i, 7],
  [/^fe[89ab][0-9a-f]:[0-9a-f:]*\/(\d{1,3})$/i, 10],
];

/** Whether a CIDR block lies wholly within private ranges. */
export function isPrivate(cidr: string): boolean {
  const four = V4.exec(cidr);
  if (four) {
    const [, a, b, c, d, length] = four.map(Number) as [number, ...number[]];
    if ([a, b, c, d].some((octet) => octet! > 255) || length! > 32) return false;
    const address = numberOf4([a!, b!, c!, d!]);
    return PRIVATE_V4.some(
      ([base, prefix]) => length! >= prefix && maskOf(address, prefix) === base,
    );
  }
  return PRIVATE_V6.some(([addresses, prefix]) => {
    const length = addresses.exec(cidr)?.[1];
    return length !== undefined && Number(length) >= prefix && Number(length) <= 128;
  });
}

function numberOf4(octets: [number, number, number, number]): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

function maskOf(address: number, prefix: number): number {
  const size = 2 ** (32 - prefix);
  return Math.floor(address / size) * size;
}
