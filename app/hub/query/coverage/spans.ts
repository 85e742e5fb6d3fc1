// Stretches of market time and what can be done with them: sorted lists without overlap, painted one over
// another. The arithmetic behind the ledger of coverage; pure.

/** From `fromMs` up to, not including, `toMs`; epoch ms of the market. */
export interface Span {
  fromMs: number;
  toMs: number;
}

/** Sorted, without overlap or touch, nothing empty. */
export function union(spans: readonly Span[]): Span[] {
  const sorted = spans
    .filter(({ fromMs, toMs }) => fromMs < toMs)
    .sort((one, other) => one.fromMs - other.fromMs);
  const joined: Span[] = [];
  for (const { fromMs, toMs } of sorted) {
    const last = joined.at(-1);
    if (last && fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs);
    else joined.push({ fromMs, toMs });
  }
  return joined;
}

/** What of `spans` lies inside `within`, each with all it carries. */
export function clip<S extends Span>(spans: readonly S[], within: Span): S[] {
  const inside: S[] = [];
  for (const span of spans) {
    const fromMs = Math.max(span.fromMs, within.fromMs);
    const toMs = Math.min(span.toMs, within.toMs);
    if (fromMs < toMs) inside.push({ ...span, fromMs, toMs });
  }
  return inside;
}

/** `within` less `spans`; `spans` sorted and without overlap. */
export function without(within: Span, spans: readonly Span[]): Span[] {
  const left: Span[] = [];
  let { fromMs } = within;
  for (const span of clip(spans, within)) {
    if (fromMs < span.fromMs) left.push({ fromMs, toMs: span.fromMs });
    fromMs = Math.max(fromMs, span.toMs);
  }
  if (fromMs < within.toMs) left.push({ fromMs, toMs: within.toMs });
  return left;
}

/** What `spans` (sorted, without overlap) and `others` (the same) have in common, as the first carry it. */
export function common<S extends Span>(spans: readonly S[], others: readonly Span[]): S[] {
  return others.flatMap((other) => clip(spans, other)).sort((a, b) => a.fromMs - b.fromMs);
}

/**
 * Paints `upper` over `lower`: both sorted and without overlap, and so is the result. What is covered is
 * cut away; what stays keeps all it carries.
 */
export function overlay<S extends Span>(lower: readonly S[], upper: readonly S[]): S[] {
  if (upper.length === 0) return [...lower];
  const painted: S[] = [];
  let at = 0;
  for (const span of lower) {
    let { fromMs } = span;
    while (at < upper.length && upper[at]!.toMs <= fromMs) at += 1;
    for (let next = at; next < upper.length && upper[next]!.fromMs < span.toMs; next++) {
      const over = upper[next]!;
      if (fromMs < over.fromMs) painted.push({ ...span, fromMs, toMs: over.fromMs });
      fromMs = Math.max(fromMs, over.toMs);
    }
    if (fromMs < span.toMs) painted.push({ ...span, fromMs, toMs: span.toMs });
  }
  return [...painted, ...upper].sort((one, other) => one.fromMs - other.fromMs);
}

/** The same of any list: later ones are painted over earlier ones. */
export function stacked<S extends Span>(spans: readonly S[]): S[] {
  let painted: S[] = [];
  for (const span of spans) {
    if (span.fromMs >= span.toMs) continue;
    if (span.fromMs >= (painted.at(-1)?.toMs ?? -Infinity)) painted.push(span);
    else painted = overlay(painted, [span]);
  }
  return painted;
}

/** Milliseconds that `spans`, which do not overlap, last together. */
export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
}
