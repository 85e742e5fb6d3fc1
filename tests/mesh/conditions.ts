// May the mesh be built here, and can it? Pure, so that the answers are tested where neither holds.

/** Why nothing is run, or null: it takes a word before namespaces are made on somebody's machine. */
export function wayIn(args: readonly string[], env: NodeJS.ProcessEnv): string | null {
  if (env["TICKHUB_CI"] === "1" || args.includes("--here")) return null;
  return (
    "this makes network namespaces and devices on this machine, as root. " +
    "Next: npm run test:mesh -- --here, or TICKHUB_CI=1 npm run test:mesh"
  );
}

export interface Machine {
  platform: string;
  isRoot: boolean;
  /** Can /dev/net/tun be opened? */
  hasTun: boolean;
  hasIp: boolean;
  /** What `go version` says; empty where there is none. */
  go: string;
}

/** headscale v0.29.2 asks for it. */
const GO_MIN = [1, 26, 4] as const;

/** Everything that is missing, each with what to do about it. */
export function whatIsMissing({ platform, isRoot, hasTun, hasIp, go }: Machine): string[] {
  if (platform !== "linux") return ["network namespaces are Linux's; this is " + platform];
  const missing: string[] = [];
  if (!isRoot) missing.push("network namespaces need root; run it with sudo");
  if (!hasTun) missing.push("/dev/net/tun cannot be opened; in a container, pass it as a device");
  if (!hasIp) missing.push("there is no `ip`; install iproute2");
  const found = /go([\d.]+)/.exec(go)?.[1];
  if (found === undefined) missing.push("there is no Go; install 1.26.4 or newer");
  else if (isOlder(found.split(".").map(Number), GO_MIN)) {
    missing.push(`Go is ${found}; 1.26.4 or newer is needed`);
  }
  return missing;
}

function isOlder(version: readonly number[], least: readonly number[]): boolean {
  const index = least.findIndex((part, at) => (version[at] ?? 0) !== part);
  return index >= 0 && (version[index] ?? 0) < least[index]!;
}
