// Two recordings of one feed, compared as multisets of frames: for sources that number nothing, the same frames
// in any order are all that can be asked for. Pure, but for the reader of a file's lines.
//
//   wss://… <-> 1625273776.8       the socket opened
//   wss://… <- 1625273777.6: {…}   sent by us: not compared
//   1625273777.9: {…}              heard

export interface HeardFrame {
  /** Epoch ms, by the recorder's clock. */
  ms: number;
  text: string;
}

export interface FrameDifference extends HeardFrame {
  /** Who has it. */
  side: "left" | "right";
}

export interface FrameParity {
  /** Span in which both recorded, epoch ms. */
  fromMs: number;
  toMs: number;
  /** Frames heard, answers to requests aside. */
  left: number;
  right: number;
  /** Frames that both have. */
  matched: number;
  acks: { left: number; right: number };
  /** Frames of one side outside the common span or within a second of its ends. */
  atEdges: number;
  /** Frames of one side inside it, in the order in which they were heard. */
  differences: FrameDifference[];
}

/** What one side has alone so near to an end of the common span may lie beyond the other's. */
const EDGE_MS = 1_000;
const HEARD = /^(\d+(?:\.\d+)?): (.*)$/s;
const OURS = /^\S+ <-?>? ?\d/;

/** The frames heard, of one recording's lines. Lines of another form are counted. */
export function readFrames(lines: Iterable<string>): { frames: HeardFrame[]; unreadable: number } {
  const frames: HeardFrame[] = [];
  let unreadable = 0;
  for (const line of lines) {
    const [, stamp, text] = HEARD.exec(line) ?? [];
    if (stamp !== undefined && text !== undefined) frames.push({ ms: Number(stamp) * 1_000, text });
    else if (line !== "" && !OURS.test(line)) unreadable += 1;
  }
  return { frames, unreadable };
}

/** Compares the frames of the span that both recordings cover, whatever their order. */
export function compareFrames(
  left: readonly HeardFrame[],
  right: readonly HeardFrame[],
): FrameParity {
  const [lefts, rights] = [withoutAcks(left), withoutAcks(right)];
  const span = {
    fromMs: Math.max(firstMs(lefts), firstMs(rights)),
    toMs: Math.min(lastMs(lefts), lastMs(rights)),
  };
  const alone = [
    ...lacking(lefts, rights).map((frame) => ({ side: "left" as const, ...frame })),
    ...lacking(rights, lefts).map((frame) => ({ side: "right" as const, ...frame })),
  ];
  const isInside = ({ ms }: HeardFrame) => span.fromMs + EDGE_MS <= ms && ms <= span.toMs - EDGE_MS;
  const differences = alone.filter(isInside).sort((a, b) => a.ms - b.ms);
  const aloneLeft = alone.filter(({ side }) => side === "left").length;
  return {
    ...span,
    left: lefts.length,
    right: rights.length,
    matched: lefts.length - aloneLeft,
    acks: { left: left.length - lefts.length, right: right.length - rights.length },
    atEdges: alone.length - differences.length,
    differences,
  };
}

/** The frames of `these` that `those` has fewer of; of equal ones the last heard are the ones too many. */
function lacking(these: readonly HeardFrame[], those: readonly HeardFrame[]): HeardFrame[] {
  const left = new Map<string, number>();
  for (const { text } of those) left.set(text, (left.get(text) ?? 0) + 1);
  return these.filter(({ text }) => {
    const count = left.get(text) ?? 0;
    if (count > 0) left.set(text, count - 1);
    return count === 0;
  });
}

/** Answers to requests carry the request's own id, which is the socket's. */
function withoutAcks(frames: readonly HeardFrame[]): HeardFrame[] {
  return frames.filter(({ text }) => !isAck(text));
}

function isAck(text: string): boolean {
  if (text.length > 1_000) return false;
  try {
    const frame: unknown = JSON.parse(text);
    if (typeof frame !== "object" || frame === null) return false;
    return "id" in frame && !("method" in frame) && ("result" in frame || "error" in frame);
  } catch {
    return false;
  }
}

function firstMs(frames: readonly HeardFrame[]): number {
  return frames.reduce((least, { ms }) => Math.min(least, ms), Infinity);
}

function lastMs(frames: readonly HeardFrame[]): number {
  return frames.reduce((most, { ms }) => Math.max(most, ms), -Infinity);
}
