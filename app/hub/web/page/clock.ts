// The browser's time and timers, the page's only way to them, as app/shared/clock.ts is the programs'.

export function nowMs(): number {
  return Date.now();
}

/** Calls `run` again and again; the returned function ends it. */
export function every(periodMs: number, run: () => void): () => void {
  const timer = setInterval(run, periodMs);
  return () => clearInterval(timer);
}

/** Calls `run` once; the returned function prevents it. */
export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
