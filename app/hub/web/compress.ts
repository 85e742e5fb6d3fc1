// Compresses what a port answers, for people who look over a tailnet from a phone. On a thread of the pool, so
// that the loop that takes batches does not wait for it.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyInstance } from "fastify";
import { takesGzip } from "./event-stream.ts";

/** Less than a packet or two is not worth it. */
const BYTES_MIN = 2_048;
const LEVEL = 5;
const TYPES = /^(text\/|application\/json|image\/svg)/;

const compress = promisify(gzip);

export function addCompression(app: FastifyInstance): void {
  app.addHook("onSend", async (request, reply, payload) => {
    const isText = typeof payload === "string" || Buffer.isBuffer(payload);
    if (!isText || !TYPES.test(String(reply.getHeader("content-type")))) return payload;
    void reply.header("vary", "accept-encoding");
    const bytes = Buffer.from(payload);
    const isEncoded = reply.hasHeader("content-encoding");
    if (bytes.length < BYTES_MIN || isEncoded || !takesGzip(request.headers["accept-encoding"]))
      return payload;
    void reply.header("content-encoding", "gzip");
    void reply.removeHeader("content-length");
    return await compress(bytes, { level: LEVEL });
  });
}
