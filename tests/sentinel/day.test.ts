// Whole days in virtual time, a look every 30 s, judged by all rules and told over the real HTTP of both messengers:
// twelve faults are twelve alerts and their recoveries, and a market's ordinary days are none.
import { afterEach, beforeEach, expect, it } from "vitest";
import { Channel } from "../../app/sentinel/channel.ts";
import { Duty } from "../../app/sentinel/duty.ts";
import { HubLine } from "../../app/sentinel/hub-line.ts";
import { Slack } from "../../app/sentinel/slack.ts";
import { Telegram } from "../../app/sentinel/telegram.ts";
import { seeded } from "../../app/sim/market/random.ts";
import { phaseAt } from "../../app/shared/calendar.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { BOT_TOKEN, CHAT, startSlack, startTelegram } from "./support/messengers.ts";
import type { Messenger } from "./support/messengers.ts";
import { FAULTS, World } from "./support/world.ts";
import type { Fault, FaultKind, Pause } from "./support/world.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const kst = (text: string) => Date.parse(`${text}+09:00`);

let telegram: Messenger;
let slack: Messenger;
beforeEach(async () => {
  telegram = await startTelegram();
  slack = await startSlack();
});
afterEach(async () => {
  await telegram.close();
  await slack.close();
});

/** Lives through the time from `fromMs` to `toMs`. */
async function live(world: Pick<World, "observe">, fromMs: number, toMs: number): Promise<void> {
  const clock = new FakeClock(fromMs);
  const emit = () => undefined;
  const channels = [
    new Channel(
      new Telegram({ url: telegram.url, token: BOT_TOKEN, chat: CHAT, clock }),
      clock,
      emit,
    ),
    new Channel(new Slack(slack.url, clock), clock, emit),
  ];
  let minted = 0;
  const duty = new Duty({
    ...{ language: "en", windows: [], dailyMinute: null, channels, clock, emit },
    line: new HubLine({
      hubUrl: "http://127.0.0.1:1",
      token: null,
      version: "1",
      route: undefined,
      clock,
    }),
    mintId: () => `id-${minted++}`,
    mintCode: () => `CODE${minted}`,
  });
  while (clock.nowMs() < toMs) {
    await duty.turn(world.observe(clock.nowMs()));
    for (const channel of channels) await channel.settled();
    clock.advance(30 * SECOND);
    for (const channel of channels) await channel.settled();
  }
}

const RULE_OF: Record<FaultKind, string> = {
  "hub down": "HUB_DOWN hub",
  "feed silent": "FEED_SILENT kis:1",
  "lease flapping": "LEASE_FLAPPING kis:1",
  "gaps unrefilled": "GAPS_UNREFILLED trades",
  parity: "PARITY_LOW parity",
  "outbox horizon": "OUTBOX_HORIZON kis",
  disk: "DISK_LOW hub",
  "clock skew": "CLOCK_SKEW kiwoom",
  backup: "BACKUP_STALE backup",
  egress: "METER_PROJECTION egress@kis",
  drift: "BROKER_DRIFT kis",
  "key expiry": "KEY_EXPIRY tickhub-hub",
};

/** Each for some minutes at a time of its own in the session; what grows slowly, for hours over all of it. */
function seededFaults(seed: number): Fault[] {
  const chance = seeded(seed);
  const openMs = kst("2026-12-23T09:10:00");
  const quick: FaultKind[] = [
    ...(["hub down", "feed silent", "lease flapping"] as const),
    ...(["gaps unrefilled", "outbox horizon", "clock skew"] as const),
  ];
  const slots = quick.map((_, slot) => slot).sort(() => chance() - 0.5);
  return FAULTS.map((kind) => {
    const at = quick.indexOf(kind);
    if (at < 0) {
      const fromMs = openMs + Math.floor(chance() * 4 * HOUR);
      return { kind, fromMs, toMs: fromMs + HOUR + Math.floor(chance() * 2 * HOUR) };
    }
    const fromMs = openMs + slots[at]! * HOUR + Math.floor(chance() * 30 * MINUTE);
    return { kind, fromMs, toMs: fromMs + 6 * MINUTE + Math.floor(chance() * 3 * MINUTE) };
  });
}

it.each([1, 7, 20_261_223])(
  "a day with twelve faults (seed %i) gives exactly twelve alerts and their recoveries, on both messengers",
  async (seed) => {
    const faults = seededFaults(seed);
    await live(new World(faults), kst("2026-12-23T06:00:00"), kst("2026-12-23T20:00:00"));
    // Several that came with one look are one message.
    const told = telegram.texts.flatMap((text) => text.split("\n\n"));
    const heads = told.map((text) =>
      /(ALERT|OVER|STILL|WORSE) (\S+ \S+)/.exec(text)?.slice(1).join(" "),
    );
    const wanted = FAULTS.flatMap((kind) => [`ALERT ${RULE_OF[kind]}`, `OVER ${RULE_OF[kind]}`]);
    expect(heads.sort()).toEqual(wanted.sort());
    expect(slack.texts.length).toBe(telegram.texts.length);
    expect(slack.texts.map((text) => text.replaceAll("&gt;", ">"))).toEqual(telegram.texts);
  },
  120_000,
);

const CLEAN: [string, string, string, Pause[]][] = [
  [
    "a trading day with auctions, a VI and a halt, and Christmas after it",
    "2026-12-24T00:00:00",
    "2026-12-26T00:00:00",
    [
      {
        symbol: "035720",
        kind: "vi",
        fromMs: kst("2026-12-24T10:12:00"),
        toMs: kst("2026-12-24T10:14:10"),
      },
      {
        symbol: "035720",
        kind: "halt",
        fromMs: kst("2026-12-24T11:00:00"),
        toMs: kst("2026-12-24T11:40:00"),
      },
    ],
  ],
  [
    "the days on which New York's summer time ends",
    "2026-10-30T20:00:00",
    "2026-11-03T12:00:00",
    [],
  ],
];

it.each(CLEAN)(
  "%s give no alert",
  async (_, from, to, pauses) => {
    const world = new World([], pauses);
    await live(world, kst(from), kst(to));
    expect(telegram.texts).toEqual([]);
    expect(slack.texts).toEqual([]);
  },
  120_000,
);

it("the clean days hold what they are to hold", () => {
  const kindAt = (venue: "KRX" | "NAS", text: string) => phaseAt(venue, kst(text)).session?.kind;
  expect(kindAt("KRX", "2026-12-24T08:50:00")).toBe("opening_auction");
  expect(kindAt("KRX", "2026-12-24T15:25:00")).toBe("closing_auction");
  expect(kindAt("KRX", "2026-12-25T10:00:00")).toBeUndefined();
  // New York closes early on Christmas Eve, and opens an hour later once its summer time is over.
  expect(kindAt("NAS", "2026-12-25T02:00:00")).toBe("regular");
  expect(kindAt("NAS", "2026-12-25T03:30:00")).toBe("after");
  expect(kindAt("NAS", "2026-10-30T22:45:00")).toBe("regular");
  expect(kindAt("NAS", "2026-11-02T22:45:00")).toBe("pre");
});

it("without what the broker says of them, the VI and the halt would be two alerts", async () => {
  const [, from, , pauses] = CLEAN[0]!;
  const world = new World([], pauses);
  const blind = {
    observe(nowMs: number) {
      const seen = world.observe(nowMs);
      if (seen.hub.name !== "seen") return seen;
      for (const { places } of seen.hub.watch.accounts) {
        for (const place of Object.values(places)) place.quiet = 0;
      }
      return seen;
    },
  };
  await live(blind, kst(from) + 9 * HOUR, kst(from) + 13 * HOUR);
  expect(telegram.texts.filter((text) => text.includes("ALERT FEED_SILENT"))).not.toEqual([]);
}, 60_000);
