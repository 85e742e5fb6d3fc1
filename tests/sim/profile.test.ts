import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../app/shared/errors.ts";
import { lengthMs, profileMarket, readProfile } from "../../app/sim/market/profile.ts";
import type { Profile } from "../../app/sim/market/profile.ts";
import { deriveProfiles, textOf } from "../../scripts/stress-profiles.ts";
import { newStateDir } from "../support/cli.ts";
import { dataFile } from "../support/data.ts";

const PROFILES = "app/sim/profiles";
const SMALL: Profile = {
  ...{ name: "small", market: "KRX", about: [], symbols: 5, concentration: 0.8, clumpMean: 3 },
  ...{ auction: true, binMs: 100, trade: [10.4, 2.4, 0, 7.2], book: [3.5, 0, 1.5, 2] },
};

function playedBy(profile: Profile, times: number) {
  return [...profileMarket(profile, times, 1).play(1_000_000)];
}

describe("a profile's market", () => {
  it("has the profile's records times the factor, in order of time and in their bins", () => {
    const events = playedBy(SMALL, 10);
    const trades = events.filter((event) => event.kind === "trade" && event.side !== 0);
    expect(trades).toHaveLength(200);
    expect(events.filter(({ kind }) => kind === "book")).toHaveLength(70);
    expect(events.filter((event) => event.kind === "trade" && event.side === 0)).toHaveLength(5);
    const times = events.map(({ marketMs }) => marketMs - 1_000_000);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const inBin = (bin: number) =>
      events.filter(({ marketMs }) => Math.floor((marketMs - 1_000_000) / 100) === bin).length;
    expect([0, 1, 2, 3].map(inBin)).toEqual([104 + 35 + 5, 24, 15, 72 + 20]);
  });

  it("hands on what a bin's count leaves over, so that nothing is rounded away", () => {
    const events = playedBy({ ...SMALL, auction: false }, 7);
    expect(events.filter(({ kind }) => kind === "trade")).toHaveLength(140);
    expect(events.filter(({ kind }) => kind === "book")).toHaveLength(49);
  });

  it("has a cumulative volume without a hole for each symbol", () => {
    const ends = new Map<string, number>();
    for (const event of playedBy(SMALL, 10)) {
      if (event.kind !== "trade") continue;
      const { instrument, cumVolume, size } = event;
      expect(cumVolume - size).toBe(ends.get(instrument.code) ?? 0);
      ends.set(instrument.code, cumVolume);
    }
  });

  it("is the same from the same seed", () => {
    expect(playedBy(SMALL, 3)).toEqual(playedBy(SMALL, 3));
  });

  it("has as many symbols of its own exchange as it says", () => {
    const us = profileMarket({ ...SMALL, market: "US", symbols: 30 }, 1, 1).instruments;
    expect(new Set(us.map(({ code }) => code)).size).toBe(30);
    expect(us.every(({ market, code }) => market === "US" && /^[A-Z]{3,5}$/.test(code))).toBe(true);
  });
});

describe("a profile's file", () => {
  it.each(["krx-open", "us-open"])(
    "%s is read, is a minute long and begins at its busiest",
    (name) => {
      const profile = readProfile(join(PROFILES, `${name}.json`));
      expect(profile).toMatchObject({ name, symbols: 100 });
      expect(lengthMs(profile)).toBe(60_000);
      const second = (from: number) => profile.trade.slice(from, from + 10).reduce((a, b) => a + b);
      const seconds = Array.from({ length: 60 }, (_, i) => second(i * 10));
      expect(Math.max(...seconds)).toBe(seconds[0]);
    },
  );

  it("that has another form is refused with the field's name", () => {
    const path = join(newStateDir(), "profile.json");
    const codeAndReason = (content: string) => {
      writeFileSync(path, content);
      try {
        readProfile(path);
        return null;
      } catch (error) {
        return [codeOf(error), (error as { context: { reason: string } }).context.reason];
      }
    };
    expect(codeAndReason("{")).toEqual(["PROFILE_UNREADABLE", "no JSON"]);
    expect(codeAndReason(JSON.stringify({ ...SMALL, symbols: 0 }))![1]).toMatch(/^symbols: /);
    expect(codeAndReason(JSON.stringify({ ...SMALL, book: [1] }))![1]).toMatch(/as many bins/);
    expect(codeAndReason(JSON.stringify(SMALL))).toBeNull();
  });

  it("comes out of the recordings as it is committed", async ({ skip }) => {
    const log = dataFile("raw-websocket/usdm-btcusdt_20240808.gz");
    if (log === null) return skip("recorded data is not there");
    for (const profile of Object.values(
      deriveProfiles(join(log, "../..")) as Record<string, Profile>,
    )) {
      const committed = readFileSync(join(PROFILES, `${profile.name}.json`), "utf8");
      expect(await textOf(profile)).toBe(committed);
    }
  });
});
