// `npm run setup`: from no account to a configuration that `pulumi up` takes. Says where to click, checks each
// answer with its vendor, and writes it where it belongs. Left at any point, it goes on from there.
import { homedir } from "node:os";
import { join } from "node:path";
import { InputEnded, Io } from "./setup/io.ts";
import { Memory } from "./setup/memory.ts";
import { Pulumi } from "./setup/pulumi.ts";
import type { Setup, Step } from "./setup/setup.ts";
import { brokers } from "./setup/steps/brokers.ts";
import { google } from "./setup/steps/google.ts";
import { images } from "./setup/steps/images.ts";
import { irrevocable, Stopped } from "./setup/steps/irrevocable.ts";
import { market } from "./setup/steps/market.ts";
import { northflank } from "./setup/steps/northflank.ts";
import { oci } from "./setup/steps/oci.ts";
import { state } from "./setup/steps/state.ts";
import { tailscale } from "./setup/steps/tailscale.ts";
import { tools } from "./setup/steps/tools.ts";
import { endpoints } from "./setup/vendors/endpoints.ts";

/** In this order: first what cannot be undone. Run each time: they open what the others write to. */
const ALWAYS = new Set(["tools", "state"]);
const STEPS: readonly Step[] = [
  irrevocable,
  tools,
  state,
  oci,
  tailscale,
  images,
  market,
  google,
  northflank,
  brokers,
];

async function main(): Promise<number> {
  const home = process.env["HOME"] ?? homedir();
  const io = new Io(process.stdin, process.stdout);
  const setup: Setup = {
    io,
    memory: new Memory(join(home, ".tickhub", "setup.json")),
    pulumi: new Pulumi(process.env),
    endpoints: endpoints(process.env),
    home,
  };
  try {
    await run(setup);
    return 0;
  } catch (error) {
    if (error instanceof Stopped) return 1;
    if (error instanceof InputEnded) {
      io.say({
        en: "\nStopped. What was answered is kept: npm run setup goes on from here.",
        ko: "\n중단했습니다. 입력한 내용은 저장되어 있습니다. npm run setup 으로 이어서 하십시오.",
      });
      return 1;
    }
    const reason = error instanceof Error ? error.message : String(error);
    io.say({
      en: `Failed: ${reason}\nWhat was answered is kept: npm run setup goes on from here.`,
      ko: `실패: ${reason}\n입력한 내용은 저장되어 있습니다. npm run setup 으로 이어서 하십시오.`,
    });
    return 1;
  } finally {
    io.close();
  }
}

async function run(setup: Setup): Promise<void> {
  const { io, memory } = setup;
  const language =
    memory.get("language") ??
    (await io.choose({ en: "Language / 언어", ko: "" }, [
      { name: "ko", words: { en: "한국어", ko: "" } },
      { name: "en", words: { en: "English", ko: "" } },
    ]));
  memory.set("language", language);
  io.language = language === "ko" ? "ko" : "en";
  for (const [index, step] of STEPS.entries()) {
    const isDone = memory.get(`done:${step.name}`) === "yes";
    if (isDone && !ALWAYS.has(step.name)) continue;
    const number = `[${index + 1}/${STEPS.length}]`;
    io.say({ en: `\n${number} ${step.title.en}`, ko: `\n${number} ${step.title.ko}` });
    await step.run(setup);
    memory.set(`done:${step.name}`, "yes");
  }
  io.say({
    en: "\nReady. Next, in this shell:\n  export PULUMI_CONFIG_PASSPHRASE_FILE=~/.tickhub/passphrase TAILSCALE_API_KEY=tskey-api-… OCI_CONFIG_FILE_PROFILE=TICKHUB\n  npx tickhub audit\n  pulumi up --stack oci",
    ko: "\n준비가 끝났습니다. 이 셸에서 이어서:\n  export PULUMI_CONFIG_PASSPHRASE_FILE=~/.tickhub/passphrase TAILSCALE_API_KEY=tskey-api-… OCI_CONFIG_FILE_PROFILE=TICKHUB\n  npx tickhub audit\n  pulumi up --stack oci",
  });
}

process.exitCode = await main();
