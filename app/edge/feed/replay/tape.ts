// The feed whose broker is a tape: raw frames go through the same decoders and the same sequencer as live
// ones, with the clocks they were read at. Everything that follows is decided by the tape alone, so a
// second replay gives the same records in the same order.
import { decodeBatch } from "../../../shared/batch.ts";
import type { RawFrame } from "../../../shared/batch.ts";
import { ticksOf } from "../../../shared/batch.ts";
import { TickhubError } from "../../../shared/errors.ts";
import type { MarketClock } from "../../../shared/market-clock.ts";
import { parseMarketClock } from "../../../shared/market-clock.ts";
import { openTape } from "../../../shared/tape-file.ts";
import type { Reject, Tick } from "../../../shared/tick.ts";
import type { Registration } from "../feed.ts";
import { registrationKey } from "../feed.ts";
import { KisDecoder } from "../kis/decode.ts";
import { KiwoomDecoder } from "../kiwoom/decode.ts";
import { Sequencer } from "../sequencer.ts";

/** A record as it came off the tape, and when the live edge had read it. */
export interface Replayed {
  account: string;
  row: Tick | Reject;
  readMs: number;
}

const LIMITS = { rowsMax: 1_000_000, rawBytesMax: 256 * 2 ** 20 };

/** All records of a tape of raw frames, in capture order. Throws TAPE_UNREADABLE. */
export async function* replayTape(path: string): AsyncGenerator<Replayed> {
  const tape = await openTape(path);
  const market = parseMarketClock(String(tape.meta.market ?? "wall"));
  const accounts = new Map<string, ReplayedAccount>();
  for await (const bytes of tape.batches) {
    const batch = decodeBatch(bytes, LIMITS);
    if (batch.kind !== "frame") {
      throw new TickhubError("TAPE_UNREADABLE", {
        path,
        what: `a batch of ${batch.kind}, not frames`,
      });
    }
    const { account } = batch.header;
    let one = accounts.get(account);
    if (!one) accounts.set(account, (one = new ReplayedAccount(account, market)));
    for (const frame of ticksOf(batch) as RawFrame[]) {
      for (const row of one.read(frame)) yield { account, row, readMs: frame.edgeRecvMs };
    }
  }
}

/** Decoder and sequencer of one account. The tape holds what was assigned, so whatever it holds is. */
class ReplayedAccount {
  readonly #decoder: KisDecoder | KiwoomDecoder;
  readonly #sequencer: Sequencer;
  readonly #seen = new Map<string, Registration>();

  constructor(account: string, market: MarketClock) {
    this.#decoder = account.startsWith("kis:") ? new KisDecoder() : new KiwoomDecoder();
    this.#sequencer = new Sequencer({ market });
  }

  read({ bytes, edgeRecvMs, marketMs }: RawFrame): (Tick | Reject)[] {
    const decoded = this.#decoder.decode(bytes, { edgeRecvMs, marketMs });
    if (decoded.kind === "reject") return [this.#sequencer.stamp(decoded.reject)];
    if (decoded.kind !== "data") return [];
    for (const tick of decoded.ticks) this.#assign(tick);
    return [
      ...decoded.ticks.map((tick) => this.#sequencer.accept(tick)),
      ...decoded.rejects.map((reject) => this.#sequencer.stamp(reject)),
    ];
  }

  #assign({ venue, symbol, kind: channel }: Tick): void {
    const registration = { venue, symbol, channel };
    const key = registrationKey(registration);
    if (this.#seen.has(key)) return;
    this.#seen.set(key, registration);
    this.#sequencer.assign([...this.#seen.values()]);
  }
}
