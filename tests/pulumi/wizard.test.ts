// The wizard as a user meets it: a process, its questions, an empty home. Vendors are on loopback, pulumi is real.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { noEngine } from "./support/engine.ts";
import { startVendors, TENANCY, TOKENS, USER } from "./support/vendors.ts";
import type { Vendors } from "./support/vendors.ts";

const tools = inject("pulumi");

let home = "";
let vendors: Vendors;
/** A project folder of its own, because pulumi writes beside Pulumi.yaml. */
let project = "";

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "tickhub-setup-home-"));
  project = mkdtempSync(join(tmpdir(), "tickhub-setup-"));
  cpSync("Pulumi.yaml", join(project, "Pulumi.yaml"));
  mkdirSync(join(project, "infra"));
  vendors = await startVendors();
});
afterEach(async () => {
  await vendors.close();
  rmSync(home, { recursive: true, force: true });
  rmSync(project, { recursive: true, force: true });
});

/** What `gcloud auth application-default login` leaves. */
function googleLogin(): string {
  const path = join(home, "google.json");
  const login = {
    type: "authorized_user",
    client_id: "1.apps.googleusercontent.com",
    client_secret: "public",
    refresh_token: "1//refresh",
  };
  writeFileSync(path, JSON.stringify(login));
  return path;
}

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: `${"folder" in tools ? `${tools.folder}:` : ""}${process.env["PATH"] ?? ""}`,
    HOME: home,
    PULUMI_HOME: join(home, ".pulumi"),
    GOOGLE_APPLICATION_CREDENTIALS: existsSync(join(home, "google.json"))
      ? join(home, "google.json")
      : googleLogin(),
    TICKHUB_SETUP_ENDPOINTS: vendors.endpoints,
  };
}

type Answers = [question: RegExp, answer: string | ((output: string) => string)][];

interface Told {
  code: number | null;
  output: string;
}

/** Answers each question by the first pattern that fits and was not used; ends the input when none fits. */
async function answerAll(answers: Answers): Promise<Told> {
  const left = [...answers];
  const child: ChildProcessWithoutNullStreams = spawn(
    process.execPath,
    [resolve("scripts/setup.ts")],
    { env: environment(), cwd: project },
  );
  let [output, seen] = ["", 0];
  const look = () => {
    const question = /\? ([^\n]*) $/.exec(output.slice(seen));
    if (!question) return;
    seen = output.length;
    const index = left.findIndex(([pattern]) => pattern.test(question[1] ?? ""));
    const [found] = index < 0 ? [] : left.splice(index, 1);
    if (!found) child.stdin.end();
    else child.stdin.write(`${typeof found[1] === "string" ? found[1] : found[1](output)}\n`);
  };
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    look();
  });
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { code, output };
}

const shownPassphrase = (output: string) =>
  /^ {4}([a-z2-9]{5}(-[a-z2-9]{5}){4})$/m.exec(output)?.[1] ?? "not shown";

/** The question after the console shows the key: by then the user has pasted it. */
function pasteKey(output: string): string {
  const pem = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/.exec(output)?.[0] ?? "";
  vendors.uploadKey(pem);
  return TENANCY;
}

const UNTIL_STATE: Answers = [
  [/Which\?/, "2"],
  [/Which\?/, "ap-seoul-1"],
  [/non-commercial/, "yes"],
  [/payment card/, "yes"],
  [/Which\?/, "folder"],
  [/Type it back/, "something else"],
  [/Type it back/, shownPassphrase],
  [/Keep it in/, "yes"],
];
const THE_REST: Answers = [
  [/Tenancy OCID/, "ocid1.user.oc1..wrong"],
  [/Tenancy OCID/, pasteKey],
  [/User OCID/, USER],
  [/E-mail/, "me@example.com"],
  [/tskey/, "tskey-api-bad"],
  [/tskey/, TOKENS.tailscale],
  [/MagicDNS/, ""],
  [/Logins that may/, ""],
  [/push the images/, () => `${new URL(vendors.url).host}/owner/tickhub`],
  [/Login there/, "owner"],
  [/Token \(GitHub/, "ghp_bad"],
  [/Token \(GitHub/, TOKENS.registry],
  [/Symbols/, Array.from({ length: 100 }, (_, i) => String(100_000 + i)).join(",")],
  [/project's id/, "not-mine"],
  [/project's id/, "my-project-1234"],
  [/The token/, "nf-bad"],
  [/The token/, TOKENS.northflank],
  [/KIS app key/, "too,few"],
  [/KIS app key/, "a1,a2,a3,a4,a5"],
  [/KIS app secret/, "s1,s2,s3,s4,s5"],
  [/Kiwoom app key/, "kiwoom-app"],
  [/Kiwoom secret key/, "kiwoom-secret"],
];

async function config(stack: string, key: string, path = false): Promise<string> {
  const program = "folder" in tools ? join(tools.folder, "pulumi") : "pulumi";
  const child = spawn(program, ["config", "get", key, ...(path ? ["--path"] : []), "-s", stack], {
    env: {
      ...environment(),
      PULUMI_BACKEND_URL: `file://${home}/.tickhub/pulumi`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(home, ".tickhub", "passphrase"),
    },
    cwd: project,
  });
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  return output.trim();
}

const yaml = (stack: string) => readFileSync(join(project, `Pulumi.${stack}.yaml`), "utf8");

describe.skipIf(noEngine())("npm run setup", () => {
  it(
    "ends, from an empty home, with a configuration that works",
    { timeout: 180_000 },
    async () => {
      const { code, output } = await answerAll([...UNTIL_STATE, ...THE_REST]);
      expect(output).toContain("pulumi up --stack oci");
      expect(code, output).toBe(0);
      expect(await config("oci", "oci:region")).toBe("ap-seoul-1");
      expect(await config("oci", "imageId")).toBe("ocid1.image.oc1..good");
      expect(await config("oci", "tailnetDomain")).toBe("tail1234.ts.net");
      expect(await config("oci", "tailnetAdmins")).toBe("owner@example.com");
      expect(await config("oci", "accounts")).toBe("kis:1,kis:2,kis:3,kis:4,kis:5,kiwoom:1");
      expect(await config("oci", "registryPassword")).toBe(TOKENS.registry);
      expect((await config("oci", "seed")).length).toBeGreaterThanOrEqual(43);
      expect(await config("edge-gcp", "gcp:project")).toBe("my-project-1234");
      expect(await config("edge-northflank", "secrets.KIS_APP_SECRET", true)).toBe(
        "s1,s2,s3,s4,s5",
      );
      expect(vendors.projectRegion).toBe("asia-northeast");
      // No secret stands anywhere in the clear, but for the passphrase where the user wanted it.
      const written = ["oci", "edge-gcp", "edge-northflank"].map(yaml).join("");
      const memory = readFileSync(join(home, ".tickhub", "setup.json"), "utf8");
      const passphrase = readFileSync(join(home, ".tickhub", "passphrase"), "utf8").trim();
      for (const secret of [...Object.values(TOKENS), "kiwoom-secret", "s1,s2", passphrase]) {
        expect(written + memory).not.toContain(secret);
      }
      expect(statSync(join(home, ".tickhub", "passphrase")).mode & 0o077).toBe(0);
      expect(statSync(join(home, ".oci", "tickhub_api_key.pem")).mode & 0o077).toBe(0);
      expect(readFileSync(join(home, ".oci", "config"), "utf8")).toContain("[TICKHUB]");
    },
  );

  it("goes on where it was left, and asks nothing twice", { timeout: 180_000 }, async () => {
    const first = await answerAll(UNTIL_STATE);
    expect(first.code).toBe(1);
    expect(first.output).toContain("npm run setup goes on from here");
    const second = await answerAll(THE_REST);
    expect(second.output).not.toContain("Type it back");
    expect(second.output).not.toContain("non-commercial");
    expect(second.code, second.output).toBe(0);
    const third = await answerAll([]);
    expect(third.code, third.output).toBe(0);
    expect(third.output).not.toContain("? ");
  });

  it("turns away who cannot go there, before anything is made", async () => {
    const { code, output } = await answerAll([
      [/Which\?/, "한국어"],
      [/번호/, "ko"],
    ]);
    expect(code).toBe(1);
    expect(output).toContain("?");
    const chuncheon = await answerAll([
      [/Which\?/, "1"],
      [/번호/, "ap-chuncheon-1"],
    ]);
    expect(chuncheon.code).toBe(1);
    expect(chuncheon.output).toContain("춘천 리전에는 무료 A1 서버가 없습니다");
    expect(vendors.asked).toEqual([]);
  });
});
