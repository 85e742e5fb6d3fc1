// The feed whose broker is the quarantine: frames that could not be read when they came go through decoder and
// sequencer again, with the clocks they were read at. Pure: what was stored before a record is asked by the
// caller, between the two steps.
import type { MarketClock } from "../../../shared/market-clock.ts";
import type { Reject, Tick, Trade } from "../../../shared/tick.ts";
import type { ReadAt } from "../decoded.ts";
import type { Records } from "../delivery.ts";
import type { Registration } from "../feed.ts";
import { registrationKey } from "../feed.ts";
import { KisDecoder } from "../kis/decode.ts";
import { KiwoomDecoder } from "../kiwoom/decode.ts";
import { Sequencer } from "../sequencer.ts";
import type { Position } from "../sequencer.ts";

/** What reads a source's frames: KisDecoder, KiwoomDecoder. */
export interface FrameDecoder {
  decode(frame: Uint8Array, at: ReadAt): Records | { kind: string };
}

/** A frame decoded again; `rows` are empty when it held no record at all. */
export interface Decoded {
  rows: (Tick | Reject)[];
}

/** Reads one source's rejects, in the order in which they were received. */
export class RejectReader {
  readonly #decoder: FrameDecoder;
  readonly #market: MarketClock;
  readonly #sequencer: Sequencer;
  readonly #seen = new Map<string, Registration>();

  constructor(source: string, market: MarketClock, decoder: FrameDecoder = decoderOf(source)) {
    this.#decoder = decoder;
    this.#market = market;
    this.#sequencer = new Sequencer({ market });
  }

  decode(bytes: Uint8Array, edgeRecvMs: number): Decoded {
    const decoded = this.#decoder.decode(bytes, { edgeRecvMs, marketMs: this.#market(edgeRecvMs) });
    if (decoded.kind === "reject") return { rows: [(decoded as { reject: Reject }).reject] };
    if (decoded.kind !== "data") return { rows: [] };
    const { ticks, rejects } = decoded as Extract<Records, { kind: "data" }>;
    return { rows: [...ticks, ...rejects] };
  }

  /**
   * What the live sequencer would have made of them. `positionOf` names the last trade stored before one;
   * the account was assigned whatever it received.
   */
  sequence(
    { rows }: Decoded,
    positionOf: (trade: Trade) => Position | undefined,
  ): (Tick | Reject)[] {
    return rows.map((row) => {
      if (row.kind === "reject") return this.#sequencer.stamp(row);
      const { venue, symbol, kind: channel } = row;
      this.#seen.set(registrationKey({ venue, symbol, channel }), { venue, symbol, channel });
      const position = row.kind === "trade" ? positionOf(row) : undefined;
      this.#sequencer.assign([...this.#seen.values()], position ? [position] : []);
      return this.#sequencer.accept(row);
    });
  }
}

/** The decoder of a source's broker. */
export function decoderOf(source: string): KisDecoder | KiwoomDecoder {
  return source.startsWith("kis:") ? new KisDecoder() : new KiwoomDecoder();
}
