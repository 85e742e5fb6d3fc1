// One question to the hub's /api. Promises: never throws; what is no answer has a code and the next step.
import type { ApiError } from "../../../../shared/web-api.ts";

export type Answer<T> = { ok: true; value: T } | ({ ok: false } & ApiError);

export async function ask<T>(path: string, init?: RequestInit): Promise<Answer<T>> {
  try {
    const response = await fetch(path, init);
    const body = (await response.json().catch(() => null)) as unknown;
    if (response.ok && body !== null) return { ok: true, value: body as T };
    const said = (body ?? {}) as Partial<ApiError>;
    const { code = `HTTP_${response.status}`, hint = "", problems } = said;
    return { ok: false, code, hint, ...(problems ? { problems } : {}) };
  } catch (error) {
    return { ok: false, code: "UNREACHABLE", hint: error instanceof Error ? error.message : "" };
  }
}

/** `?source=kis%3A1&…`; what is empty is left out. */
export function search(fields: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.size > 0 ? `?${query}` : "";
}
