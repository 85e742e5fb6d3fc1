// The operator's door: what was sent, what time it is, stop, and faults on demand.
import { z } from "zod";
import type { Door } from "./door.ts";
import { openDoor } from "./door.ts";
import { faultSchema } from "./faults.ts";
import type { Sim } from "./sim.ts";

const stopSchema = z.strictObject({ close: z.boolean().default(false) });

/** GET /counts, GET /market, GET /trades, GET /tampered, POST /open, POST /stop {close?}, POST /fault {kind, broker, …}. */
export function openControl(sim: Omit<Sim, "urls" | "close">, port: number): Promise<Door> {
  return openDoor({
    port,
    socketsMax: 0,
    serve: (server) => {
      server.get("/counts", () => sim.counts());
      server.get("/market", () => sim.market());
      server.get("/trades", () => sim.trades());
      server.get("/tampered", () => sim.tampered());
      server.post("/open", () => {
        sim.open();
        return sim.market();
      });
      server.post("/stop", (request, reply) => {
        const asked = stopSchema.safeParse(request.body ?? {});
        if (!asked.success) return reply.code(400).send({ error: z.prettifyError(asked.error) });
        sim.stop(asked.data);
        return reply.send(sim.counts());
      });
      server.post("/fault", (request, reply) => {
        const asked = faultSchema.safeParse(request.body);
        if (!asked.success) return reply.code(400).send({ error: z.prettifyError(asked.error) });
        return reply.send({ touched: sim.fault(asked.data) });
      });
    },
  });
}
