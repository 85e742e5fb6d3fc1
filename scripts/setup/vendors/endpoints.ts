// Where the vendors answer. `{service}` is filled in. Tests put loopback addresses in their place
// (TICKHUB_SETUP_ENDPOINTS, a JSON object with some of these names).

export const ENDPOINTS = {
  /** Empty: each service's own host. */
  oci: "",
  tailscale: "https://api.tailscale.com",
  google: "https://{service}.googleapis.com",
  northflank: "https://api.northflank.com",
};

export type Endpoints = typeof ENDPOINTS;

export function endpoints(env: NodeJS.ProcessEnv): Endpoints {
  const given = env["TICKHUB_SETUP_ENDPOINTS"];
  return given ? { ...ENDPOINTS, ...(JSON.parse(given) as Partial<Endpoints>) } : ENDPOINTS;
}

export function fill(template: string, values: Record<string, string>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}
