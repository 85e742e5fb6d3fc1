// The programs that `pulumi up` needs on this machine, looked for until they are there.
import { spawnSync } from "node:child_process";
import type { Io } from "../io.ts";
import type { Step } from "../setup.ts";
import type { Words } from "../words.ts";

interface Tool {
  command: readonly [string, ...string[]];
  isGood: (output: string) => boolean;
  fix: Words;
}

const TOOLS: readonly Tool[] = [
  {
    // Pulumi starts the `node` of the PATH, and the program is TypeScript that Node runs as it is.
    command: ["node", "--version"],
    isGood: (output) => Number(/^v(\d+)\./.exec(output)?.[1] ?? 0) >= 24,
    fix: {
      en: "Node 24 or newer has to be on the PATH: https://nodejs.org/en/download",
      ko: "Node 24 이상이 PATH에 있어야 합니다: https://nodejs.org/en/download",
    },
  },
  {
    command: ["pulumi", "version"],
    isGood: () => true,
    fix: {
      en: "The pulumi command is missing: https://www.pulumi.com/docs/install/",
      ko: "pulumi 명령이 없습니다: https://www.pulumi.com/docs/install/",
    },
  },
  {
    command: ["docker", "--version"],
    isGood: () => true,
    fix: {
      en: "The docker command is missing; the images are built with it: https://docs.docker.com/get-docker/",
      ko: "docker 명령이 없습니다. 이미지를 만드는 데 필요합니다: https://docs.docker.com/get-docker/",
    },
  },
];

export const tools: Step = {
  name: "tools",
  title: { en: "Programs on this machine", ko: "이 컴퓨터의 프로그램" },
  async run({ io }) {
    for (const tool of TOOLS) await untilThere(io, tool);
  },
};

async function untilThere(io: Io, { command, isGood, fix }: Tool): Promise<void> {
  const [program, ...args] = command;
  for (;;) {
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    if (status === 0 && isGood(stdout)) {
      io.say({ en: `  ${program}: ok`, ko: `  ${program}: 확인` });
      return;
    }
    io.say(fix);
    await io.ask(
      { en: "Enter ok once it is there:", ko: "설치한 뒤 ok를 입력하십시오:" },
      { default: "ok" },
    );
  }
}
