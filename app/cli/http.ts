// Small JSON requests to the processes of a stack, bounded in time.

const ANSWER_MS = 5_000;

/** GET, or POST when there is a body. null when nobody answers or the answer is not JSON. */
export async function fetchJson<T>(url: string, body?: unknown): Promise<T | null> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body === undefined
        ? {}
        : {
            method: "POST",
            body: JSON.stringify(body),
            headers: { "content-type": "application/json" },
          }),
    });
    return (await response.json()) as T;
  } catch {
    return null;
  }
}
