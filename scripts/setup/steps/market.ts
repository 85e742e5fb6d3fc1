// What to collect, and with how many keys: KIS registers 41 things a session, so a list of symbols says how many
// app keys it needs before anybody waits for the first tick.
import { HUB } from "../setup.ts";
import type { Step } from "../setup.ts";
import { same } from "../words.ts";

/** Registrations of one KIS session; a symbol takes one for trades and one for its book. */
const KIS_REGISTRATIONS = 41;

export const kisKeysFor = (symbols: number): number =>
  Math.max(1, Math.ceil((2 * symbols) / KIS_REGISTRATIONS));

export const market: Step = {
  name: "market",
  title: { en: "What to collect", ko: "수집 대상" },
  async run({ io, memory, pulumi }) {
    const symbols = await io.ask(
      {
        en: "Symbols, separated by commas (005930,000660,NAS:AAPL):",
        ko: "종목 (쉼표로 구분, 예: 005930,000660,NAS:AAPL):",
      },
      {
        check: (text) =>
          text.split(",").every((one) => /^([A-Z]{2,4}:)?[A-Z0-9.]{1,12}$/.test(one.trim()))
            ? null
            : same("005930,000660"),
      },
    );
    const count = symbols.split(",").length;
    const keys = kisKeysFor(count);
    io.say({
      en: `  ${count} symbols need ${keys} KIS app key(s): one session registers ${KIS_REGISTRATIONS}, a symbol takes two`,
      ko: `  ${count}종목에는 KIS 앱 키 ${keys}개가 필요합니다 (세션당 ${KIS_REGISTRATIONS}건, 종목당 2건)`,
    });
    const accounts = [...Array.from({ length: keys }, (_, i) => `kis:${i + 1}`), "kiwoom:1"];
    memory.set("kisKeys", String(keys));
    await pulumi.set(HUB, "symbols", symbols.replaceAll(" ", ""));
    await pulumi.set(HUB, "accounts", accounts.join(","));
  },
};
