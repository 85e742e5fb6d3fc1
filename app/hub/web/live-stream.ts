// /live: the whole picture once, then what changed of it, and the trades that changed, as named server-sent events
// (app/shared/web-api.ts). The picture is made, compared and written out once a second for all readers together.
import type { Clock } from "../../shared/clock.ts";
import type { LastTrade } from "../query/live.ts";
import { PictureParts } from "../query/picture-parts.ts";
import type { Picture } from "../query/picture.ts";
import { eventOf, EventStream } from "./event-stream.ts";

export interface LiveStreamOptions {
  clock: Clock;
  readersMax: number;
  picture: () => Promise<Picture>;
  /** Trades that changed after `version`. */
  trades: (version: number) => { version: number; trades: LastTrade[] };
}

/** What a reader has: versions of both. */
interface LiveReader {
  picture: number;
  trades: number;
}

/** Has nothing yet. */
export function newReader(): LiveReader {
  return { picture: NOTHING, trades: NOTHING };
}

const NOTHING = -1;
const PERIOD_MS = 500;
const PICTURE_MS = 1_000;

export type LiveStream = EventStream<LiveReader>;

export function createLiveStream(options: LiveStreamOptions): LiveStream {
  const { clock, readersMax, picture, trades } = options;
  const parts = new PictureParts();
  let lookedMs = Number.NEGATIVE_INFINITY;
  /** By the version they start from: most readers have the same one. */
  let changed = new Map<number, { version: number; text: string }>();
  const tradesSince = (since: number) => {
    const known = changed.get(since);
    if (known) return known;
    const { version, trades: news } = trades(Math.max(0, since));
    const isNews = since === NOTHING || news.length > 0;
    const made = { version, text: isNews ? eventOf(JSON.stringify(news), "trades") : "" };
    changed.set(since, made);
    return made;
  };
  return new EventStream({
    clock,
    readersMax,
    periodMs: PERIOD_MS,
    slow: "skip",
    async prepare() {
      changed = new Map();
      // A turn may come a little early or late; the page wants one each second.
      if (clock.monoMs() - lookedMs < PICTURE_MS - PERIOD_MS / 2) return;
      lookedMs = clock.monoMs();
      parts.hear(await picture());
    },
    frames(reader) {
      let text = "";
      if (reader.picture !== parts.version) {
        const isNext = reader.picture !== NOTHING && reader.picture === parts.version - 1;
        const change = isNext ? parts.change() : null;
        text += change === null ? eventOf(parts.whole(), "picture") : eventOf(change, "change");
        reader.picture = parts.version;
      }
      const news = tradesSince(reader.trades);
      reader.trades = news.version;
      return text + news.text;
    },
  });
}
