// What streams of events promise about their readers, with a clock and responses of the test's own: bounded, paced,
// compressed where wanted, and a reader that does not keep up fills nobody's memory.
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { createGunzip } from "node:zlib";
import { describe, expect, test } from "vitest";
import { eventOf, EventStream, takesGzip } from "../../app/hub/web/event-stream.ts";
import type { EventStreamOptions } from "../../app/hub/web/event-stream.ts";
import { createLiveStream, newReader } from "../../app/hub/web/live-stream.ts";
import type { Picture } from "../../app/hub/query/picture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../support/hub.ts";

/** A response that takes everything, or nothing once it is stuck. */
class FakeResponse extends Writable {
  text = "";
  isStuck = false;
  #stuck: () => void = () => undefined;
  headers: Record<string, unknown> = {};
  writeHead(_status: number, headers: Record<string, unknown>): void {
    this.headers = headers;
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.isStuck) this.#stuck = done;
    else done();
  }
  /** Takes what waited. */
  loosen(): void {
    this.isStuck = false;
    this.#stuck();
  }
  events(): { name: string; data: unknown }[] {
    return [...this.text.matchAll(/event: (.*)\ndata: (.*)\n/g)].map(([, name, json]) => {
      return { name: name!, data: JSON.parse(json!) as unknown };
    });
  }
}

function rig(options: Partial<EventStreamOptions<string>> = {}) {
  const clock = new FakeClock();
  const left: string[] = [];
  const stream = new EventStream<string>({
    ...{ clock, periodMs: 250, readersMax: 2, slow: "drop" },
    frames: (reader) => eventOf(JSON.stringify(reader)),
    left: (reader) => left.push(reader),
    ...options,
  });
  const add = (reader: string, encoding?: string): FakeResponse => {
    const response = new FakeResponse();
    const request = { headers: { "accept-encoding": encoding } } as unknown as IncomingMessage;
    stream.add(reader, request, response as unknown as ServerResponse, { "x-of": "page" });
    return response;
  };
  return { clock, stream, add, left };
}

const turn = (clock: FakeClock, ms: number) => clock.advanceSlowly(ms, 50);

describe("a stream of events", () => {
  test("sends at once, then at its pace, and nothing where there is nothing", async () => {
    let said = "one";
    const { clock, add } = rig({ frames: () => (said ? eventOf(JSON.stringify(said)) : "") });
    const response = add("a");
    await turn(clock, 100);
    expect(response.text).toBe('retry: 1000\n\ndata: "one"\n\n');
    expect(response.headers).toMatchObject({ "content-type": "text/event-stream", "x-of": "page" });
    said = "";
    await turn(clock, 2_000);
    expect(response.text).toBe('retry: 1000\n\ndata: "one"\n\n');
  });

  test("tells a quiet reader now and then that it is still here", async () => {
    const { clock, add } = rig({ frames: () => "" });
    const response = add("a");
    await turn(clock, 16_000);
    expect(response.text).toBe("retry: 1000\n\n: still here\n\n");
  });

  test("is full at its limit; who leaves makes room, and is told of", async () => {
    const { stream, add, left, clock } = rig();
    const first = add("a");
    add("b");
    expect(stream.isFull()).toBe(true);
    first.destroy();
    await turn(clock, 50);
    expect([stream.isFull(), stream.size, left]).toEqual([false, 1, ["a"]]);
  });

  test("drops a reader that does not keep up, and others go on", async () => {
    const big = eventOf(JSON.stringify("x".repeat(100_000)));
    const { clock, stream, add, left } = rig({ frames: () => big });
    const [slow, quick] = [add("slow"), add("quick")];
    slow.isStuck = true;
    await turn(clock, 2_000);
    expect([left, stream.size, slow.destroyed, quick.destroyed]).toEqual([
      ["slow"],
      1,
      true,
      false,
    ]);
    expect(slow.writableLength).toBeLessThan(500_000);
  });

  test("or skips it, where that is enough", async () => {
    const big = eventOf(JSON.stringify("x".repeat(100_000)));
    const { clock, stream, add } = rig({ slow: "skip", frames: () => big });
    const slow = add("slow");
    slow.isStuck = true;
    await turn(clock, 5_000);
    expect([stream.size, slow.writableLength < 500_000]).toEqual([1, true]);
  });

  test("is compressed for whoever takes it, event by event", async () => {
    const { clock, add } = rig();
    const response = add("a", "gzip, br");
    expect(response.headers).toMatchObject({ "content-encoding": "gzip" });
    const parts: Buffer[] = [];
    response._write = (chunk: Buffer, _encoding, done) => (parts.push(chunk), done());
    const unzip = createGunzip();
    let text = "";
    unzip.on("data", (part: Buffer) => (text += part.toString()));
    await until(async () => {
      await turn(clock, 50);
      for (const part of parts.splice(0)) unzip.write(part);
      return text.includes('"a"');
    }, "the first event");
    expect(text).toContain('data: "a"\n\n');
  });

  test.each([
    ["gzip", true],
    ["br, gzip;q=0.5", true],
    ["gzip;q=0", false],
    ["gzip; q=0.0, br", false],
    ["x-gzip-not", false],
    ["identity", false],
    [undefined, false],
  ])("%s is compressed: %s", (accepted, is) => {
    expect(takesGzip(accepted)).toBe(is);
  });
});

describe("/live", () => {
  const picture = (fields: object) =>
    ({
      ...{ version: "1", nowMs: 0, rows: { trade: 1 }, edges: [] },
      coverage: { day: 1, gaps: [{ id: 1 }], checkedMs: 5 },
      ...fields,
    }) as unknown as Picture;

  test("sends the whole, then what changed, coverage by its own fields, and trades by theirs", async () => {
    const clock = new FakeClock();
    let now = picture({});
    let version = 1;
    let looks = 0;
    const stream = createLiveStream({
      ...{ clock, readersMax: 3 },
      picture: () => {
        looks++;
        return Promise.resolve(now);
      },
      trades: (since) => ({
        version,
        trades: since < version ? ([{ seq: version }] as never) : [],
      }),
    });
    const open = () => {
      const response = new FakeResponse();
      const request = new EventEmitter() as unknown as IncomingMessage;
      request.headers = {};
      stream.add(newReader(), request, response as unknown as ServerResponse, {});
      return response;
    };
    const one = open();
    await turn(clock, 100);
    expect(one.events()).toEqual([
      { name: "picture", data: picture({}) },
      { name: "trades", data: [{ seq: 1 }] },
    ]);
    now = picture({ nowMs: 7, coverage: { ...picture({}).coverage, checkedMs: 6 } });
    version = 2;
    await turn(clock, 500);
    expect(one.events().slice(2)).toEqual([{ name: "trades", data: [{ seq: 2 }] }]);
    await turn(clock, 500);
    expect(one.events().slice(3)).toEqual([
      { name: "change", data: { nowMs: 7, coverage: { checkedMs: 6 } } },
    ]);
    const other = open();
    await turn(clock, 100);
    expect(other.events()).toEqual([
      { name: "picture", data: now },
      { name: "trades", data: [{ seq: 2 }] },
    ]);
    // One look a second, however many read.
    expect(looks).toBe(2);
  });

  test("gives a reader that did not keep up the whole again", async () => {
    const clock = new FakeClock();
    let nowMs = 0;
    const stream = createLiveStream({
      ...{ clock, readersMax: 3 },
      picture: () => Promise.resolve(picture({ nowMs: ++nowMs, rows: "x".repeat(300_000) })),
      trades: () => ({ version: 0, trades: [] }),
    });
    const response = new FakeResponse();
    response.isStuck = true;
    const request = { headers: {} } as unknown as IncomingMessage;
    stream.add(newReader(), request, response as unknown as ServerResponse, {});
    await turn(clock, 5_000);
    expect(response.writableLength).toBeLessThan(1_000_000);
    response.loosen();
    await turn(clock, 1_000);
    const [first, , second, third] = response.events();
    expect([first!.name, second!.name, third!.name]).toEqual(["picture", "picture", "change"]);
    expect(second!.data).toMatchObject({ nowMs: 6 });
  });
});
