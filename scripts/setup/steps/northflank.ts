// Northflank: the project of the two collectors, in Tokyo.
import { NORTHFLANK } from "../setup.ts";
import type { Step } from "../setup.ts";
import { makeProject, readProject, REGION } from "../vendors/northflank.ts";
import type { NorthflankProject } from "../vendors/northflank.ts";
import { same } from "../words.ts";
import { Stopped } from "./irrevocable.ts";

const PROJECT = "tickhub";

export const northflank: Step = {
  name: "northflank",
  title: same("Northflank"),
  async run({ io, memory, pulumi, endpoints }) {
    if (memory.get("northflank") === "no") return;
    io.say({
      en: "app.northflank.com > Account settings > API > Tokens > create a token with rights on projects, services and secrets.",
      ko: "app.northflank.com > Account settings > API > Tokens 에서 프로젝트, 서비스, 비밀값 권한이 있는 토큰을 만드십시오.",
    });
    let found: NorthflankProject | undefined;
    const token = await io.ask(
      { en: "The token:", ko: "토큰:" },
      {
        secret: true,
        check: async (text) => {
          const read = await readProject(endpoints.northflank, text, PROJECT);
          if (typeof read === "string") {
            return { en: `Northflank says: ${read}`, ko: `Northflank 응답: ${read}` };
          }
          found = read;
          return null;
        },
      },
    );
    if (found?.state !== "there") {
      const why = await makeProject(endpoints.northflank, token, PROJECT);
      if (why !== null) throw new Error(`Northflank did not make the project: ${why}`);
      io.say({ en: `  project ${PROJECT} made in Tokyo`, ko: `  도쿄에 프로젝트 ${PROJECT} 생성` });
    } else if (found.region !== REGION) {
      io.say({
        en: `The project ${PROJECT} is in ${found.region}, and cannot move: delete it there, then run this again.`,
        ko: `프로젝트 ${PROJECT} 는 ${found.region} 에 있고 옮길 수 없습니다. 삭제한 뒤 다시 실행하십시오.`,
      });
      throw new Stopped();
    }
    await pulumi.set(NORTHFLANK, "northflankProject", PROJECT);
    await pulumi.setSecret(NORTHFLANK, "northflankToken", token);
  },
};
