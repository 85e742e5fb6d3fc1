// Tailscale, as far as the wizard asks it: is the token good, what is the tailnet's name, who are its admins.
import { call, said } from "./call.ts";

export interface Tailnet {
  /** MagicDNS suffix; undefined while no machine has joined. */
  domain: string | undefined;
  admins: string[];
}

interface Device {
  name: string;
}
interface User {
  loginName: string;
  role: string;
}

/** What the token sees of its own tailnet, or why not. Source: https://tailscale.com/api */
export async function readTailnet(base: string, token: string): Promise<Tailnet | string> {
  const headers = { authorization: `Bearer ${token}` };
  const devices = await call(`${base}/api/v2/tailnet/-/devices`, { headers });
  if (devices.status !== 200) return said(devices);
  const users = await call(`${base}/api/v2/tailnet/-/users`, { headers });
  const name = (devices.json as { devices?: Device[] }).devices?.[0]?.name;
  const known = users.status === 200 ? ((users.json as { users?: User[] }).users ?? []) : [];
  return {
    // host.tail1234.ts.net
    domain: name?.includes(".") ? name.slice(name.indexOf(".") + 1) : undefined,
    admins: known.filter(({ role }) => /^(owner|admin)$/.test(role)).map((user) => user.loginName),
  };
}
