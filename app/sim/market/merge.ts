// Several recordings that play together.

/** Several ordered streams as one, in order of time. */
export function* merge<Event extends { readonly marketMs: number }>(
  streams: readonly Iterator<Event, void>[],
): Generator<Event, void> {
  const heads = streams.map((stream) => stream.next());
  for (;;) {
    let earliest = -1;
    for (const [i, head] of heads.entries()) {
      if (head.done) continue;
      const best = heads[earliest]?.value;
      if (!best || head.value.marketMs < best.marketMs) earliest = i;
    }
    if (earliest < 0) return;
    yield heads[earliest]!.value!;
    heads[earliest] = streams[earliest]!.next();
  }
}
