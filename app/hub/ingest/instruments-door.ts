// Tells edges what instruments are called: `GET /instruments` beside the gateway, with an edge's token. A news
// edge has no database and keeps no file, and tags what it reads by these names.
import type { IncomingMessage } from "node:http";
import { CANARY } from "../../shared/canary.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Emit } from "../../shared/events.ts";
import type { InstrumentName } from "../../shared/instruments.ts";
import { asStoreError } from "../../store/database.ts";
import type { DoorAnswer } from "./evidence-door.ts";

export interface InstrumentsDoorOptions {
  /** The gateway's own: why whoever asks as this edge has no business here. */
  vet: (edge: string, request: IncomingMessage) => Promise<ErrorCode | null>;
  read: () => Promise<InstrumentName[]>;
  emit: Emit;
}

export class InstrumentsDoor {
  readonly #options: InstrumentsDoorOptions;
  /** Several edges that ask at once are answered by one look at the table. */
  #reading: Promise<InstrumentName[]> | null = null;

  constructor(options: InstrumentsDoorOptions) {
    this.#options = options;
  }

  async answer(edge: string, request: IncomingMessage): Promise<DoorAnswer> {
    const { vet, read } = this.#options;
    const code = edge === CANARY ? "EDGE_TOKEN" : await vet(edge, request);
    if (code) return this.#refuse(edge, code, request.socket.remoteAddress ?? "");
    try {
      this.#reading ??= read().finally(() => (this.#reading = null));
      return { status: 200, body: { instruments: await this.#reading } };
    } catch (error) {
      return this.#refuse(edge, asStoreError(error).code, "");
    }
  }

  #refuse(edge: string, code: ErrorCode, address: string): DoorAnswer {
    this.#options.emit({ event: "edge_refused", edge: edge.slice(0, 64), address, code });
    const status = code === "EDGE_TOKEN" ? 401 : code === "EDGE_IDENTITY" ? 403 : 503;
    return { status, body: { code, hint: ERRORS[code].hint } };
  }
}
