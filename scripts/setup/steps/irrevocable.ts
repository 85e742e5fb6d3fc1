// What cannot be changed later, before anything is made: regions and terms. Nobody should learn of them after
// an account exists.
import type { Step } from "../setup.ts";

/** Home regions from which Korea is near. Chuncheon is listed, because a user there has to be told. */
const REGIONS = [
  {
    name: "ap-seoul-1",
    words: { en: "Seoul (ap-seoul-1): nearest", ko: "서울 (ap-seoul-1): 가장 가까움" },
  },
  {
    name: "ap-tokyo-1",
    words: { en: "Tokyo (ap-tokyo-1): about 30 ms more", ko: "도쿄 (ap-tokyo-1): 약 30ms 더 걸림" },
  },
  { name: "ap-osaka-1", words: { en: "Osaka (ap-osaka-1)", ko: "오사카 (ap-osaka-1)" } },
  {
    name: "ap-chuncheon-1",
    words: { en: "Chuncheon (ap-chuncheon-1)", ko: "춘천 (ap-chuncheon-1)" },
  },
  { name: "other", words: { en: "another one", ko: "다른 리전" } },
] as const;

export const irrevocable: Step = {
  name: "irrevocable",
  title: { en: "What cannot be undone later", ko: "나중에 되돌릴 수 없는 것" },
  async run({ io, memory }) {
    const region = await io.choose(
      {
        en: "Oracle Cloud: the home region is chosen when the account is opened and never changes. Only there is anything free. Which is yours, or will be?",
        ko: "오라클 클라우드: 홈 리전은 계정을 만들 때 정해지고 바꿀 수 없으며, 무료 자원은 홈 리전에만 있습니다. 어느 리전입니까?",
      },
      REGIONS,
    );
    if (region === "ap-chuncheon-1") {
      io.say({
        en: "Chuncheon has no free A1 machine. An account with that home region cannot run the hub for nothing: open one with another home region (another e-mail address), then run this again.",
        ko: "춘천 리전에는 무료 A1 서버가 없습니다. 홈 리전이 춘천인 계정으로는 허브를 무료로 돌릴 수 없습니다. 다른 이메일로 다른 홈 리전의 계정을 만든 뒤 다시 실행하십시오.",
      });
      throw new Stopped();
    }
    if (region !== "other") memory.set("region", region);

    const personal = await io.confirm({
      en: "Tailscale: the free Personal plan is for non-commercial use only. Do you collect for yourself (or have a paid plan)?",
      ko: "Tailscale: 무료 Personal 요금제는 비상업적 용도만 허용합니다. 개인 용도입니까 (또는 유료 요금제를 씁니까)?",
    });
    if (!personal) {
      io.say({
        en: "Then a paid Tailscale plan is needed, and tickhub is no longer free: take one, then run this again.",
        ko: "그렇다면 Tailscale 유료 요금제가 필요합니다. 가입한 뒤 다시 실행하십시오.",
      });
      throw new Stopped();
    }
    const card = await io.confirm({
      en: "Northflank: the free sandbox wants a payment card on file, holds two services, and a project's region cannot be changed: it will be Tokyo (no region is nearer). All right?",
      ko: "Northflank: 무료 샌드박스에도 결제 카드 등록이 필요하고, 서비스는 두 개까지이며, 프로젝트 리전은 바꿀 수 없습니다. 도쿄로 만듭니다 (더 가까운 리전 없음). 괜찮습니까?",
    });
    memory.set("northflank", card ? "yes" : "no");
    if (!card) {
      io.say({
        en: "Then both collectors stay at home (phase local): the hub works without Northflank.",
        ko: "그러면 두 수집기는 집에 둡니다 (local 단계). 허브는 Northflank 없이도 동작합니다.",
      });
    }
  },
};

/** The wizard cannot go on; what to do was said. */
export class Stopped extends Error {}
