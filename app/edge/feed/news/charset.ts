// A document's bytes as text. What says which characters they are is asked in this order: a byte order mark,
// the answer's header, the XML declaration, and then the bytes themselves, because feeds say one thing and
// send another. Pure; no bytes make it throw.

/** Longest XML declaration that is looked at. */
const DECLARATION_BYTES_MAX = 1_024;

export interface Decoded {
  text: string;
  /** As the Encoding Standard names it: `utf-8`, `euc-kr`. */
  charset: string;
}

/**
 * The first of mark, header, declaration, UTF-8 and EUC-KR that fits every byte. Where none does, bytes are
 * broken: a few in a text are replaced (U+FFFD); a text that is mostly so is no such text, and read as
 * windows-1252, which fits anything.
 */
export function decode(bytes: Uint8Array, contentType: string): Decoded {
  const told = [markOf(bytes), charsetIn(contentType), declaredIn(bytes)];
  const candidates = [...new Set([...told, "utf-8", "euc-kr"])].filter((one) => one !== null);
  for (const charset of candidates) {
    const text = textAs(charset, bytes, true);
    if (text !== null) return { text, charset };
  }
  const [likeliest = "utf-8"] = candidates;
  const text = textAs(likeliest, bytes, false) ?? "";
  if (!isMostlyBroken(text)) return { text, charset: likeliest };
  return { text: textAs("windows-1252", bytes, false) ?? text, charset: "windows-1252" };
}

function markOf(bytes: Uint8Array): string | null {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  if (a === 0xff && b === 0xfe) return "utf-16le";
  return null;
}

function charsetIn(contentType: string): string | null {
  return known(/charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1]);
}

function declaredIn(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, DECLARATION_BYTES_MAX)).toString("latin1");
  return known(/<\?xml[^>]*?encoding\s*=\s*["']([^"'>]+)["']/i.exec(head)?.[1]);
}

/** The Encoding Standard's name of a label; null for one that it does not have. */
function known(label: string | undefined): string | null {
  if (label === undefined) return null;
  try {
    return new TextDecoder(label.trim()).encoding;
  } catch {
    return null;
  }
}

function textAs(charset: string, bytes: Uint8Array, fatal: boolean): string | null {
  try {
    return new TextDecoder(charset, { fatal }).decode(bytes);
  } catch {
    return null;
  }
}

/** Of what is beyond ASCII, more is broken than whole. */
function isMostlyBroken(text: string): boolean {
  let broken = 0;
  let whole = 0;
  for (const character of text) {
    if (character === "\ufffd") broken++;
    else if (character > "\u007f") whole++;
  }
  return broken > whole;
}
