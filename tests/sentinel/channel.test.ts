// A message reaches people whatever the messenger does meanwhile: over the real HTTP of both APIs, in virtual time.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Channel } from "../../app/sentinel/channel.ts";
import { pieces } from "../../app/sentinel/message.ts";
import { Slack } from "../../app/sentinel/slack.ts";
import { Telegram } from "../../app/sentinel/telegram.ts";
import type { Event } from "../../app/shared/events.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { BOT_TOKEN, CHAT, startSlack, startTelegram } from "./support/messengers.ts";
import type { Messenger, TelegramServer } from "./support/messengers.ts";

let clock: FakeClock;
let events: Event[];
let telegram: TelegramServer;
let slack: Messenger;
const emit = (event: Event) => void events.push(event);

beforeEach(async () => {
  clock = new FakeClock();
  events = [];
  telegram = await startTelegram();
  slack = await startSlack();
});
afterEach(async () => {
  await telegram.close();
  await slack.close();
});

const bot = (token = BOT_TOKEN, chat = CHAT) =>
  new Telegram({ url: telegram.url, token, chat, clock });
const channels = () => ({
  telegram: { server: telegram as Messenger, channel: new Channel(bot(), clock, emit) },
  slack: { server: slack, channel: new Channel(new Slack(slack.url, clock), clock, emit) },
});

/** Lets `ms` pass, and what it starts come to an end. */
async function pass(channel: Channel, ms: number): Promise<void> {
  await channel.settled();
  clock.advance(ms);
  await channel.settled();
}

/** The servers hang; only the clock ends the request. */
async function endHanging(server: Messenger, before: number): Promise<void> {
  while (server.requests === before) await new Promise((resolve) => setTimeout(resolve, 5));
  clock.advance(15_000);
}

describe.each(["telegram", "slack"] as const)("%s", (name) => {
  it("takes messages in their order, one a second", async () => {
    const { server, channel } = channels()[name];
    channel.push("one");
    channel.push("two");
    channel.push("three");
    await pass(channel, 0);
    expect(server.texts).toEqual(["one"]);
    await pass(channel, 1_000);
    await pass(channel, 1_000);
    expect(server.texts).toEqual(["one", "two", "three"]);
    expect(channel.failing()).toBeNull();
  });

  it("is asked again as late as it says, and keeps the order", async () => {
    const { server, channel } = channels()[name];
    server.troubles = ["429"];
    channel.push("one");
    channel.push("two");
    const waitMs = name === "telegram" ? 7_000 : 11_000;
    await pass(channel, waitMs - 1);
    expect(server.texts).toEqual([]);
    expect(channel.failing()?.code).toBe("CHANNEL_BUSY");
    await pass(channel, 1);
    expect(server.texts).toEqual(["one"]);
    await pass(channel, 1_000);
    expect(server.texts).toEqual(["one", "two"]);
    expect(server.requests).toBe(3);
  });

  it("is asked again in growing steps after 5xx, a hang, and an answer that is none of its own", async () => {
    const { server, channel } = channels()[name];
    server.troubles = ["500", "hang", "html"];
    channel.push("kept");
    await pass(channel, 2_000 - 1);
    expect(server.requests).toBe(1);
    clock.advance(1);
    await endHanging(server, 1);
    await channel.settled();
    await pass(channel, 4_000);
    await pass(channel, 8_000);
    expect(server.texts).toEqual(["kept"]);
    expect(events.filter(({ event }) => event === "message_failed")).toHaveLength(3);
    expect(events.at(-1)).toEqual({ event: "message_sent", channel: name, tries: 4 });
  });

  it("that refuses this bot or webhook is asked every five minutes: a person may mend it", async () => {
    const { server, channel } = channels()[name];
    server.always = "refused";
    channel.push("kept");
    await pass(channel, 300_000);
    await pass(channel, 300_000);
    expect(server.requests).toBe(3);
    expect(channel.failing()).toEqual({ forMs: 600_000, code: "CHANNEL_REFUSED" });
    server.always = null;
    await pass(channel, 300_000);
    expect(server.texts).toEqual(["kept"]);
    expect(channel.failing()).toBeNull();
  });

  it("gives up a message that it will never take, and goes on with the next", async () => {
    const { server, channel } = channels()[name];
    server.troubles = ["unwanted"];
    channel.push("odd");
    channel.push("good");
    await pass(channel, 1_000);
    expect(server.texts).toEqual(["good"]);
    const dropped = { event: "message_dropped", channel: name, code: "CHANNEL_REFUSED" };
    expect(events).toContainEqual(dropped);
  });

  it("gets a long message in pieces that it takes, and `taken` with the last", async () => {
    const { server, channel } = channels()[name];
    let taken = 0;
    const text = Array.from({ length: 400 }, (_, i) => `line ${i} ${"🔴".repeat(6)}`).join("\n");
    channel.push(text, () => taken++);
    for (let i = 0; i < 5; i++) await pass(channel, 1_000);
    expect(server.texts.length).toBeGreaterThan(1);
    expect(server.texts.join("\n")).toBe(text);
    expect(taken).toBe(1);
  });

  it("drops the oldest of too many and says how many", async () => {
    const { server, channel } = channels()[name];
    server.troubles = ["500"];
    for (let i = 0; i < 210; i++) channel.push(`message ${i}`);
    expect(channel.waiting).toBe(200);
    await pass(channel, 2_000);
    expect(server.texts[0]).toBe("(10 older messages were dropped)\nmessage 0");
    await pass(channel, 1_000);
    expect(server.texts[1]).toBe("message 11");
  });
});

describe("telegram's own", () => {
  it("a wrong token and a wrong chat are refusals, and the token is in no event", async () => {
    const wrong = [bot("1:wrong-wrong-wrong-wrong"), bot(BOT_TOKEN, "12")];
    for (const messenger of wrong) {
      const channel = new Channel(messenger, clock, emit);
      channel.push("secret?");
      await channel.settled();
      expect(channel.failing()?.code).toBe("CHANNEL_REFUSED");
    }
    expect(await wrong[0]!.check()).toMatchObject({ name: "refused", reason: "401 Unauthorized" });
    expect((await bot().check()).name).toBe("sent");
    expect(JSON.stringify(events)).not.toMatch(/wrong-wrong|AAtests/);
  });

  it("hears the commands of its chat once, and of no other chat", async () => {
    const messenger = bot();
    telegram.write("/ack ABCDEF");
    telegram.write("/ack EVIL99", 666);
    expect(await messenger.commands()).toEqual(["/ack ABCDEF"]);
    expect(await messenger.commands()).toEqual([]);
    telegram.write("/status");
    expect(await messenger.commands()).toEqual(["/status"]);
  });
});

describe("slack's own", () => {
  it("the three characters of its markup are told as they are", async () => {
    const channel = new Channel(new Slack(slack.url, clock), clock, emit);
    channel.push("a < b & c > d");
    await channel.settled();
    expect(slack.texts).toEqual(["a &lt; b &amp; c &gt; d"]);
  });

  it("a webhook that is no more is a refusal", async () => {
    const channel = new Channel(new Slack(`${slack.url}/gone`, clock), clock, emit);
    channel.push("anybody?");
    await channel.settled();
    expect(channel.failing()?.code).toBe("CHANNEL_REFUSED");
  });
});

describe("pieces", () => {
  it("no piece is too long, none cuts a character, nothing is lost", () => {
    for (const text of ["", "short", "x".repeat(25), "🔴".repeat(13), "ab\n".repeat(20)]) {
      const cut = pieces(text, 10);
      expect(cut.every((piece) => piece.length <= 10)).toBe(true);
      expect(cut.every((piece) => piece.isWellFormed())).toBe(true);
      expect(cut.join("").replaceAll("\n", "")).toBe(text.replaceAll("\n", ""));
    }
  });
});
