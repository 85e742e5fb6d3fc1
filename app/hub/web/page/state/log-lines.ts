// The central log as the page shows it: the newest lines that fit a filter, older ones on demand, and new ones as
// they come. Promises: bounded, in order, each line once.
import { batch, signal } from "@preact/signals";
import type { LogLine, LogList } from "../../../../shared/web-api.ts";
import { after } from "../clock.ts";
import { ask, search } from "./api.ts";

export interface LogFilter {
  edge: string;
  level: string;
  event: string;
  q: string;
}

const LINES_KEPT = 1_000;
const PAGE = 200;
const RETRY_MS = 2_000;

/** Oldest first. */
export const lines = signal<readonly LogLine[]>([]);
export const failure = signal<{ code: string; hint: string } | null>(null);
/** Whether there may be older ones than those shown. */
export const hasOlder = signal(false);

/** Reads the newest, and follows when asked to. The returned function ends it. */
export function openLog(filter: LogFilter, isFollowing: boolean): () => void {
  let isOver = false;
  let source: EventSource | null = null;
  let cancel = () => {};
  const follow = (afterId: number) => {
    if (isOver) return;
    let lastId = afterId;
    source = new EventSource(`/api/logs/live${search({ ...filter, afterId })}`);
    source.onmessage = ({ data }) => {
      const { lines: more, lastId: id } = JSON.parse(String(data)) as LogList;
      lastId = Math.max(lastId, id);
      append(more);
    };
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) {
        cancel = after(RETRY_MS, () => follow(lastId));
      }
    };
  };
  void ask<LogList>(`/api/logs${search({ ...filter, limit: PAGE })}`).then((answer) => {
    if (isOver) return;
    batch(() => {
      failure.value = answer.ok ? null : answer;
      lines.value = answer.ok ? answer.value.lines : [];
      hasOlder.value = answer.ok && answer.value.lines.length >= PAGE;
    });
    if (answer.ok && isFollowing) follow(answer.value.lastId);
  });
  return () => {
    isOver = true;
    cancel();
    source?.close();
  };
}

/** A stream that was opened again may repeat itself. */
function append(more: readonly LogLine[]): void {
  const lastId = lines.peek().at(-1)?.id ?? 0;
  const fresh = more.filter(({ id }) => id > lastId);
  if (fresh.length > 0) lines.value = [...lines.peek(), ...fresh].slice(-LINES_KEPT);
}

export async function readOlder(filter: LogFilter): Promise<void> {
  const first = lines.peek()[0];
  if (!first) return;
  const answer = await ask<LogList>(
    `/api/logs${search({ ...filter, untilMs: first.atMs, limit: PAGE })}`,
  );
  if (!answer.ok) return;
  const known = new Set(lines.peek().map(({ id }) => id));
  const older = answer.value.lines.filter(({ id }) => !known.has(id));
  batch(() => {
    lines.value = [...older, ...lines.peek()].slice(0, LINES_KEPT);
    hasOlder.value = older.length > 0 && lines.peek().length < LINES_KEPT;
  });
}
