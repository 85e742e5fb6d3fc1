// Where Pulumi keeps its state, and the passphrase that its secrets are encrypted with. Who loses the
// passphrase loses the stacks, so it has to be typed back before anything depends on it.
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GCP, HUB, NORTHFLANK } from "../setup.ts";
import type { Setup, Step } from "../setup.ts";

/** Without 0, 1, i, l and o: it may have to be read from paper. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

export const state: Step = {
  name: "state",
  title: { en: "State and passphrase", ko: "상태 저장소와 암호문" },
  async run(setup) {
    await chooseBackend(setup);
    await keepPassphrase(setup);
    await openState(setup);
  },
};

async function chooseBackend({ io, memory, home }: Setup): Promise<void> {
  if (memory.get("backend")) return;
  const folder = join(home, ".tickhub", "pulumi");
  const kind = await io.choose(
    {
      en: "Where shall Pulumi keep what it knows of your machines?",
      ko: "Pulumi가 서버 정보를 어디에 저장할까요?",
    },
    [
      {
        name: "folder",
        words: {
          en: `a folder of this computer (${folder}); copy it to a second place after each pulumi up`,
          ko: `이 컴퓨터의 폴더 (${folder}). pulumi up 뒤에는 다른 곳에도 복사해 두십시오`,
        },
      },
      {
        name: "cloud",
        words: {
          en: "Pulumi Cloud (free for one person; an account is needed)",
          ko: "Pulumi Cloud (개인 무료, 계정 필요)",
        },
      },
      {
        name: "other",
        words: { en: "another backend (s3://…, gs://…)", ko: "다른 저장소 (s3://…, gs://…)" },
      },
    ],
  );
  if (kind === "folder") {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    memory.set("backend", `file://${folder}`);
  } else if (kind === "cloud") memory.set("backend", "https://api.pulumi.com");
  else memory.set("backend", await io.ask({ en: "Its URL:", ko: "URL:" }));
}

/** Makes one, or asks for the one there is. Kept in a file of its own only when the user wants it. */
async function keepPassphrase(setup: Setup): Promise<void> {
  const { io, memory, pulumi, home } = setup;
  const file = join(home, ".tickhub", "passphrase");
  if (existsSync(file)) {
    pulumi.know("PULUMI_CONFIG_PASSPHRASE", readFileSync(file, "utf8").trim());
    return;
  }
  if (memory.get("passphrase") === "saved") {
    const passphrase = await io.ask(
      { en: "Your passphrase for Pulumi's secrets:", ko: "Pulumi 비밀값 암호문:" },
      { secret: true },
    );
    pulumi.know("PULUMI_CONFIG_PASSPHRASE", passphrase);
    return;
  }
  const passphrase = newPassphrase();
  io.say({
    en: `This passphrase encrypts every secret of your stacks. Save it in a password manager now; nobody can restore it:\n\n    ${passphrase}\n`,
    ko: `아래 암호문으로 모든 비밀값을 암호화합니다. 지금 비밀번호 관리자에 저장하십시오. 잃어버리면 복구할 수 없습니다:\n\n    ${passphrase}\n`,
  });
  await io.ask(
    { en: "Saved? Type it back:", ko: "저장했으면 다시 입력하십시오:" },
    {
      secret: true,
      check: (answer) =>
        answer === passphrase
          ? null
          : {
              en: "That is another one. Copy it from where you saved it.",
              ko: "다릅니다. 저장한 곳에서 복사하십시오.",
            },
    },
  );
  memory.set("passphrase", "saved");
  const keep = await io.confirm({
    en: `Keep it in ${file} as well, readable for you alone? (PULUMI_CONFIG_PASSPHRASE_FILE)`,
    ko: `${file} 에도 저장할까요? 본인만 읽을 수 있습니다. (PULUMI_CONFIG_PASSPHRASE_FILE)`,
  });
  if (keep) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${passphrase}\n`, { mode: 0o600 });
    chmodSync(file, 0o600);
  }
  pulumi.know("PULUMI_CONFIG_PASSPHRASE", passphrase);
}

/** Logs in and makes the stacks; a wrong passphrase is found here and not at the first secret. */
async function openState({ io, memory, pulumi }: Setup): Promise<void> {
  const backend = memory.need("backend");
  pulumi.know("PULUMI_BACKEND_URL", backend);
  await pulumi.must(["login", backend]);
  for (const stack of [HUB, GCP, NORTHFLANK]) await pulumi.stack(stack);
  if ((await pulumi.get(HUB, "seed")) === undefined) {
    await pulumi.setSecret(HUB, "seed", randomBytes(32).toString("base64"));
  }
  io.say({
    en: "  the state is open, three stacks are there",
    ko: "  상태 저장소 확인, 스택 세 개 준비",
  });
}

/** Five letters five times: 122 bits. */
export function newPassphrase(): string {
  const letters = (count: number) =>
    Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  return Array.from({ length: 5 }, () => letters(5)).join("-");
}
