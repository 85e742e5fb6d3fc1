// What a broker says, as it may stand in an event: brokers repeat what they were sent, keys included.

/** Enough for a broker's sentence. */
const WORDS_MAX = 120;

/** `words` without any of `secrets`, cut to a line. */
export function masked(words: string, secrets: readonly string[]): string {
  const told = secrets
    .filter((secret) => secret !== "")
    .reduce((text, secret) => text.replaceAll(secret, "…"), words);
  return told.slice(0, WORDS_MAX);
}
