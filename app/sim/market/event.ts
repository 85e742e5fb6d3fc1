// What happens on the simulated market, once, before each broker says it in its own protocol. Both
// brokers render the same events, so that comparing them has a known answer.
import type { RecordKind } from "../counts.ts";

/** Something that trades. */
export interface Instrument {
  /** 005930, 0074K0, AAPL. */
  readonly code: string;
  readonly name: string;
  readonly market: "KRX" | "US";
  /** Which price steps it moves by. */
  readonly grid: "stock" | "etf" | "usd";
  /** Previous close: KRW, or USD with cents. */
  readonly basePrice: number;
}

/** One execution, with the day's totals right after it. */
export interface MarketTrade {
  readonly kind: "trade";
  readonly instrument: Instrument;
  /** Exchange time, epoch ms. */
  readonly marketMs: number;
  readonly price: number;
  readonly size: number;
  /** Aggressor: 1 buyer, -1 seller, 0 auction. */
  readonly side: 1 | -1 | 0;
  readonly ask: number;
  readonly bid: number;
  readonly askSize: number;
  readonly bidSize: number;
  readonly askTotal: number;
  readonly bidTotal: number;
  readonly cumVolume: number;
  readonly cumValue: number;
  readonly sellVolume: number;
  readonly buyVolume: number;
  readonly sellCount: number;
  readonly buyCount: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly openMs: number;
  readonly highMs: number;
  readonly lowMs: number;
  /** What a static VI is measured from. */
  readonly viPrice: number;
}

/** 0 in session, B opening auction, A closing auction, C auction after a VI (KIS HOUR_CLS_CODE). */
export type Phase = "0" | "A" | "B" | "C";

export interface Level {
  readonly price: number;
  readonly size: number;
}

/** A whole book, ten levels a side, best first; auctions show three and leave the rest 0. */
export interface MarketBook {
  readonly kind: "book";
  readonly instrument: Instrument;
  readonly marketMs: number;
  readonly phase: Phase;
  readonly asks: readonly Level[];
  readonly bids: readonly Level[];
  readonly askTotal: number;
  readonly bidTotal: number;
  /** Indicative auction price and size; 0 in session. */
  readonly expectedPrice: number;
  readonly expectedSize: number;
  readonly cumVolume: number;
}

/** What is neither. */
export type MarketStatus = { readonly kind: "status"; readonly marketMs: number } & (
  | {
      /** A volatility interruption begins (`on`) or ends. */
      readonly what: "vi";
      readonly instrument: Instrument;
      readonly on: boolean;
      readonly price: number;
      readonly viPrice: number;
      readonly onMs: number;
      readonly cumVolume: number;
      readonly cumValue: number;
    }
  | { readonly what: "halt"; readonly instrument: Instrument; readonly on: boolean }
  | {
      readonly what: "session";
      readonly session: "opening" | "open" | "closing" | "closed";
      readonly leftS: number;
    }
  | {
      /** The indicative price of an auction. */
      readonly what: "expected";
      readonly instrument: Instrument;
      readonly price: number;
      readonly size: number;
      readonly cumVolume: number;
    }
  | { readonly what: "price"; readonly instrument: Instrument; readonly last: MarketTrade }
);

export type MarketEvent = MarketTrade | MarketBook | MarketStatus;

export type BrokerName = "kis" | "kiwoom";

/** What a client has to register at a broker to be sent a record. */
export interface Registration {
  /** TR at KIS, type at Kiwoom. */
  readonly type: string;
  /** Key at KIS, item at Kiwoom; empty for the whole market. */
  readonly key: string;
  readonly kind: RecordKind;
  /** In the form of TICKHUB_SYMBOLS; empty for the whole market. */
  readonly symbol: string;
}

/** A frame that a broker has sent once, to be sent again as it is. */
export interface RecordedFrame {
  readonly kind: "frame";
  readonly broker: BrokerName;
  /** When it was read: its pace. Its own market clock may have stood still. */
  readonly marketMs: number;
  readonly bytes: Uint8Array;
  /** Empty when nobody can read whom it is for. */
  readonly registrations: readonly Registration[];
  readonly records: readonly RecordKind[];
}

/** Where events come from: the generator, a recording, or tapes of frames. */
export interface Market<Event extends MarketEvent | RecordedFrame = MarketEvent> {
  readonly instruments: readonly Instrument[];
  /** wall: market time is now. tape: market time is the recording's. */
  readonly time: "wall" | "tape";
  /** Market time of a tape's last event; null on the wall clock. */
  readonly endMs: number | null;
  /** All events in order of `marketMs`, the first not before `startMs` on the wall; a tape ends. */
  play(startMs: number): Generator<Event, void>;
  /** What is still played at `marketMs` when the market closes. */
  closing(marketMs: number): Event[];
}
