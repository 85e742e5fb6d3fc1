// The brokers' keys, straight into the encrypted config. They are tried from where the collectors will run
// (`tickhub probe`), because Kiwoom takes a key from a registered address only.
import { NORTHFLANK } from "../setup.ts";
import type { Step } from "../setup.ts";
import { same } from "../words.ts";

export const brokers: Step = {
  name: "brokers",
  title: { en: "Brokers' keys", ko: "증권사 키" },
  async run({ io, memory, pulumi }) {
    const count = Number(memory.get("kisKeys") ?? "1");
    io.say({
      en: `KIS Developers (apiportal.koreainvestment.com): ${count} app key(s) with secrets. Kiwoom REST API (openapi.kiwoom.com): one pair; its address is registered after the hub exists.`,
      ko: `KIS Developers (apiportal.koreainvestment.com): 앱 키 ${count}쌍. 키움 REST API (openapi.kiwoom.com): 한 쌍. IP 등록은 허브가 생긴 뒤에 합니다.`,
    });
    const ask = async (name: string, words: string) => {
      if ((await pulumi.get(NORTHFLANK, `secrets.${name}`)) !== undefined) return;
      const value = await io.ask(same(words), {
        secret: true,
        check: (text) =>
          name.startsWith("KIS") && text.split(",").length !== count
            ? { en: `${count} of them, separated by commas.`, ko: `쉼표로 구분하여 ${count}개.` }
            : null,
      });
      await pulumi.setSecret(NORTHFLANK, `secrets.${name}`, value);
    };
    await ask("KIS_APP_KEY", "KIS app key:");
    await ask("KIS_APP_SECRET", "KIS app secret:");
    await ask("KIWOOM_APP_KEY", "Kiwoom app key:");
    await ask("KIWOOM_SECRET_KEY", "Kiwoom secret key:");
  },
};
