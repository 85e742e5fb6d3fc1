// Requests to a broker's REST: evenly spaced, slower after a refusal, and one token for all.
import { expect, it } from "vitest";
import { Credential } from "../../../app/edge/feed/credential.ts";
import { Pacer } from "../../../app/edge/feed/pacer.ts";
import { TickhubError } from "../../../app/shared/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const OPTIONS = { spacingMs: 100, spacingMaxMs: 2_000 };
const tooFast = () => Promise.reject(new TickhubError("FEED_RATE_LIMITED"));

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

it("requests that want to go at once go one after the other", async () => {
  const clock = new FakeClock();
  const pacer = new Pacer({ clock, ...OPTIONS });
  const sentMs: number[] = [];
  for (let i = 0; i < 5; i++) {
    void pacer.ask(
      () => Promise.resolve(sentMs.push(clock.monoMs())),
      () => false,
    );
  }
  for (let i = 0; i < 50; i++) {
    await settled();
    clock.advance(10);
  }
  expect(sentMs).toEqual([0, 100, 200, 300, 400]);
});

it("a request that was too fast goes again, later each time, until its time is over", async () => {
  const clock = new FakeClock();
  const pacer = new Pacer({ clock, ...OPTIONS });
  const sentMs: number[] = [];
  const answered = pacer.ask(
    () => {
      sentMs.push(clock.monoMs());
      return tooFast();
    },
    () => clock.monoMs() > 5_000,
  );
  const outcome = answered.catch((error: unknown) => error);
  for (let i = 0; i < 1_000; i++) {
    await settled();
    clock.advance(10);
  }
  expect(await outcome).toMatchObject({ code: "FEED_RATE_LIMITED" });
  const spaces = sentMs.slice(1).map((at, i) => at - sentMs[i]!);
  expect(spaces).toEqual([500, 500, 800, 1_600, 2_000]);
});

it("a token is asked for once a while, however many want it and however often it is refused", async () => {
  const clock = new FakeClock();
  let issued = 0;
  const issue = () =>
    Promise.resolve({ text: `token-${++issued}`, untilMs: clock.nowMs() + 1_000 });
  const token = new Credential({ clock, issue, spacingMs: 60_000 });
  expect(await Promise.all([token.get(), token.get()])).toEqual(["token-1", "token-1"]);
  token.drop("another");
  expect(await token.get()).toBe("token-1");
  token.drop("token-1");
  await expect(token.get()).rejects.toMatchObject({ code: "FEED_RATE_LIMITED" });
  clock.advance(60_000);
  expect(await token.get()).toBe("token-2");
  clock.advance(1_000);
  await expect(token.get()).rejects.toMatchObject({ code: "FEED_RATE_LIMITED" });
});
