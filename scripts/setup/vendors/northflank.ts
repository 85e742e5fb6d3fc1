// Northflank, as far as the wizard asks it: is the token good, is the project where Korea is near.
import { call, said } from "./call.ts";

/** Tokyo; a project's region can never be changed. */
export const REGION = "asia-northeast";

interface Found {
  data?: { region?: string };
}

export type NorthflankProject = { state: "missing" } | { state: "there"; region: string };

/** The project, or why it cannot be told. Source: https://northflank.com/docs/v1/api */
export async function readProject(
  base: string,
  token: string,
  id: string,
): Promise<NorthflankProject | string> {
  const answer = await call(`${base}/v1/projects/${id}`, headersOf(token));
  if (answer.status === 404) return { state: "missing" };
  if (answer.status !== 200) return said(answer);
  return { state: "there", region: (answer.json as Found).data?.region ?? "" };
}

/** Makes it in Tokyo. Null, or why not. */
export async function makeProject(base: string, token: string, id: string): Promise<string | null> {
  const { headers } = headersOf(token);
  const answer = await call(`${base}/v1/projects`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ name: id, region: REGION, description: "tickhub's collectors" }),
  });
  return answer.status >= 200 && answer.status < 300 ? null : said(answer);
}

function headersOf(token: string) {
  return { headers: { authorization: `Bearer ${token}` } };
}
